//! What the caller does next: by the script, or by chance.

use rand::seq::IteratorRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rejoinder_models::units::{SampleRate, Samples};

use super::scenario::{Act, Kind, Scenario};
use super::utterance::Utterance;
use super::voices::{Recording, Role, Voices};
use crate::{Error, Result};

/// Draws of a recording in which nothing is heard before the voices are given up.
const DRAWS: usize = 20;

/// One thing that the caller is about to do.
pub(crate) struct Cue {
    pub(crate) kind: Kind,
    /// How long after the moment that the kind names.
    pub(crate) after: Samples,
    /// What is to be heard: nothing of one who waits.
    pub(crate) sound: Option<Utterance>,
    /// The recording's name and words.
    pub(crate) clip: String,
    pub(crate) text: String,
}

/// The caller's acts, one after another, drawn from a seed.
pub(crate) struct Script {
    scenario: Scenario,
    voices: Voices,
    rng: ChaCha8Rng,
    /// Acts that were drawn and not yet taken, last first.
    drawn: Vec<Act>,
    acts: usize,
    turns: usize,
}

impl Script {
    /// Refuses a script that names recordings that are not there, and acts for which there are none.
    pub(crate) fn new(scenario: &Scenario, voices: &Voices) -> Result<Self> {
        if let Some(name) =
            scenario.act.iter().filter_map(|act| act.clip.as_ref()).find(|name| voices.named(name).is_none())
        {
            let reason = format!("act.clip: no recording is called {name}; name the folder of one that is as `voices`");
            return Err(Error::Session(reason));
        }
        let missing = wanted(scenario).into_iter().find(|(_, role)| voices.of(*role).next().is_none());
        if let Some((key, role)) = missing {
            let role = format!("{role:?}").to_lowercase();
            let reason = format!(
                "{key}: the caller has no recording of the role {role}; name the folder of one as `voices`, such as tests/fixtures/caller of the repository"
            );
            return Err(Error::Session(reason));
        }
        // What is named can be said, before anything is.
        for act in &scenario.act {
            if let Some(recording) = act.clip.as_ref().and_then(|name| voices.named(name)) {
                heard(recording, scenario.caller.level_db, act.pause_ms).map_err(Error::Session)?;
            }
        }
        let rng = ChaCha8Rng::seed_from_u64(scenario.seed);
        Ok(Self { scenario: scenario.clone(), voices: voices.clone(), rng, drawn: Vec::new(), acts: 0, turns: 0 })
    }

    /// The next act, none after the last.
    pub(crate) fn next(&mut self) -> Result<Option<Cue>> {
        let Some(act) = self.act() else { return Ok(None) };
        self.turns += usize::from(act.kind.is_turn());
        self.cue(act).map(Some)
    }

    fn act(&mut self) -> Option<Act> {
        let Scenario { act: script, turns, .. } = &self.scenario;
        let enough = *turns > 0 && self.turns >= *turns;
        if let Some(act) = self.drawn.pop() {
            // The last words may still be answered with a sign of attention.
            return (!enough || !act.kind.is_turn()).then_some(act);
        }
        if enough || (*turns == 0 && self.acts >= script.len()) {
            return None;
        }
        if script.is_empty() {
            self.draw();
            return self.drawn.pop();
        }
        let act = script[self.acts % script.len()].clone();
        self.acts += 1;
        Some(act)
    }

    /// Draws an exchange: words, and what comes before and after them.
    fn draw(&mut self) {
        let random = self.scenario.random.clone();
        let rng = &mut self.rng;
        let act = |kind, after_ms, pause_ms| Act { kind, clip: None, after_ms, pause_ms };
        let mut acts = Vec::new();
        if rng.random_bool(random.silence) {
            acts.push(act(Kind::Wait, between(rng, random.silence_ms), None));
        }
        let pause = |rng: &mut ChaCha8Rng| rng.random_bool(random.pause).then(|| between(rng, random.pause_ms));
        let paused = pause(rng);
        acts.push(act(Kind::Say, between(rng, random.gap_ms), paused));
        if rng.random_bool(random.go_on) {
            acts.push(act(Kind::GoOn, between(rng, random.go_on_ms), None));
        }
        let chance: f64 = rng.random();
        let (interrupt, backchannel) = (random.interrupt, random.interrupt + random.backchannel);
        if chance < interrupt {
            let paused = pause(rng);
            acts.push(act(Kind::Interrupt, between(rng, random.interrupt_ms), paused));
        } else if chance < backchannel {
            acts.push(act(Kind::Backchannel, between(rng, random.sound_ms), None));
        } else if chance < backchannel + random.cough {
            acts.push(act(Kind::Cough, between(rng, random.sound_ms), None));
        }
        acts.reverse();
        self.drawn = acts;
    }

    fn cue(&mut self, act: Act) -> Result<Cue> {
        let after = Samples::from_ms(act.after_ms, SampleRate::INTERNAL);
        let cue = Cue { kind: act.kind, after, sound: None, clip: String::new(), text: String::new() };
        if act.kind == Kind::Wait {
            return Ok(cue);
        }
        let caller = &self.scenario.caller;
        let spread = caller.level_spread_db.max(0.0);
        let level_db = caller.level_db + self.rng.random_range(-spread..=spread);
        // By chance there is a pause where there is a place for one.
        let by_chance = self.scenario.act.is_empty();
        let mut last = String::new();
        for _ in 0..DRAWS {
            let recording = self.recording(&act)?;
            let sound = match heard(&recording, level_db, act.pause_ms) {
                Err(_) if by_chance && act.pause_ms.is_some() => heard(&recording, level_db, None),
                sound => sound,
            };
            match sound {
                Ok(sound) => {
                    let clip = recording.name().to_owned();
                    return Ok(Cue { sound: Some(sound), clip, text: recording.text, ..cue });
                }
                Err(reason) => {
                    tracing::warn!("the caller says something else: {reason}");
                    last = reason;
                }
            }
        }
        let reason =
            format!("none of {DRAWS} recordings that the caller drew to {:?} will do; the last: {last}", act.kind);
        Err(Error::Session(reason))
    }

    fn recording(&mut self, act: &Act) -> Result<Recording> {
        if let Some(name) = &act.clip {
            let missing = || Error::Session(format!("no recording named {name}"));
            return self.voices.named(name).cloned().ok_or_else(missing);
        }
        let roles = match act.kind {
            Kind::Backchannel => vec![Role::Backchannel],
            Kind::Cough | Kind::ClearThroat => vec![Role::Cough],
            _ => self.scenario.caller.says.clone(),
        };
        let role = roles[self.rng.random_range(0..roles.len())];
        let missing = || Error::Session(format!("the caller has no recording of the role {role:?}"));
        self.voices.of(role).choose(&mut self.rng).cloned().ok_or_else(missing)
    }
}

/// What is heard of a recording, with a pause in its middle where one is wanted; or why it will not do.
fn heard(recording: &Recording, level_db: f32, pause_ms: Option<f64>) -> std::result::Result<Utterance, String> {
    let path = recording.path.display();
    let clip = recording.read().map_err(|error| error.to_string())?;
    let sound = Utterance::new(&clip.samples, level_db).ok_or_else(|| format!("{path}: nothing is heard in it"))?;
    let Some(pause_ms) = pause_ms else { return Ok(sound) };
    let paused = sound.paused(Samples::from_ms(pause_ms, SampleRate::INTERNAL));
    paused.ok_or_else(|| format!("{path}: it is too short for a pause (pause_ms) in its middle"))
}

/// Of what recordings are drawn, and what wants them.
fn wanted(scenario: &Scenario) -> Vec<(&'static str, Role)> {
    let Scenario { caller, random, act: script, .. } = scenario;
    let drawn = |kinds: &[Kind]| script.iter().any(|act| act.clip.is_none() && kinds.contains(&act.kind));
    let by_chance = |chance: f64| script.is_empty() && chance > 0.0;
    let mut wanted = Vec::new();
    if script.is_empty() || drawn(&[Kind::Say, Kind::GoOn, Kind::Interrupt]) {
        wanted.extend(caller.says.iter().map(|role| ("caller.says", *role)));
    }
    if by_chance(random.backchannel) || drawn(&[Kind::Backchannel]) {
        wanted.push(("random.backchannel", Role::Backchannel));
    }
    if by_chance(random.cough) || drawn(&[Kind::Cough, Kind::ClearThroat]) {
        wanted.push(("random.cough", Role::Cough));
    }
    wanted
}

fn between(rng: &mut ChaCha8Rng, [low, high]: [f64; 2]) -> f64 {
    rng.random_range(low..=high)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rejoinder_models::audio::{Clip, write_wav};

    use super::*;

    fn script(scenario: &Scenario) -> Vec<(Kind, u64, String)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/caller");
        let mut script = Script::new(scenario, &Voices::open(folder).unwrap()).unwrap();
        std::iter::from_fn(|| script.next().unwrap()).map(|cue| (cue.kind, cue.after.0, cue.clip)).collect()
    }

    #[test]
    fn a_seed_draws_the_same_acts_and_another_seed_others() {
        let scenario = |seed| Scenario { seed, turns: 40, ..Scenario::default() };
        let acts = script(&scenario(3));
        assert_eq!(acts, script(&scenario(3)));
        assert_ne!(acts, script(&scenario(4)));
        assert_eq!(acts.iter().filter(|(kind, ..)| kind.is_turn()).count(), 40);
        for kind in [Kind::Say, Kind::Interrupt, Kind::Backchannel, Kind::Cough] {
            assert!(acts.iter().any(|(of, ..)| *of == kind), "{kind:?} is missing");
        }
    }

    #[test]
    fn what_cannot_be_said_is_refused_before_anything_is() {
        let folder = tempfile::tempdir().unwrap();
        let fixture = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/caller").join(name);
        std::fs::write(folder.path().join("torn.wav"), "RIFF").unwrap();
        std::fs::copy(fixture("time.flac"), folder.path().join("time.flac")).unwrap();
        let hum = (0..1_600).map(|n| 0.2 * (n as f32 * 0.3).sin()).collect();
        write_wav(folder.path().join("hum.wav"), &Clip::new(hum, SampleRate::INTERNAL)).unwrap();
        let list = "path,role\ntorn.wav,question\ntime.flac,question\nhum.wav,cough\n";
        std::fs::write(folder.path().join("manifest.csv"), list).unwrap();
        let voices = Voices::open(folder.path()).unwrap();
        let act = |clip: Option<&str>, pause_ms| {
            vec![Act { kind: Kind::Say, clip: clip.map(str::to_owned), after_ms: 100.0, pause_ms }]
        };
        let scenario = |act| Scenario { turns: 0, act, ..Scenario::default() };
        let message = |act| Script::new(&scenario(act), &voices).map(drop).unwrap_err().to_string();
        let torn = message(act(Some("torn"), None));
        assert!(torn.contains("torn.wav"), "{torn}");
        let short = message(act(Some("hum"), Some(500.0)));
        assert!(short.contains("hum.wav: it is too short for a pause"), "{short}");
        // Where chance draws it, another takes its place.
        let mut drawn = Script::new(&Scenario { turns: 8, ..scenario(act(None, None)) }, &voices).unwrap();
        let said: Vec<Cue> = std::iter::from_fn(|| drawn.next().unwrap()).collect();
        assert!(said.len() == 8 && said.iter().all(|cue| cue.clip == "time"));
    }

    #[test]
    fn a_script_is_followed_once_or_as_long_as_it_takes() {
        let say = Act { kind: Kind::Say, clip: Some("time".to_owned()), after_ms: 100.0, pause_ms: None };
        let mhm = Act { kind: Kind::Backchannel, clip: None, ..say.clone() };
        let once = script(&Scenario { turns: 0, act: vec![say.clone(), mhm.clone()], ..Scenario::default() });
        assert_eq!(once.iter().map(|(kind, ..)| *kind).collect::<Vec<_>>(), [Kind::Say, Kind::Backchannel]);
        assert_eq!(script(&Scenario { turns: 3, act: vec![say, mhm], ..Scenario::default() }).len(), 5);
    }
}
