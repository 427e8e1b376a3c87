//! The demo: a recorded question goes through the shipped models, in virtual time.

use std::path::{Path, PathBuf};

use rejoinder::{Assistant, Config, Cost, EventKind, SessionBuilder};
use rejoinder_models::audio;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn a_question_is_heard_and_answered_aloud() {
    let caller = audio::read(root().join("tests/fixtures/audio/what_time_is_it.wav")).unwrap();
    let assistant = Assistant::open(&Config::load_default().unwrap()).unwrap();
    let conversation = SessionBuilder::new(&assistant).simulate(&caller, Cost::Measured).unwrap();
    let heard: Vec<_> = conversation
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Final { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(heard, ["what time is it"]);
    let said: String = conversation
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::ReplyText { text } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert!(said.split_whitespace().count() > 2, "{said}");
    let loudest = conversation.assistant.samples.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
    assert!(loudest > 0.05, "the answer is silent: {loudest}");
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
