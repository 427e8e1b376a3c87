//! Cards and bundles: what is written is read, and every fault is one line that names it.

use std::path::Path;

use rejoinder_models::card::{
    Bundle, Chunking, Latency, LatencyChoice, ModelCard, NewFile, Normalization, Origin, StateTensor, Task, ValidCount,
};
use rejoinder_models::features::FbankConfig;
use rejoinder_models::runtime::ElementType;
use rejoinder_models::units::SampleRate;

fn card() -> ModelCard {
    let origin =
        Origin { recipe: "configs/recipes/asr/tiny.toml".into(), data: vec!["made up".into()], commit: "0".into() };
    let mut card = ModelCard::new("tiny", Task::Asr, "conformer-ctc", "CC0-1.0", origin);
    card.sample_rate = Some(SampleRate::INTERNAL);
    card.normalization = Some(Normalization { mean: vec![0.5, -1.25], std: vec![1.0, 2.0] });
    let valid = Some(ValidCount { input: "left_valid".into(), limit: 32 });
    card.features = Some(FbankConfig::kaldi());
    card.chunking = Some(Chunking {
        left_frames: 14,
        chunk_frames: 32,
        right_frames: 0,
        subsampling: 8,
        pad_value: 0.0,
        valid,
        latencies: [(16, 16), (32, 32), (32, 64)].map(|(chunk_frames, left)| Latency { chunk_frames, left }).into(),
    });
    card.states = vec![StateTensor {
        file: "model".into(),
        input: "cache_k".into(),
        output: "cache_k_out".into(),
        shape: vec![2, 4, 32, 8],
        left_axis: Some(2),
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
        (good.replace("licence =", "license ="), "line 5: unknown field `license`"),
        (good.replace("family = \"conformer-ctc\"\n", ""), "missing field `family`"),
        (good.replace("task = \"asr\"", "task = \"cooking\""), "line 2: unknown variant `cooking`"),
        (good.replace("subsampling = 8", "subsampling = 5"), "multiple of subsampling"),
        (good.replace("chunk_frames = 16", "chunk_frames = 17"), "multiple of subsampling, both above zero, found 17"),
        (
            good.replace("left_axis = 2", "left_axis = 1"),
            "state `cache_k`: expected axis 1 to be the limit, 32, found 4",
        ),
        (good.replace("left_axis = 2", "left_axis = 4"), "expected left_axis to be one of [2, 4, 32, 8], found 4"),
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
fn a_latency_is_chosen_among_those_of_the_card() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let bundle = written(root.path());
    let choose = |chunk_ms: Option<f64>, left_ms: Option<f64>| bundle.choose(&LatencyChoice { chunk_ms, left_ms });
    for (chunk_ms, left_ms, expected) in [
        (None, None, (32, 32)),
        (Some(320.0), None, (32, 32)),
        (Some(160.0), None, (16, 16)),
        (None, Some(5_120.0), (32, 64)),
        (Some(320.0), Some(5_120.0), (32, 64)),
    ] {
        let card = choose(chunk_ms, left_ms).expect("a latency").card().clone();
        let chunking = card.chunking.as_ref().expect("chunking");
        assert_eq!((chunking.chunk_frames, chunking.valid.as_ref().expect("a count").limit), expected);
        assert_eq!(card.states[0].shape, [2, 4, expected.1, 8]);
        assert_eq!(card.latencies().len(), 3);
        let again = ModelCard::from_toml(&card.to_toml().expect("toml"), root.path()).expect("a card");
        assert_eq!(again, card);
    }
    let refused = message(choose(Some(160.0), Some(5_120.0)));
    let expected = "expected 320 and 2560, or 160 and 1280, or 320 and 5120, found 160 and 5120";
    assert!(refused.ends_with(&format!("chunk_ms and left_ms: {expected}")), "{refused}");
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
