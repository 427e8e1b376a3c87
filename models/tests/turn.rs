//! The end of a turn: published contracts and the shipped detector, on both engines.

#![allow(clippy::unwrap_used, reason = "a test's helpers may fail and report like the test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rejoinder_models::asr::transcribe;
use rejoinder_models::audio;
use rejoinder_models::runtime::{self, Runtime, RuntimeConfig, RuntimeKind, find_onnxruntime};
use rejoinder_models::turn::{self, TurnDetector};
use rejoinder_models::zoo;

fn engines() -> Vec<Arc<dyn Runtime>> {
    let mut all = vec![runtime::open(&RuntimeConfig::of(RuntimeKind::Tract)).unwrap()];
    if find_onnxruntime().is_some() {
        all.push(runtime::open(&RuntimeConfig::of(RuntimeKind::Ort)).unwrap());
    }
    all
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn sentence() -> Vec<f32> {
    audio::read(golden("sentence.flac")).unwrap().samples
}

fn shipped(engine: &dyn Runtime) -> Arc<dyn TurnDetector> {
    turn::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("pretrained/turn-en"), engine).unwrap()
}

#[test]
fn smart_turn_hears_what_its_own_code_lets_it_hear() {
    let expected: BTreeMap<String, f32> =
        serde_json::from_str(&std::fs::read_to_string(golden("smart_turn.json")).unwrap()).unwrap();
    let sentence = sentence();
    for engine in engines() {
        let detector = turn::open(&golden("smart_turn.onnx"), engine.as_ref()).unwrap();
        let mut stream = detector.stream().unwrap();
        for (name, expected) in &expected {
            let sound = match name.as_str() {
                "thrice" => sentence.repeat(3),
                "beginning" => sentence[..20_000].to_vec(),
                _ => sentence.clone(),
            };
            let found = stream.probability(&sound).unwrap();
            assert!((found - expected).abs() < 2e-3, "{name} on {}: {found}, expected {expected}", engine.name());
        }
    }
}

#[test]
fn another_model_is_refused_by_name() {
    let engine = runtime::open(&RuntimeConfig::of(RuntimeKind::Tract)).unwrap();
    let refused = |path: &Path| turn::open(path, engine.as_ref()).err().unwrap().to_string();
    let message = refused(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx/linear.onnx"));
    assert!(message.contains("not Smart Turn v3") && message.contains("input_features"), "{message}");
    let message = refused(&Path::new(env!("CARGO_MANIFEST_DIR")).join("pretrained/speaker-en"));
    assert!(message.contains("expected a model for turn, found one for speaker"), "{message}");
}

#[test]
fn the_shipped_detector_hears_the_same_on_both_engines_and_only_its_window() {
    let sentence = sentence();
    let mut heard = Vec::new();
    for engine in engines() {
        let detector = shipped(engine.as_ref());
        let mut stream = detector.stream().unwrap();
        let window = detector.window().0 as usize;
        let long = sentence.repeat(3);
        let whole = stream.probability(&long).unwrap();
        assert_eq!(whole, stream.probability(&long[long.len() - window..]).unwrap());
        heard.push([whole, stream.probability(&sentence[..24_000]).unwrap(), stream.probability(&[]).unwrap()]);
    }
    for other in &heard[1..] {
        assert!(heard[0].iter().zip(other).all(|(a, b)| (a - b).abs() < 1e-4), "{heard:?}");
    }
}

#[test]
fn a_sentence_that_has_ended_is_likelier_to_be_over_than_one_that_is_cut() {
    let sentence = sentence(); // speech from 0.5 s on, and a second of silence at its end
    let mut stream = shipped(engines()[0].as_ref()).stream().unwrap();
    let ended = sentence.len() - 16_000 + 4_800;
    let over = stream.probability(&sentence[..ended]).unwrap();
    let mut cut = sentence[..sentence.len() / 2].to_vec();
    cut.resize(cut.len() + 4_800, 0.0);
    let open = stream.probability(&cut).unwrap();
    assert!(over > open, "over: {over}, cut: {open}");
}

#[test]
fn the_shipped_recogniser_tells_what_its_states_say_of_the_end_however_the_sound_comes() {
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("pretrained/asr-en");
    let mut sentence = sentence();
    sentence.truncate(4 * 16_000);
    for engine in engines() {
        let kind = if engine.name() == "tract" { RuntimeKind::Tract } else { RuntimeKind::Ort };
        let recognizer = zoo::open_recognizer(&bundle, &RuntimeConfig::of(kind)).unwrap();
        let whole = transcribe(recognizer.as_ref(), &sentence).unwrap().finality.unwrap();
        let mut stream = recognizer.stream().unwrap();
        assert_eq!(stream.partial().finality, None);
        for piece in sentence.chunks(7_001) {
            stream.push(piece).unwrap();
            assert!(stream.preview().unwrap().finality.is_some());
        }
        assert_eq!(stream.preview().unwrap().finality, Some(whole));
        assert_eq!(stream.flush().unwrap().finality, Some(whole));
        let detector = turn::open(&bundle, engine.as_ref()).unwrap();
        let alone = detector.stream().unwrap().probability(&sentence).unwrap();
        let told = 1.0 / (1.0 + (-whole).exp());
        assert!((alone - told).abs() < 1e-4, "{}: {alone} and {told}", engine.name());
    }
}
