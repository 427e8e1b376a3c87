//! The recogniser's encoders against PyTorch and SpeechBrain: `golden/encoders.json`, made by `tests/peers/encoders.py`
//! at the root.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeMap;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use rejoinder_training::losses::ctc_loss;
use rejoinder_training::nets::conformer::{ConformerConfig, Kind};
use report::report;
use serde::Deserialize;

mod golden_weights;
mod report;

use golden_weights::{Compare, Load, assert_close};

#[derive(Deserialize)]
struct Golden {
    /// Tokens of each utterance.
    targets: Vec<Vec<u32>>,
    /// Phones of each utterance.
    sounds: Vec<Vec<u32>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    sizes: ConformerConfig,
    lengths: Vec<usize>,
    features: Vec<f32>,
    tokens: Vec<f32>,
    phones: Vec<f32>,
    middle: Vec<f32>,
    loss: f32,
    weights: BTreeMap<String, Vec<f32>>,
    gradients: BTreeMap<String, Vec<f32>>,
}

/// Outputs, losses and gradients of one net.
fn same(case: &Case, golden: &Golden) {
    let config = &case.sizes;
    let [tokens, phones] = ["head", "phones"].map(|head| case.weights[&format!("{head}.bias")].len());
    let fresh = config.init(tokens, phones / ConformerConfig::PHONE_FRAMES, &Device::flex());
    let net = Load::into(fresh, &case.weights).train();
    let clips = case.lengths.len();
    let shape = [clips, case.features.len() / clips / config.bins, config.bins];
    let data = TensorData::new(case.features.clone(), shape);
    let (heads, middle) = net.forward(Tensor::from_data(data, &Device::flex().autodiff()), &case.lengths);
    let heard = heads.phones.unwrap();
    let (name, peer) = match config.kind {
        Kind::Conformer => ("Conformer", "the same net in PyTorch"),
        Kind::Branchformer => ("Branchformer", "SpeechBrain's BranchformerEncoderLayer, causal, rotary attention"),
        Kind::Hyperconformer => ("HyperConformer", "SpeechBrain's HyperMixing"),
        Kind::Crdnn => ("CRDNN", "SpeechBrain's CNN_Block, LSTM and DNN_Block, causal"),
    };
    let outputs = [
        assert_close(name, heads.tokens.clone(), &case.tokens),
        assert_close(name, heard.clone(), &case.phones),
        assert_close(name, middle.clone(), &case.middle),
    ];
    report(name, peer, "log-probabilities", outputs.into_iter().fold(0.0, f32::max));
    let halves: Vec<usize> = case.lengths.iter().map(|length| ConformerConfig::PHONE_FRAMES * length).collect();
    let loss = ctc_loss(heads.tokens, &golden.targets, &case.lengths)
        + ctc_loss(heard, &golden.sounds, &halves)
        + ctc_loss(middle, &golden.sounds, &halves);
    let value: f32 = loss.clone().into_scalar();
    assert!((value - case.loss).abs() < 1e-4, "{name}: {value} {}", case.loss);
    let gradients = GradientsParams::from_grads(loss.backward(), &net);
    let worst = Compare::worst(&net, &gradients, &case.gradients);
    assert!(worst.0 < 2e-3, "{name}: {worst:?}");
    report(name, peer, "gradients of CTC losses", worst.0);
}

#[test]
fn encoders_hear_and_learn_as_their_peers_do() {
    let golden: Golden = serde_json::from_str(include_str!("golden/encoders.json")).unwrap();
    let kinds: Vec<Kind> = golden.cases.iter().map(|case| case.sizes.kind).collect();
    assert_eq!(kinds, [Kind::Conformer, Kind::Branchformer, Kind::Hyperconformer, Kind::Crdnn]);
    golden.cases.iter().for_each(|case| same(case, &golden));
}
