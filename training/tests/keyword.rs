//! The recipe of keywords in small: a tone that rises is one, a tone that falls is the other, all else is none.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod prepared;
mod tiny_spotter;

use std::f32::consts::TAU;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rejoinder_models::audio::{Clip, write_wav};
use rejoinder_models::keyword::{KeywordDetector, KeywordSpotter, Spotted, SpottingConfig};
use rejoinder_models::runtime::{RuntimeConfig, RuntimeKind};
use rejoinder_models::streaming::Streaming;
use rejoinder_models::units::{SampleRate, Samples};
use rejoinder_models::zoo;
use rejoinder_training::recipe;
use rejoinder_training::trainer::RunMode;

const RATE: f32 = 16_000.0;

/// A third of a second of a tone with harmonics that goes from one frequency to the other.
fn glide(from_hz: f32, to_hz: f32) -> Vec<f32> {
    let mut phase = 0.0_f32;
    let sample = |n: usize| {
        phase += TAU * (from_hz + (to_hz - from_hz) * n as f32 / 5_600.0) / RATE;
        (1..5).map(|h| 0.1 * (h as f32 * phase).sin() / h as f32).sum()
    };
    (0..5_600).map(sample).collect()
}

fn word(name: &str, number: usize) -> Vec<f32> {
    let low = 300.0 + 11.0 * (number % 9) as f32;
    let (from, to) = match name {
        "rise" => (low, 3.0 * low),
        "fall" => (3.0 * low, low),
        _ => (1.5 * low, 1.5 * low),
    };
    let mut sound = vec![0.0; 800 + 300 * (number % 5)];
    sound.extend(glide(from, to));
    sound.resize(sound.len() + 1_600, 0.0);
    sound
}

fn write_clips(folder: &Path, words: &[&str]) {
    let of = |number| {
        words
            .iter()
            .map(move |name| (format!("tones/{name}{number}"), String::new(), (*name).to_owned(), word(name, number)))
    };
    prepared::write_clips(folder, (0..20).flat_map(of));
}

fn write_recipe(folder: &Path) -> PathBuf {
    tiny_spotter::write_recipe(folder, &["rise", "fall"], "words", "others")
}

/// Detections in a sound that comes in pieces of these lengths, over and over.
fn spot(spotter: &dyn KeywordSpotter, sound: &[f32], pieces: &[usize]) -> Vec<Spotted> {
    let mut detector = KeywordDetector::new(spotter, SpottingConfig::default()).unwrap();
    let (mut spotted, mut rest) = (Vec::new(), sound);
    for length in pieces.iter().cycle() {
        let (piece, after) = rest.split_at((*length).min(rest.len()));
        detector.push(piece, &mut spotted).unwrap();
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    detector.flush(&mut spotted).unwrap();
    spotted
}

#[test]
fn a_tiny_spotter_learns_its_words_and_hears_them_in_any_pieces() {
    let folder = tempfile::tempdir().unwrap();
    write_clips(&folder.path().join("words"), &["rise", "fall"]);
    write_clips(&folder.path().join("others"), &["flat"]);
    let recipe = recipe::open(&write_recipe(folder.path()), &[]).unwrap();
    recipe.train(RunMode::New).unwrap();
    let classes = std::fs::read_to_string(folder.path().join("spotter-run/label_encoder.txt")).unwrap();
    assert_eq!(classes, "'rise' => 0\n'fall' => 1\n================\n'starting_index' => 0\n");
    // What the net has learnt as its first class stays that, in whatever order a recipe names its keywords.
    let turned = ["keywords=[\"fall\", \"rise\"]".to_owned()];
    recipe::open(&folder.path().join("keyword.toml"), &turned).unwrap().export().unwrap();
    recipe.evaluate().unwrap();

    let words = ["rise", "flat", "fall", "rise", "fall", "flat"];
    let (mut sound, mut ends) = (Vec::new(), Vec::new());
    for (number, name) in words.iter().enumerate() {
        sound.extend(word(name, 3 * number + 1));
        ends.push(sound.len() - 1_600);
        sound.resize(sound.len() + 19_200, 0.0);
    }
    let open = |kind| zoo::open_keyword_spotter(&folder.path().join("spotter"), &RuntimeConfig::of(kind));
    let engines: Vec<Arc<dyn KeywordSpotter>> =
        [RuntimeKind::Tract, RuntimeKind::Ort].into_iter().filter_map(|kind| open(kind).ok()).collect();
    assert!(!engines.is_empty());
    for spotter in engines {
        let whole = spot(spotter.as_ref(), &sound, &[sound.len()]);
        let heard: Vec<&str> = whole.iter().map(|spotted| spotted.keyword.as_str()).collect();
        assert_eq!(heard, ["rise", "fall", "rise", "fall"]);
        let said = words.iter().zip(&ends).filter(|(name, _)| **name != "flat");
        for (spotted, (_, end)) in whole.iter().zip(said) {
            let late_ms = Samples(spotted.at.0).ms(SampleRate::INTERNAL) - *end as f64 / 16.0;
            assert!((-250.0..400.0).contains(&late_ms), "{late_ms} ms after the end");
        }
        for pieces in [&[160][..], &[1, 777, 3_200], &[333], &[40_000, 5]] {
            assert_eq!(spot(spotter.as_ref(), &sound, pieces), whole, "{pieces:?}");
        }
    }
    let card = rejoinder_models::card::Bundle::open(&folder.path().join("spotter")).unwrap().card().clone();
    assert!(card.results.keys().any(|what| what.starts_with("keywords detected, %, of 8")), "{:?}", card.results);
}

#[test]
fn a_spotter_learns_from_a_list_of_speech_commands() {
    let folder = tempfile::tempdir().unwrap();
    let mut list = "ID,duration,start,stop,wav,spk_id,command,transcript\n".to_owned();
    for number in 0..20 {
        for name in ["rise", "fall", "flat"] {
            let (id, sound) = (format!("{name}{number}"), word(name, number));
            let stop = sound.len();
            write_wav(folder.path().join(format!("{id}.wav")), &Clip::new(sound, SampleRate::INTERNAL)).unwrap();
            let command = if name == "flat" { "unknown" } else { name };
            list += &format!("{id},1.0,0,{stop},$data_root/{id}.wav,a,{command},{name}\n");
        }
    }
    let path = folder.path().join("train.csv");
    std::fs::write(&path, list).unwrap();
    let file = write_recipe(folder.path());
    let set = [
        format!("data.spoken=[{:?}]", path.display().to_string()),
        "data.others=[]".to_owned(),
        "data.valid_others=[]".to_owned(),
        "data.manifest={ words = \"command\", segments = \"samples\" }".to_owned(),
        "train.steps=2".to_owned(),
    ];
    recipe::open(&file, &set).unwrap().train(RunMode::New).unwrap();
    let error = recipe::open(&file, &set[..3]).unwrap().train(RunMode::Fresh).unwrap_err().to_string();
    assert!(error.contains("train.csv") && error.contains("`wrd`"), "{error}");
}

#[test]
fn a_keyword_that_is_never_said_is_named() {
    let folder = tempfile::tempdir().unwrap();
    write_clips(&folder.path().join("words"), &["rise"]);
    write_clips(&folder.path().join("others"), &["flat"]);
    let recipe = recipe::open(&write_recipe(folder.path()), &[]).unwrap();
    let error = recipe.train(RunMode::New).unwrap_err().to_string();
    assert_eq!(error, "training data: expected clips that say `fall`, found none");
}
