//! The demo: recorded questions go through the shipped models, in virtual time and in real time.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test's helpers may fail like the test, and say so")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rejoinder::io::file;
use rejoinder::{Assistant, Config, Cost, EventKind, SessionBuilder, Timelines};
use rejoinder_models::audio::{self, Clip};
use rejoinder_models::units::SampleRate;
use rejoinder_training::data::energy;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn fixture(name: &str) -> PathBuf {
    root().join("tests/fixtures/audio").join(name)
}

fn assistant() -> Assistant {
    Assistant::open(&Config::load_default().unwrap()).unwrap()
}

fn loudest(clip: &Clip) -> f32 {
    clip.samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()))
}

#[test]
fn a_question_is_heard_and_answered_aloud() {
    let caller = audio::read(fixture("what_time_is_it.wav")).unwrap();
    let conversation = SessionBuilder::new(&assistant()).simulate(&caller, Cost::Measured).unwrap();
    let lines: Timelines = conversation.events.iter().collect();
    let heard: Vec<_> = lines.turns().iter().map(|turn| turn.text.as_str()).collect();
    assert_eq!(heard, ["what time is it"]);
    let said = &lines.turns()[0].reply;
    assert!(said.split_whitespace().count() > 2, "{said}");
    assert!(loudest(&conversation.assistant) > 0.05, "the answer is silent");
}

#[test]
fn the_same_question_is_answered_in_real_time() {
    let folder = tempfile::tempdir().unwrap();
    let answer = folder.path().join("answer.wav");
    let (source, sink) = file::open(fixture("what_time_is_it.wav"), &answer).unwrap();
    let events = Arc::new(Mutex::new(Vec::new()));
    let told = events.clone();
    let session = SessionBuilder::new(&assistant()).source(source).sink(sink);
    session.on_event(move |event| told.lock().unwrap().push(event.clone())).start().unwrap().wait().unwrap();
    let lines: Timelines = events.lock().unwrap().iter().collect();
    assert_eq!(lines.turns()[0].text, "what time is it");
    let channels = audio::read_channels(&answer).unwrap();
    assert_eq!(channels.len(), 2);
    assert!(channels.iter().all(|channel| loudest(channel) > 0.05));
}

#[test]
fn several_turns_in_one_recording_are_answered_each() {
    let caller = audio::read(fixture("two_turns.wav")).unwrap();
    let conversation = SessionBuilder::new(&assistant()).simulate(&caller, Cost::Measured).unwrap();
    let lines: Timelines = conversation.events.iter().collect();
    assert_eq!(lines.turns().len(), 2, "{lines:?}");
    assert!(lines.turns().iter().all(|turn| !turn.text.is_empty() && !turn.reply.is_empty()), "{lines:?}");
}

#[test]
fn a_request_that_sounds_complete_is_answered_before_silence_alone_would_end_it() {
    let caller = audio::read(fixture("coffee_order.wav")).unwrap();
    let conversation = SessionBuilder::new(&assistant()).simulate(&caller, Cost::Measured).unwrap();
    let lines: Timelines = conversation.events.iter().collect();
    let turn = &lines.turns()[0];
    let silence = turn.after_speech_ms(turn.endpoint).unwrap();
    let alone = assistant().turn_taking.policy.hangover.ms(SampleRate::INTERNAL);
    assert!(silence < alone - 50.0, "{silence} ms of {alone}");
}

/// A recording of "computer" that the spotter was not trained on, up to the end of the word; none where
/// `REJOINDER_DATA` does not name the folder of the recordings.
fn wake_word() -> Option<Clip> {
    let sets = PathBuf::from(std::env::var_os("REJOINDER_DATA")?);
    let path = sets.join("wakeword_picovoice/computer/08fb146a-2a05-4a58-97d6-eb14bcee8fa7.opus");
    let clip = audio::read_at(&path, SampleRate::INTERNAL).unwrap();
    let end = energy::extent(&clip.samples).end;
    Some(Clip::new(clip.samples[..end].to_vec(), clip.rate))
}

#[test]
fn a_question_is_answered_only_after_the_wake_word() {
    let Some(word) = wake_word() else {
        println!("skipped: REJOINDER_DATA is not set");
        return;
    };
    let question = audio::read_at(fixture("what_time_is_it.wav"), SampleRate::INTERNAL).unwrap();
    let assistant = Assistant::open(&Config::load(root().join("configs/assistants/wake_word.toml")).unwrap()).unwrap();
    let converse = |sound: Vec<f32>| {
        let caller = Clip::new(sound, SampleRate::INTERNAL);
        SessionBuilder::new(&assistant).simulate(&caller, Cost::Measured).unwrap()
    };
    let ignored = converse(question.samples.clone());
    assert!(!ignored.events.iter().any(|event| matches!(event.kind, EventKind::AudioStarted)), "{:?}", ignored.events);
    let answered = converse([word.samples, question.samples].concat());
    let spotted: Vec<_> = answered.events.iter().filter(|e| matches!(e.kind, EventKind::Spotted { .. })).collect();
    assert_eq!(spotted.len(), 1, "{:?}", answered.events);
    let lines: Timelines = answered.events.iter().collect();
    let turn = &lines.turns()[0];
    assert!(turn.tools == ["clock"] && !turn.reply.is_empty(), "{turn:?}");
    assert!(loudest(&answered.assistant) > 0.05, "the answer is silent");
}

#[test]
fn every_config_and_recipe_resolves() {
    for assistant in std::fs::read_dir(root().join("configs/assistants")).unwrap() {
        let path = assistant.unwrap().path();
        Config::load(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
    for task in std::fs::read_dir(root().join("configs/recipes")).unwrap() {
        for recipe in std::fs::read_dir(task.unwrap().path()).unwrap() {
            let path = recipe.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            rejoinder_training::recipe::open(&path, &[])
                .map(drop)
                .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        }
    }
}
