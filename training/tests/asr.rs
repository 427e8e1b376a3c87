//! The recogniser's recipe in small: a few sentences that the shipped voice reads are learnt by heart, exported, and
//! heard by both searches on both engines.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod tiny_recogniser;

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use rejoinder_models::asr::{ConformerCtc, CtcParams, Decoding, LogProbs, transcribe};
use rejoinder_models::card::{Bundle, MODEL_ROLE, ModelCard};
use rejoinder_models::features::Fbank;
use rejoinder_models::runtime::{self, Runtime, RuntimeConfig, RuntimeKind, find_onnxruntime};
use rejoinder_training::nets::conformer::{Chunks, Conformer};
use rejoinder_training::recipe;
use rejoinder_training::tasks::asr::AsrRecipe;
use rejoinder_training::trainer::RunMode;
use tiny_recogniser::made_clips::{SENTENCES, read_aloud};
use tiny_recogniser::write_recipe;

#[test]
fn a_tiny_recogniser_is_learnt_by_heart_exported_and_heard() {
    let folder = tempfile::tempdir().unwrap();
    let clips = read_aloud(&folder.path().join("clips"));
    let recipe = recipe::open(&write_recipe(folder.path()), &[]).unwrap();
    recipe.tokenizer().unwrap();
    recipe.train(RunMode::New).unwrap();
    recipe.export().unwrap();
    let bundle = Bundle::open(&folder.path().join("bundle")).unwrap();
    let params: CtcParams = bundle.card().params(&bundle.path(MODEL_ROLE).unwrap()).unwrap();
    let lexicon = bundle.text("lexicon").unwrap();
    assert!(lexicon.contains("\nand AE N D\n") && lexicon.contains("latte "), "{lexicon}");

    let both = [RuntimeKind::Tract, RuntimeKind::Ort];
    let engines = both.into_iter().filter(|kind| *kind == RuntimeKind::Tract || find_onnxruntime().is_some());
    for engine in engines {
        let runtime = runtime::open(&RuntimeConfig::of(engine)).unwrap();
        let greedy = ConformerCtc::open(&bundle, runtime.as_ref(), &Decoding::greedy()).unwrap();
        let tokens = Decoding { search: Some(params.search.clone()), ..Decoding::default() };
        let ways = [
            ("greedy", greedy.clone()),
            ("tokens", greedy.with_decoding(&bundle, &tokens).unwrap()),
            ("words", greedy.with_decoding(&bundle, &Decoding::default()).unwrap()),
        ];
        for (name, recognizer) in ways {
            let heard: Vec<String> = clips.iter().map(|clip| transcribe(&recognizer, clip).unwrap().text).collect();
            assert_eq!(heard, SENTENCES, "{name} on {engine:?}");
        }
        every_latency_is_the_nets_own(folder.path(), runtime.as_ref(), &clips[3]);
    }
}

/// One file of 32-bit floats says at each latency what the net says in such chunks.
fn every_latency_is_the_nets_own(folder: &Path, runtime: &dyn Runtime, clip: &[f32]) {
    let mut table: toml::Table = std::fs::read_to_string(folder.join("asr.toml")).unwrap().parse().unwrap();
    table.remove("task");
    let net = table.try_into::<AsrRecipe>().unwrap().trained(&Device::flex()).unwrap();
    let bundle = Bundle::open(&folder.join("run/float")).unwrap();
    let latencies = bundle.card().latencies();
    assert_eq!(latencies.iter().map(|latency| latency.chunk_frames).collect::<Vec<_>>(), [32, 16, 64]);
    let mut said: Vec<LogProbs> = Vec::new();
    for latency in latencies {
        let recognizer = ConformerCtc::open(&bundle.at(latency), runtime, &Decoding::greedy()).unwrap();
        let chunks = Chunks { chunk: latency.chunk_frames / net.config().subsampling, left: latency.left };
        let (own, file) = (log_probs(&net, chunks, bundle.card(), clip), recognizer.log_probs(clip).unwrap());
        for (own, file) in [(&own.tokens, &file.tokens), (&own.phones, &file.phones)] {
            let far = distance(own, file);
            assert_eq!(own.len(), file.len());
            assert!(far < 2e-3, "{latency:?} on {}: off by {far}", runtime.name());
        }
        assert!(said.iter().all(|other| distance(&other.tokens, &file.tokens) > 0.01), "{latency:?} changes nothing");
        said.push(file);
    }
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// What the net says of a whole clip in chunks.
fn log_probs(net: &Conformer, chunks: Chunks, card: &ModelCard, clip: &[f32]) -> LogProbs {
    let config = net.config();
    let (features, bins) = (Fbank::new(card.features.clone().unwrap()).unwrap(), config.bins);
    let pad = card.chunking.as_ref().unwrap().pad_value;
    let mut values = vec![pad; config.left_features() * bins];
    values.extend(features.compute(clip).unwrap());
    let length = config.encoder_frames(chunks, values.len() / bins - config.left_features());
    let frames = config.features_for(length);
    values.resize(frames * bins, pad);
    let x = Tensor::from_data(TensorData::new(values, [1, frames, bins]), &Device::flex());
    let (heads, _) = net.forward_in(chunks, x, &[length]);
    let values = |tensor: Tensor<3>| tensor.into_data().iter::<f32>().collect();
    LogProbs { tokens: values(heads.tokens), phones: values(heads.phones.unwrap()) }
}
