//! The recipe of voice activity in small: buzzing voices in hiss.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod noise;
mod prepared;
mod tiny_vad;

use std::f32::consts::TAU;
use std::path::{Path, PathBuf};

use rejoinder_models::audio::{Clip, write_wav};
use rejoinder_models::runtime::{self, RuntimeConfig, RuntimeKind};
use rejoinder_models::streaming::Streaming;
use rejoinder_models::units::SampleRate;
use rejoinder_models::vad::{CrdnnConfig, SegmenterConfig, VadConfig, VadDetector, VadEvent};
use rejoinder_training::recipe;
use rejoinder_training::trainer::RunMode;
use serde_json::json;

use noise::noise;

const RATE: f32 = 16_000.0;

/// Two thirds of a second of a voice with the formants of a vowel, in silence.
fn utterance(number: usize) -> Vec<f32> {
    let hz = 110.0 + 13.0 * (number % 9) as f32;
    let mut sound = vec![0.0; 2_400];
    let voiced = (0..10_400).map(|n| {
        let phase = n as f32 * TAU * hz / RATE;
        (1..24).map(|h| 0.1 * (h as f32 * phase).sin() / (1.0 + ((h as f32 * hz - 700.0) / 400.0).powi(2))).sum::<f32>()
    });
    sound.extend(voiced);
    sound.resize(sound.len() + 2_400, 0.0);
    sound
}

fn write_clips(folder: &Path) {
    let clip = |number| (format!("voices/{number}"), String::new(), String::new(), utterance(number));
    prepared::write_clips(folder, (0..12).map(clip));
}

/// A minute of hiss in which somebody speaks now and then, cut into pieces of five seconds: what SpeechBrain's recipe
/// writes of a session of LibriParty.
fn write_party(folder: &Path) -> PathBuf {
    let mut sound = noise(60 * 16_000, 1e-2, 3);
    let mut entries = serde_json::Map::new();
    for piece in 0..12 {
        let from_s = 0.4 + 0.3 * (piece % 7) as f64;
        let from = piece * 80_000 + (from_s * 16_000.0) as usize;
        let voice = &utterance(piece)[2_400..12_800];
        sound[from..from + voice.len()].iter_mut().zip(voice).for_each(|(heard, said)| *heard += said);
        let wav =
            json!({"file": "{data_root}/session_0_mixture.wav", "start": piece * 80_000, "stop": (piece + 1) * 80_000});
        entries.insert(format!("example_{}", piece + 1), json!({"wav": wav, "speech": [[from_s, from_s + 0.65]]}));
    }
    write_wav(folder.join("session_0_mixture.wav"), &Clip::new(sound, SampleRate::hz(16_000))).unwrap();
    let path = folder.join("party.json");
    std::fs::write(&path, serde_json::Value::Object(entries).to_string()).unwrap();
    path
}

#[test]
fn a_detector_learns_from_recordings_that_say_when_somebody_speaks() {
    let folder = tempfile::tempdir().unwrap();
    let party = write_party(folder.path()).display().to_string();
    let file = tiny_vad::write_recipe(folder.path(), "voices");
    let nothing_made = ["train", "valid", "tests"].map(|part| format!("data.{part}=[]"));
    let mut set = nothing_made.to_vec();
    let error = recipe::open(&file, &set).unwrap().train(RunMode::New).unwrap_err().to_string();
    assert_eq!(error, "data.train: expected clips of speech, here or in `parties`, found none");
    set.extend(["train", "valid", "tests"].map(|part| format!("data.parties.{part}=[{party:?}]")));
    let recipe = recipe::open(&file, &set).unwrap();
    recipe.train(RunMode::New).unwrap();
    recipe.export().unwrap();
    recipe.evaluate().unwrap();
    let results = std::fs::read_to_string(folder.path().join("vad-run/results.json")).unwrap();
    let results: serde_json::Value = serde_json::from_str(&results).unwrap();
    let row = &results["party"]["vad-crdnn"];
    assert!(row["f1"].as_f64().unwrap() > 0.9 && row["stretches"] == 12, "{row}");
}

#[test]
fn a_tiny_detector_learns_voices_and_hears_them_in_any_pieces() {
    let folder = tempfile::tempdir().unwrap();
    write_clips(&folder.path().join("voices"));
    let recipe = recipe::open(&tiny_vad::write_recipe(folder.path(), "voices"), &[]).unwrap();
    recipe.train(RunMode::New).unwrap();
    recipe.export().unwrap();
    recipe.evaluate().unwrap();

    let mut sound = noise(80_000, 1e-2, 7);
    for (number, from) in [16_000, 48_000].into_iter().enumerate() {
        let voice = utterance(number);
        sound[from..from + 10_400].iter_mut().zip(&voice[2_400..]).for_each(|(heard, said)| *heard += said);
    }
    let config = VadConfig::Crdnn(CrdnnConfig { model: folder.path().join("vad"), hysteresis: None });
    let engines = [RuntimeKind::Tract, RuntimeKind::Ort].map(|kind| runtime::open(&RuntimeConfig::of(kind)));
    for runtime in engines.into_iter().flatten() {
        let vad = config.open(runtime.as_ref()).unwrap();
        let hear = |pieces: &[usize]| {
            let mut detector = VadDetector::new(vad.as_ref(), SegmenterConfig::default()).unwrap();
            let (mut events, mut rest) = (Vec::new(), sound.as_slice());
            for length in pieces.iter().cycle() {
                let (piece, after) = rest.split_at((*length).min(rest.len()));
                detector.push(piece, &mut events).unwrap();
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            events
        };
        let whole = hear(&[sound.len()]);
        let moments: Vec<(bool, f64)> = whole
            .iter()
            .map(|event| match event {
                VadEvent::SpeechStarted { at, .. } => (true, at.ms()),
                VadEvent::SpeechStopped { at, .. } => (false, at.ms()),
            })
            .collect();
        let expected = [(true, 1_000.0), (false, 1_650.0), (true, 3_000.0), (false, 3_650.0)];
        assert_eq!(moments.len(), 4, "{moments:?}");
        for (found, expected) in moments.iter().zip(expected) {
            assert!(found.0 == expected.0 && (found.1 - expected.1).abs() < 160.0, "{moments:?}");
        }
        for pieces in [&[160][..], &[1, 777, 3_200], &[320]] {
            assert_eq!(hear(pieces), whole, "{pieces:?}");
        }
    }
    let card = rejoinder_models::card::Bundle::open(&folder.path().join("vad")).unwrap().card().clone();
    assert!(card.results.keys().any(|what| what.ends_with("vad-crdnn")), "{:?}", card.results);
}
