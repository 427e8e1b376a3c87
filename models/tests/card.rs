//! Cards and bundles: what is written is read, and every fault is one line that names it.

use std::path::Path;

use rejoinder_models::card::{
    Bundle, Chunking, ModelCard, NewFile, Normalization, Origin, StateTensor, Task, ValidCount,
};
use rejoinder_models::runtime::ElementType;
use rejoinder_models::units::SampleRate;

fn card() -> ModelCard {
    let origin =
        Origin { recipe: "configs/recipes/asr/tiny.toml".into(), data: vec!["made up".into()], commit: "0".into() };
    let mut card = ModelCard::new("tiny", Task::Asr, "conformer-ctc", "CC0-1.0", origin);
    card.sample_rate = Some(SampleRate::INTERNAL);
    card.normalization = Some(Normalization { mean: vec![0.5, -1.25], std: vec![1.0, 2.0] });
    let valid = Some(ValidCount { input: "left_valid".into(), limit: 32 });
    card.chunking =
        Some(Chunking { left_frames: 14, chunk_frames: 32, right_frames: 0, subsampling: 8, pad_value: 0.0, valid });
    card.states = vec![StateTensor {
        file: "model".into(),
        input: "cache_k".into(),
        output: "cache_k_out".into(),
        shape: vec![2, 4, 32, 8],
        element: ElementType::F32,
    }];
    card.params.insert("beam".into(), toml::Value::Integer(8));
    card.results.insert("WER, greedy".into(), 12.5.into());
    card.results.insert("time".into(), "3 ms a chunk".into());
    card.parity.insert("tract".into(), 1e-6);
    card
}

fn written(dir: &Path) -> Bundle {
    let files =
        [NewFile::new("model", "model.onnx", *b"not quite a net"), NewFile::new("tokens", "text/tokens.txt", "a\nb\n")];
    Bundle::write(dir, card(), &files).expect("a bundle")
}

/// The message of an error, which must be one line.
fn message<T>(result: rejoinder_models::Result<T>) -> String {
    let message = result.err().expect("an error").to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

#[test]
fn what_is_written_is_read() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let dir = root.path().join("tiny");
    let made = written(&dir);
    let read = Bundle::open(&dir).expect("the bundle");
    assert_eq!(read.card(), made.card());
    assert_eq!(read.text("tokens").expect("tokens"), "a\nb\n");
    assert_eq!(read.path("model").expect("a path"), dir.join("model.onnx"));
    assert_eq!(read.bytes(), 15 + 4);
    let lone = ModelCard::from_toml(&read.card().to_metadata().expect("toml"), &dir).expect("a card");
    assert!(lone.files.is_empty());
}

#[test]
fn a_changed_file_is_named_with_both_sums() {
    let root = tempfile::tempdir().expect("a temporary folder");
    written(root.path());
    std::fs::write(root.path().join("model.onnx"), b"not quite a nut").expect("a file");
    let message = message(Bundle::open(root.path()));
    assert!(message.contains("model.onnx: expected sha256 ") && message.contains(", found "), "{message}");
}

#[test]
fn a_short_or_missing_file_is_named() {
    let root = tempfile::tempdir().expect("a temporary folder");
    written(root.path());
    std::fs::write(root.path().join("model.onnx"), b"not").expect("a file");
    assert!(message(Bundle::open(root.path())).contains("model.onnx: expected 15 bytes, found 3"));
    std::fs::remove_file(root.path().join("model.onnx")).expect("removed");
    assert!(message(Bundle::open(root.path())).contains("model.onnx: the card names this file, but it is missing"));
}

#[test]
fn a_folder_without_a_card_is_no_bundle() {
    let root = tempfile::tempdir().expect("a temporary folder");
    assert!(message(Bundle::open(root.path())).contains("card.toml is missing"));
    assert!(message(Bundle::open(&root.path().join("none"))).contains("no such folder"));
}

#[test]
fn a_wrong_card_is_told_by_line_and_key() {
    let root = tempfile::tempdir().expect("a temporary folder");
    written(root.path());
    let path = root.path().join("card.toml");
    let good = std::fs::read_to_string(&path).expect("the card");
    let cases = [
        (good.replace("licence =", "license ="), "unknown field `license`"),
        (good.replace("family = \"conformer-ctc\"\n", ""), "missing field `family`"),
        (good.replace("task = \"asr\"", "task = \"cooking\""), "line 2: unknown variant `cooking`"),
        (good.replace("subsampling = 8", "subsampling = 5"), "multiple of subsampling"),
        (good.replace("std = [1.0, 2.0]", "std = [1.0]"), "as many values in std as in mean"),
        (good.replace("std = [1.0, 2.0]", "std = [1.0, 0.0]"), "std above zero"),
        (good.replace("text/tokens.txt", "../tokens.txt"), "expected a path inside the bundle, found `../tokens.txt`"),
        (good.replace("[files.model]", "[files.model"), "card.toml: line "),
    ];
    for (text, expected) in cases {
        assert_ne!(text, good, "{expected}");
        std::fs::write(&path, text).expect("a card");
        let message = message(Bundle::open(root.path()));
        assert!(message.contains(expected), "expected {expected}, found {message}");
    }
}

#[test]
fn params_are_typed_by_the_family() {
    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Params {
        beam: usize,
    }
    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Other {}
    let path = Path::new("card.toml");
    assert_eq!(card().params::<Params>(path).expect("params").beam, 8);
    assert!(message(card().params::<Other>(path)).contains("[params] of the card: unknown field `beam`"));
}
