//! What is said over a reply, told apart by the shipped assistant in virtual time: interruptions, backchannels, noise.
//!
//! The recordings of the repository always run. Where `REJOINDER_DATA` names the folder of the unpacked sets, real
//! noises and real speech over the reply run too. A table is printed.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test panics where it fails, and prints its table")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rejoinder::turn::Verdict;
use rejoinder::{Assistant, Config, Conversation, Cost, EventKind, SessionBuilder, Timelines};
use rejoinder_models::audio::{self, Clip};
use rejoinder_models::quantiles::quantile;
use rejoinder_models::units::SampleRate;

const RATE: SampleRate = SampleRate::INTERNAL;
/// Virtual costs, so that a run comes out the same on every machine.
const COST: Cost = Cost::Fixed { step: Duration::from_millis(1), output: Duration::from_millis(2) };
/// How long after the reply's beginning something is said over it.
const AFTER_MS: f64 = 300.0;
/// The noise of the room, below the caller's question.
const ROOM_DB: f32 = -40.0;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn samples(ms: f64) -> usize {
    (ms * f64::from(RATE.get()) / 1e3) as usize
}

/// White noise that is always the same.
fn noise(length: usize) -> Vec<f32> {
    let mut state = 12_345_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..length).map(|_| next()).collect()
}

/// A conversation into which something is mixed while the assistant speaks.
struct Stage {
    assistant: Assistant,
    question: Clip,
    /// When the reply begins if nothing is said over it.
    reply_ms: f64,
}

#[derive(Debug)]
struct Outcome {
    interrupted: bool,
    verdict: Option<Verdict>,
    /// From the sound's beginning to the reply's silence.
    silent_ms: Option<f64>,
    /// How long the reply was held back, where it went on.
    dip_ms: Option<f64>,
    whole: bool,
}

impl Stage {
    fn new() -> Self {
        let assistant = Assistant::open(&Config::load_default().unwrap()).unwrap();
        let question = audio::read(root().join("tests/fixtures/audio/set_a_timer.wav")).unwrap();
        let mut stage = Self { assistant, question, reply_ms: 0.0 };
        let conversation = stage.run(&[]);
        let lines: Timelines = conversation.events.iter().collect();
        let turn = &lines.turns()[0];
        stage.reply_ms = turn.first_audio.unwrap().ms();
        let length = turn.audio_end.unwrap().ms() - stage.reply_ms;
        assert!(length > 1_500.0, "the reply is too short for something to be said over it: {length} ms");
        stage
    }

    fn run(&self, over: &[f32]) -> Conversation {
        let at = samples(self.reply_ms + AFTER_MS);
        let length = self.question.samples.len().max(if over.is_empty() { 0 } else { at + over.len() });
        let mut caller = self.question.samples.clone();
        caller.resize(length + samples(700.0), 0.0);
        caller.iter_mut().skip(at).zip(over).for_each(|(sum, x)| *sum += x);
        let room = 10_f32.powf(ROOM_DB / 20.0) * 0.1;
        caller.iter_mut().zip(noise(length + samples(700.0))).for_each(|(sum, x)| *sum += room * x);
        SessionBuilder::new(&self.assistant).simulate(&Clip::new(caller, RATE), COST).unwrap()
    }

    fn outcome(&self, over: &[f32]) -> Outcome {
        let conversation = self.run(over);
        let at = |wanted: fn(&EventKind) -> bool| {
            conversation.events.iter().find(|event| wanted(&event.kind)).map(|event| event.at.ms())
        };
        let ducked = at(|kind| matches!(kind, EventKind::Ducked { .. }));
        let restored = at(|kind| *kind == EventKind::Restored);
        let verdict = conversation.events.iter().find_map(|event| match event.kind {
            EventKind::Judged { verdict } => Some(verdict),
            _ => None,
        });
        let lines: Timelines = conversation.events.iter().collect();
        let first = &lines.turns()[0];
        Outcome {
            interrupted: first.interrupted,
            verdict,
            silent_ms: ducked.map(|at| at + 20.0 - self.reply_ms - AFTER_MS),
            dip_ms: ducked.zip(restored).filter(|_| !first.interrupted).map(|(from, to)| to - from),
            whole: !first.interrupted && first.kept.is_none(),
        }
    }
}

#[derive(Default)]
struct Tally {
    all: usize,
    interrupted: usize,
    ducked: usize,
    verdicts: BTreeMap<String, usize>,
    silent_ms: Vec<f64>,
    dip_ms: Vec<f64>,
}

impl Tally {
    fn take(&mut self, outcome: &Outcome) {
        self.all += 1;
        self.interrupted += usize::from(outcome.interrupted);
        self.ducked += usize::from(outcome.silent_ms.is_some());
        let verdict = outcome.verdict.map_or("none".to_owned(), |verdict| format!("{verdict:?}"));
        *self.verdicts.entry(verdict).or_default() += 1;
        self.silent_ms.extend(outcome.silent_ms);
        self.dip_ms.extend(outcome.dip_ms);
        assert!(outcome.interrupted || outcome.whole, "a reply that goes on is heard to its end");
    }

    fn share(&self) -> f64 {
        self.interrupted as f64 / self.all.max(1) as f64
    }
}

fn measure<'a>(stage: &Stage, items: impl IntoIterator<Item = (&'a str, Vec<f32>)>) -> BTreeMap<String, Tally> {
    let mut tallies = BTreeMap::<String, Tally>::new();
    for (kind, over) in items {
        let outcome = stage.outcome(&over);
        tallies.entry(kind.to_owned()).or_default().take(&outcome);
    }
    for (kind, tally) in &tallies {
        let ms = |values: &[f64]| {
            format!("{:.0} / {:.0} ms", quantile(values.to_vec(), 0.5), quantile(values.to_vec(), 0.95))
        };
        println!(
            "{kind:<28} {:>3} clips, {:>3} ducked, {:>3} interrupted; silent after {}, dips {}; {:?}",
            tally.all,
            tally.ducked,
            tally.interrupted,
            ms(&tally.silent_ms),
            ms(&tally.dip_ms),
            tally.verdicts
        );
    }
    tallies
}

fn loudest(samples: &[f32], peak: f32) -> Vec<f32> {
    let most = samples.iter().fold(1e-6_f32, |most, x| most.max(x.abs()));
    samples.iter().map(|x| x * peak / most).collect()
}

/// Sounds that are no voice: clicks, thumps, bursts as of a cough, steps, a hiss and a hum.
fn made_noises() -> Vec<Vec<f32>> {
    let decay = |length: f64, tau: f32| -> Vec<f32> {
        let tau = tau * RATE.get() as f32 / 1e3;
        noise(samples(length)).iter().enumerate().map(|(i, x)| 0.5 * x * (-(i as f32) / tau).exp()).collect()
    };
    let gap = |ms: f64| vec![0.0; samples(ms)];
    let hum: Vec<f32> = (0..samples(800.0))
        .map(|i| 0.2 * (std::f32::consts::TAU * 50.0 * i as f32 / RATE.get() as f32).sin())
        .collect();
    vec![
        decay(30.0, 5.0),
        decay(300.0, 60.0),
        [decay(250.0, 80.0), gap(120.0), decay(350.0, 100.0)].concat(),
        [decay(60.0, 15.0), gap(300.0), decay(60.0, 15.0), gap(300.0), decay(60.0, 15.0)].concat(),
        decay(1_500.0, 2_000.0).iter().map(|x| 0.2 * x).collect(),
        hum,
    ]
}

#[test]
fn the_recordings_of_the_repository_are_told_apart() {
    let stage = Stage::new();
    let mut items = Vec::new();
    let mut paths: Vec<_> = std::fs::read_dir(root().join("tests/fixtures/audio/overlap")).unwrap().collect();
    paths.sort_by_key(|entry| entry.as_ref().unwrap().path());
    for entry in paths {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let kind = if name.starts_with("backchannel") { "backchannel" } else { "interruption" };
        items.push((kind, loudest(&audio::read(&path).unwrap().samples, 0.4)));
    }
    items.extend(made_noises().into_iter().map(|samples| ("noise", samples)));
    let tallies = measure(&stage, items);
    // The judge hears words through the shipped recogniser, which may mistake some.
    assert!(tallies["interruption"].share() >= 0.8);
    assert!(tallies["backchannel"].share() <= 0.3);
    assert_eq!(tallies["noise"].interrupted, 0);
    assert!(quantile(tallies["interruption"].silent_ms.clone(), 0.95) <= 300.0);
}

/// The files of a set, each with what stands in one column. No value of these columns has a comma.
fn manifest(sets: &Path, set: &str, column: &str) -> Vec<(PathBuf, String)> {
    let text = std::fs::read_to_string(sets.join(set).join("manifest.csv")).unwrap();
    let mut rows = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = rows.next().unwrap();
    let at = |name: &str| names.iter().position(|known| *known == name).unwrap();
    let (path, column) = (at("path"), at(column));
    rows.map(|row| (sets.join(set).join(row[path]), row[column].to_owned())).collect()
}

#[test]
fn real_noises_and_voices_are_told_apart() {
    let Some(sets) = std::env::var_os("REJOINDER_DATA").map(PathBuf::from) else {
        println!("skipped: REJOINDER_DATA is not set");
        return;
    };
    let stage = Stage::new();
    let clip = |path: PathBuf, length: f64| {
        let mut sound = audio::read_at(path, RATE).unwrap().samples;
        let from = sound.iter().position(|x| x.abs() > 0.02).unwrap_or(0);
        sound.drain(..from);
        sound.truncate(samples(length));
        loudest(&sound, 0.4)
    };
    let mut items: Vec<(String, Vec<f32>)> = Vec::new();
    for (path, class) in manifest(&sets, "esc10", "class").into_iter().step_by(8) {
        items.push((format!("noise: {class}"), clip(path, 1_000.0)));
    }
    for (set, step) in [("librispeech_sub", 30), ("speechocean762", 250), ("intent_barista", 30)] {
        for (path, _) in manifest(&sets, set, "id").into_iter().step_by(step) {
            items.push((format!("voice: {set}"), clip(path, 2_000.0)));
        }
    }
    let tallies = measure(&stage, items.iter().map(|(kind, samples)| (kind.as_str(), samples.clone())));
    let share = |prefix: &str| {
        let of: Vec<&Tally> = tallies.iter().filter(|(kind, _)| kind.starts_with(prefix)).map(|(_, t)| t).collect();
        let (interrupted, all) = of.iter().fold((0, 0), |sum, t| (sum.0 + t.interrupted, sum.1 + t.all));
        interrupted as f64 / all as f64
    };
    println!("interrupted by voices {:.2}, by noise {:.2}", share("voice"), share("noise"));
    assert!(share("voice") >= 0.9 && share("noise") <= 0.2);
}
