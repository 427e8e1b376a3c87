//! The recipe of turn ends in small: a rising tone always goes on, a falling one never does.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod noise;
mod tiny_turn;

use std::f32::consts::TAU;
use std::path::Path;

use rejoinder_models::runtime::{self, RuntimeConfig, RuntimeKind};
use rejoinder_models::turn;
use rejoinder_training::data::manifest::{Item, Manifest};
use rejoinder_training::data::pack::PackWriter;
use rejoinder_training::data::prepare::{MANIFEST, PACK};
use rejoinder_training::recipe;
use rejoinder_training::trainer::RunMode;

use noise::noise;

const RATE: f32 = 16_000.0;

/// Half a second of a buzzing voice whose pitch goes from one frequency to the other, with the formants of a vowel.
fn voice(from_hz: f32, to_hz: f32) -> Vec<f32> {
    let mut phase = 0.0_f32;
    let sample = |n: usize| {
        let hz = from_hz + (to_hz - from_hz) * n as f32 / 8_000.0;
        phase += TAU * hz / RATE;
        let level = 0.15 * (1.0 + (n as f32 * TAU * 5.0 / RATE).sin());
        level
            * (1..24).map(|h| (h as f32 * phase).sin() / (1.0 + ((h as f32 * hz - 700.0) / 400.0).powi(2))).sum::<f32>()
    };
    (0..8_000).map(sample).collect()
}

/// A turn of some pieces that rise and a last one that falls, and where each ends.
fn recorded(number: usize) -> (Vec<f32>, Vec<usize>) {
    let (mut sound, mut ends) = (noise(3_000, 1e-3, 7), Vec::new());
    let pieces = 2 + number % 2;
    for piece in 0..pieces {
        let base = 110.0 + 9.0 * (number % 7) as f32;
        let (from, to) = if piece + 1 == pieces { (1.6 * base, base) } else { (base, 1.6 * base) };
        sound.extend(voice(from, to));
        ends.push(sound.len());
        sound.extend(noise(6_000 + 400 * (number % 5), 1e-3, number as u32));
    }
    (sound, ends)
}

fn write_turns(folder: &Path, turns: usize) {
    std::fs::create_dir_all(folder).unwrap();
    let mut pack = PackWriter::create(folder.join(PACK), 16_000).unwrap();
    let mut manifest = Manifest::default();
    for number in 0..turns {
        let (samples, _) = recorded(number);
        let id = format!("tones/{number}");
        pack.append(&id, &samples).unwrap();
        let duration_s = samples.len() as f64 / f64::from(RATE);
        manifest.items.push(Item { id, duration_s, wav: PACK.into(), ..Item::default() });
    }
    pack.flush().unwrap();
    manifest.write(folder.join(MANIFEST)).unwrap();
}

#[test]
fn a_tiny_detector_learns_which_pauses_are_ends() {
    let folder = tempfile::tempdir().unwrap();
    write_turns(&folder.path().join("turns"), 100);
    let recipe = recipe::open(&tiny_turn::write_recipe(folder.path(), "turns"), &[]).unwrap();
    recipe.train(RunMode::New).unwrap();
    recipe.export().unwrap();
    recipe.evaluate().unwrap();

    let runtime = runtime::open(&RuntimeConfig::of(RuntimeKind::Tract)).unwrap();
    let detector = turn::open(&folder.path().join("turn"), runtime.as_ref()).unwrap();
    let mut stream = detector.stream().unwrap();
    let (mut right, mut all) = (0, 0);
    for number in 100..120 {
        let (sound, ends) = recorded(number);
        for (piece, end) in ends.iter().enumerate() {
            let over = stream.probability(&sound[..end + 3_200]).unwrap() >= 0.5;
            right += usize::from(over == (piece + 1 == ends.len()));
            all += 1;
        }
    }
    // Not every buzz is speech to the voice activity detector, so that some of what is learnt is wrong; to say always that
    // the caller goes on would be right in three of five cases.
    assert!(right * 10 >= all * 7, "{right} of {all}");
    let card = rejoinder_models::card::Bundle::open(&folder.path().join("turn")).unwrap().card().clone();
    assert!(card.results.keys().any(|what| what.starts_with("turns of turns cut off")), "{:?}", card.results);
    let saved = std::fs::read_to_string(folder.path().join("turn-run/results.json")).unwrap();
    assert!(saved.contains("\"silence\""), "{saved}");
}
