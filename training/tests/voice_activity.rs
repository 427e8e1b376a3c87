//! The recipe of voice activity in small: buzzing voices in hiss.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod noise;
mod prepared;
mod tiny_vad;

use std::f32::consts::TAU;
use std::path::Path;

use rejoinder_models::runtime::{self, RuntimeConfig, RuntimeKind};
use rejoinder_models::streaming::Streaming;
use rejoinder_models::vad::{CrdnnConfig, SegmenterConfig, VadConfig, VadDetector, VadEvent};
use rejoinder_training::recipe;
use rejoinder_training::trainer::RunMode;

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
