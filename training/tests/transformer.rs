//! The Transformers over tokens against SpeechBrain: `golden/transformer.json`, made by `tests/peers/transformer.py` at the
//! root.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeMap;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use rejoinder_training::losses::smoothed_loss;
use rejoinder_training::nets::transformer::{TransformerConfig, length_mask, said_next, shifted};
use report::report;
use serde::Deserialize;

mod golden_weights;
mod report;

use golden_weights::{Compare, Load, assert_close};

#[derive(Deserialize)]
struct Golden {
    config: TransformerConfig,
    vocabulary: usize,
    lengths: Vec<usize>,
    tokens: Vec<Vec<u32>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    /// Whether it is a decoder, rather than a language model.
    looks: bool,
    smoothing: f64,
    frames: Vec<f32>,
    log_probs: Vec<f32>,
    loss: f32,
    weights: BTreeMap<String, Vec<f32>>,
    gradients: BTreeMap<String, Vec<f32>>,
}

fn same(case: &Case, golden: &Golden) {
    let (name, peer) = match case.looks {
        true => ("attention decoder", "SpeechBrain's TransformerDecoder"),
        false => ("token language model", "SpeechBrain's TransformerEncoder, causal"),
    };
    let (dim, batch) = (golden.config.dim, golden.lengths.len());
    let fresh = golden.config.init(golden.vocabulary, case.looks.then_some(dim), &Device::flex());
    let net = Load::into(fresh, &case.weights).train();
    let device = Device::flex().autodiff();
    let memory = case.looks.then(|| {
        let data = TensorData::new(case.frames.clone(), [batch, case.frames.len() / batch / dim, dim]);
        let frames = Tensor::<3>::from_data(data, &device);
        let mask = length_mask(frames.dims()[1], &golden.lengths, &device);
        (net.memory(frames), mask)
    });
    let said = net.forward(shifted(&golden.tokens, &device), memory);
    report(name, peer, "log-probabilities", assert_close(name, said.clone(), &case.log_probs));
    let loss = smoothed_loss(said, &said_next(&golden.tokens), case.smoothing);
    let value: f32 = loss.clone().into_scalar();
    assert!((value - case.loss).abs() < 1e-5, "{name}: {value} {}", case.loss);
    report(name, "SpeechBrain's kldiv_loss", "loss", (value - case.loss).abs());
    let gradients = GradientsParams::from_grads(loss.backward(), &net);
    let worst = Compare::worst(&net, &gradients, &case.gradients);
    assert!(worst.0 < 2e-3, "{name}: {worst:?}");
    report(name, peer, "gradients of the loss", worst.0);
}

#[test]
fn transformers_say_and_learn_as_their_peers_do() {
    let golden: Golden = serde_json::from_str(include_str!("golden/transformer.json")).unwrap();
    assert_eq!(golden.cases.iter().map(|case| case.looks).collect::<Vec<_>>(), [true, false]);
    golden.cases.iter().for_each(|case| same(case, &golden));
}
