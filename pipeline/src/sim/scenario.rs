//! What a simulated conversation is: a TOML file that, with its seed, repeats it.

mod cost;
mod random;
mod room;

use std::path::{Path, PathBuf};

pub use cost::{CostConfig, FixedCosts};
pub use random::RandomConfig;
pub use room::{EchoConfig, RoomConfig};
use serde::{Deserialize, Serialize};

use super::voices::Role;
use crate::config::within;
use crate::{Error, Result};

/// A file in `configs/scenarios`. A run that fails leaves one that repeats it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// What chance is drawn from. Default: 0.
    pub seed: u64,
    /// How often the caller speaks to the assistant; 0 for once through the script. Default: 20.
    pub turns: usize,
    /// The assistant's configuration; in a file it counts from the file's folder. Default: the default one.
    pub config: Option<PathBuf>,
    /// The folder of the caller's recordings, which counts from there as well. Default: the one that the program is told,
    /// or the fixtures.
    pub voices: Option<PathBuf>,
    /// What a step costs in virtual time. Default: what it takes.
    pub cost: CostConfig,
    /// Who calls.
    pub caller: CallerConfig,
    /// Where from.
    pub room: RoomConfig,
    /// What the caller does where there is no script.
    pub random: RandomConfig,
    /// What must come of it.
    pub expect: Expect,
    /// The script: what the caller does, one act after another.
    pub act: Vec<Act>,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallerConfig {
    /// What the caller says. Default: questions.
    pub says: Vec<Role>,
    /// The level of the voice's loud parts, in dB of full scale. Default: -26.
    pub level_db: f32,
    /// How much an utterance's level may differ from that, in dB. Default: 4.
    pub level_spread_db: f32,
    /// How long the caller waits for a reply before speaking again. Default: 5,000.
    pub patience_ms: f64,
}

impl Default for CallerConfig {
    fn default() -> Self {
        Self { says: vec![Role::Question], level_db: -26.0, level_spread_db: 4.0, patience_ms: 5_000.0 }
    }
}

/// What the caller does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Speaks once the assistant is done, or has not answered for the caller's patience.
    Say,
    /// Adds something after the end of the last words.
    GoOn,
    /// Speaks while a reply sounds.
    Interrupt,
    /// Shows attention while a reply sounds.
    Backchannel,
    /// Coughs or sneezes while a reply sounds.
    Cough,
    /// Coughs or sneezes once the assistant is done.
    ClearThroat,
    /// Stays silent once the assistant is done.
    Wait,
}

impl Kind {
    /// Whether these are words that want an answer.
    pub fn is_turn(self) -> bool {
        matches!(self, Self::Say | Self::GoOn | Self::Interrupt)
    }
}

/// One line of a script.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// What the caller does.
    #[serde(rename = "do")]
    pub kind: Kind,
    /// The recording, by name. Default: one that is drawn.
    #[serde(default)]
    pub clip: Option<String>,
    /// How long after the moment that the kind names: the assistant is done, the reply begins, the caller's last words
    /// end. Default: 500.
    #[serde(default = "half_a_second")]
    pub after_ms: f64,
    /// The length of a pause in the middle of the words. Default: none.
    #[serde(default)]
    pub pause_ms: Option<f64>,
}

fn half_a_second() -> f64 {
    500.0
}

/// What a run must keep to. A stage that fails, a turn that is lost or answered twice, and a history that differs from
/// what was heard fail a run in any case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// The share of utterances that are cut off, at the most.
    pub false_cutoffs: Option<f64>,
    /// The share of replies that stop although nobody interrupts, at the most.
    pub false_interruptions: Option<f64>,
    /// The share of interruptions to which the assistant does not yield, at the most.
    pub missed_barge_ins: Option<f64>,
    /// Turns that begin although nobody speaks, at the most.
    pub ghosts: Option<usize>,
    /// Of those, the ones that get a reply, at the most.
    pub ghost_replies: Option<usize>,
    /// The share of utterances that get no answer, at the most.
    pub unanswered: Option<f64>,
    /// The median from the end of speech to the reply, at the most.
    pub voice_to_voice_p50_ms: Option<f64>,
    /// The 95th percentile from the beginning of an interruption to silence, at the most.
    pub barge_in_p95_ms: Option<f64>,
}

impl Expect {
    fn check(&self) -> std::result::Result<(), String> {
        let shares = [
            ("expect.false_cutoffs", self.false_cutoffs, 1.0),
            ("expect.false_interruptions", self.false_interruptions, 1.0),
            ("expect.missed_barge_ins", self.missed_barge_ins, 1.0),
            ("expect.unanswered", self.unanswered, 1.0),
            ("expect.voice_to_voice_p50_ms", self.voice_to_voice_p50_ms, LONGEST_MS),
            ("expect.barge_in_p95_ms", self.barge_in_p95_ms, LONGEST_MS),
        ];
        shares.into_iter().try_for_each(|(key, value, most)| within(key, value.unwrap_or(0.0), 0.0, most))
    }
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            name: "random".to_owned(),
            seed: 0,
            turns: 20,
            config: None,
            voices: None,
            cost: CostConfig::default(),
            caller: CallerConfig::default(),
            room: RoomConfig::default(),
            random: RandomConfig::default(),
            expect: Expect::default(),
            act: Vec::new(),
        }
    }
}

/// The longest wait of a caller: an hour.
const LONGEST_MS: f64 = 3_600_000.0;

impl Scenario {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::Config`] when a value is unknown or out of its bounds.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|source| Error::io(path, source))?;
        let mut scenario: Self = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
            Error::config(path, format!("line {line}: {}", error.message()))
        })?;
        scenario.check().map_err(|reason| Error::config(path, reason))?;
        for named in [&mut scenario.config, &mut scenario.voices].into_iter().flatten() {
            *named = path.with_file_name(&*named);
        }
        Ok(scenario)
    }

    /// Writes it to a file, from which [`load`](Self::load) gets it back.
    ///
    /// # Errors
    /// [`Error::Io`] when that cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let text = toml::to_string_pretty(self).map_err(|error| Error::config(path, error.to_string()))?;
        std::fs::write(path, text).map_err(|source| Error::io(path, source))
    }

    /// Refuses values that are out of their bounds, also of a scenario that was changed since it was loaded.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub fn check(&self) -> std::result::Result<(), String> {
        self.random.check()?;
        self.room.check()?;
        within("caller.level_db", f64::from(self.caller.level_db), -90.0, 0.0)?;
        within("caller.level_spread_db", f64::from(self.caller.level_spread_db), 0.0, 60.0)?;
        within("caller.patience_ms", self.caller.patience_ms, 0.0, LONGEST_MS)?;
        for act in &self.act {
            within("act.after_ms", act.after_ms, 0.0, LONGEST_MS)?;
            within("act.pause_ms", act.pause_ms.unwrap_or(0.0), 0.0, LONGEST_MS)?;
            if act.kind == Kind::Wait && (act.clip.is_some() || act.pause_ms.is_some()) {
                return Err("act: nothing is said in `wait`; leave out its `clip` and `pause_ms`".to_owned());
            }
        }
        self.expect.check()?;
        if self.caller.says.is_empty() {
            return Err("caller.says: expected at least one role, found none".to_owned());
        }
        if self.turns > 0 && !self.act.is_empty() && !self.act.iter().any(|act| act.kind.is_turn()) {
            let reason = "expected 0, once through a script in which nothing is said to the assistant";
            return Err(format!("turns: {reason}, found {}", self.turns));
        }
        if self.act.is_empty() && self.turns == 0 {
            return Err("turns: expected at least 1 without a script, found 0".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_comes_back_from_its_file_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scenario.toml");
        let act = Act { kind: Kind::Interrupt, clip: Some("time".to_owned()), after_ms: 300.0, pause_ms: None };
        let room = RoomConfig { echo: Some(EchoConfig::default()), snr_db: Some(20.0), ..RoomConfig::default() };
        let cost = CostConfig::Fixed(FixedCosts::default());
        let scenario = Scenario { seed: 7, act: vec![act], room, cost, ..Scenario::default() };
        scenario.save(&path).unwrap();
        assert_eq!(Scenario::load(&path).unwrap(), scenario);
    }

    #[test]
    fn what_a_file_names_is_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scenario.toml");
        std::fs::write(&path, "config = \"quiet.toml\"\nvoices = \"/recordings\"").unwrap();
        let Scenario { config, voices, .. } = Scenario::load(&path).unwrap();
        assert_eq!((config, voices), (Some(folder.path().join("quiet.toml")), Some("/recordings".into())));
    }

    #[test]
    fn mistakes_are_named_with_their_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scenario.toml");
        for (text, expected) in [
            ("sed = 3", "line 1: unknown field `sed`"),
            ("[random]\ncough = 1.5", "random.cough: expected 0 to 1, found 1.5"),
            ("[random]\ngap_ms = [5, 1]", "random.gap_ms: expected two rising times"),
            ("[[act]]\ndo = \"shout\"", "unknown variant `shout`"),
            ("turns = 0", "turns: expected at least 1"),
            ("[[act]]\ndo = \"cough\"", "turns: expected 0, once through a script"),
            ("[[act]]\ndo = \"say\"\nafter_ms = -5", "act.after_ms: expected 0 to 3600000, found -5"),
            ("[cost]\nkind = \"measured\"\nlisten_us = [1, 1]", "unknown field `listen_us`"),
            ("[room]\nsnr_db = nan", "room.snr_db: expected -20 to 120, found NaN"),
            ("[room]\nnoise = \"kitchen\"", "room.noise: expected room.snr_db beside it"),
            ("[room.echo]\ndrift_ppm = -1e6", "room.echo.drift_ppm: expected -1000 to 1000, found -1000000"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Scenario::load(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
