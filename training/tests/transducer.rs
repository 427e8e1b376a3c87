//! The transducer's recipe in small: a few sentences that the shipped voice reads are learnt by heart, exported, and
//! heard by both searches on both engines, at every latency that the bundle offers, in pieces of any length.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod made_clips;
mod pieces;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use made_clips::{SENTENCES, read_aloud};
use pieces::in_pieces;
use rejoinder_models::asr::{ConformerTransducer, Decoding, Recognizer, transcribe};
use rejoinder_models::card::{Bundle, LatencyChoice};
use rejoinder_models::decode::ctc::CtcConfig;
use rejoinder_models::runtime::{self, RuntimeConfig, RuntimeKind, find_onnxruntime};
use rejoinder_models::units::SampleRate;
use rejoinder_models::zoo::{open_recognizer, open_recognizer_with};
use rejoinder_training::recipe;
use rejoinder_training::trainer::RunMode;

/// A device draws its random numbers for the whole process: of two that train at a time, neither learns what it does alone.
static ALONE: Mutex<()> = Mutex::new(());

/// A kind of transducer, with the sizes of chunks and left contexts in its frames.
struct Tiny {
    predictor: &'static str,
    /// Keys of `[net]`.
    net: &'static str,
    /// Its frames for each of 80 ms.
    frames: usize,
}

fn write_recipe(folder: &Path, tiny: &Tiny) -> PathBuf {
    let Tiny { predictor, net, frames } = *tiny;
    let [two, four, eight, sixteen, most] = [2, 4, 8, 16, 32].map(|count| count * frames);
    let at = |name: &str| format!("{:?}", folder.join(name).display().to_string());
    let [run, clips, out, bundle] = [at("run"), at("clips"), at(""), at("bundle")];
    let recipe = format!(
        "task = \"transducer\"\nrun = {run}\n\
         latencies = [{{ chunk = {two}, left = {eight} }}, {{ chunk = {four}, left = {sixteen} }}, \
         {{ chunk = {eight}, left = {most} }}]\n\
         [prepare]\nsets = {out}\nout = {out}\n\
         [tokenizer]\nvocabulary = 40\n\
         [data]\ntrain = [{{ folder = {clips} }}]\nvalid = {clips}\ntests = [{clips}]\n\
         [net]\nbins = 80\ndim = 64\nlayers = 2\nheads = 2\nfeed_forward = 128\nkernel = 5\nchunk = {four}\n\
         left = {sixteen}\ndropout = 0.0\n{net}\n\
         [chunks]\nchunk = [{two}, {eight}]\n\
         [transducer]\njoint = {{ predictor = {predictor}, predictor_dim = 32, dim = 64 }}\nchunks = [{two}]\n\
         left_chunks = [4]\n\
         [train]\nbackend = \"flex\"\nepochs = 0\nsteps = 640\nseed = 5\nlearning_rate = 4e-3\nwarmup_steps = 20\n\
         average_decay = 0.0\nvalid_every = 1000\n\
         [lm]\norder = 2\ntexts = [{{ kind = \"transcripts\", folder = \"clips\", weight = 1.0 }}]\n\
         [export]\nbundle = {bundle}\nname = \"tiny\"\nsummary = \"a test\"\nlicence = \"CC0-1.0\"\nrecipe = \"a test\"\n\
         data = [\"made up\"]\n\
         int8 = true\n[export.params]\nsearch = {{ beam = 4, lm_weight = 0.3 }}\n"
    );
    let path = folder.join("transducer.toml");
    std::fs::write(&path, recipe).unwrap();
    path
}

fn learn_and_hear(tiny: &Tiny) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let clips = read_aloud(&folder.path().join("clips"));
    let recipe = recipe::open(&write_recipe(folder.path(), tiny), &[]).unwrap();
    recipe.tokenizer().unwrap();
    recipe.train(RunMode::New).unwrap();
    recipe.export().unwrap();
    recipe.evaluate().unwrap();
    let results = std::fs::read_to_string(folder.path().join("run/results.json")).unwrap();
    let results: std::collections::BTreeMap<String, std::collections::BTreeMap<String, f64>> =
        serde_json::from_str(&results).unwrap();
    let names: Vec<&str> = results["clips"].keys().map(String::as_str).collect();
    let way =
        |name: &str, chunk: usize| format!("{name}, chunk {}, left {}", chunk * tiny.frames, 4 * chunk * tiny.frames);
    let expected = [way("net", 2), way("stream, beam, lm", 4), way("stream, greedy", 2)];
    assert!(expected.iter().all(|name| names.contains(&name.as_str())), "{names:?}");
    assert_eq!(results["clips"][&way("net", 4)], 0.0);

    let bundle = Bundle::open(&folder.path().join("bundle")).unwrap();
    let both = [RuntimeKind::Tract, RuntimeKind::Ort];
    let engines = both.into_iter().filter(|kind| *kind == RuntimeKind::Tract || find_onnxruntime().is_some());
    for engine in engines {
        let config = RuntimeConfig::of(engine);
        let runtime = runtime::open(&config).unwrap();
        let greedy = ConformerTransducer::open(&bundle, runtime.as_ref(), &Decoding::greedy()).unwrap();
        let plain =
            Decoding { search: Some(CtcConfig { beam: 4, ..CtcConfig::default() }), lm: false, ..Decoding::default() };
        let beam = greedy.with_decoding(&bundle, &plain).unwrap();
        let card = open_recognizer(bundle.root(), &config).unwrap();
        for (name, recognizer) in [("greedy", &greedy as &dyn Recognizer), ("beam", &beam), ("card", card.as_ref())] {
            let heard: Vec<String> = clips.iter().map(|clip| transcribe(recognizer, clip).unwrap().text).collect();
            assert_eq!(heard, SENTENCES, "{name} on {engine:?}");
            assert_eq!(in_pieces(recognizer, &clips[2], &[777, 4_000, 1, 9_999]), SENTENCES[2], "{name} on {engine:?}");
        }
        for latency in bundle.card().latencies() {
            let [chunk_ms, left_ms] = bundle.card().latency_ms(latency).unwrap();
            let choice = LatencyChoice { chunk_ms: Some(chunk_ms), left_ms: Some(left_ms) };
            let chosen = open_recognizer_with(bundle.root(), &config, &choice, &Decoding::default()).unwrap();
            let heard: Vec<String> = clips.iter().map(|clip| transcribe(chosen.as_ref(), clip).unwrap().text).collect();
            assert_eq!(heard, SENTENCES, "{choice:?} on {engine:?}");
            let pieces = in_pieces(chosen.as_ref(), &clips[1], &[777, 4_000, 1, 9_999]);
            assert_eq!(pieces, SENTENCES[1], "{choice:?} on {engine:?}");
            let delay = chosen.stream().unwrap().delay().ms(SampleRate::INTERNAL);
            assert!((chunk_ms..chunk_ms + 30.0).contains(&delay), "{choice:?}: {delay}");
        }
        let none = LatencyChoice { chunk_ms: Some(480.0), left_ms: None };
        let error = open_recognizer_with(bundle.root(), &config, &none, &Decoding::default()).err().unwrap();
        let expected =
            "chunk_ms and left_ms: expected 320 and 1280, or 160 and 640, or 640 and 2560, found 480 and any";
        assert!(error.to_string().ends_with(expected), "{error}");
    }
}

#[test]
fn a_tiny_transducer_is_learnt_by_heart_exported_and_heard() {
    let predictor = "{ kind = \"stateless\", context = 2 }";
    learn_and_hear(&Tiny { predictor, net: "channels = 64", frames: 1 });
}

/// The kind of `librispeech_transducer.toml`.
#[test]
fn so_is_one_with_lstm_and_frames_of_40_ms() {
    let net = "channels = 8\nsubsampling = 4\nfront = \"conv2d\"\nconvolution = \"chunk\"";
    learn_and_hear(&Tiny { predictor: "{ kind = \"lstm\" }", net, frames: 2 });
}
