//! The Transformers over tokens against SpeechBrain: `golden/transformer.json`, made by `tests/peers/transformer.py` at the
//! root.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeMap;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use engines::sessions;
use golden_weights::{Compare, Load, assert_close, assert_near};
use rejoinder_models::runtime::{Session, Tensor as RuntimeTensor};
use rejoinder_training::export::border_tensor;
use rejoinder_training::losses::smoothed_loss;
use rejoinder_training::nets::transformer::{Transformer, TransformerConfig, length_mask, said_next, shifted};
use rejoinder_training::tasks::attention::record;
use report::report;
use serde::Deserialize;

mod engines;
mod golden_weights;
mod report;

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

impl Case {
    fn names(&self) -> [&'static str; 2] {
        match self.looks {
            true => ["attention decoder", "SpeechBrain's TransformerDecoder"],
            false => ["token language model", "SpeechBrain's TransformerEncoder, causal"],
        }
    }
}

/// Log-probabilities of what follows each of a sentence's tokens, one token after the other as a search has them.
fn stepped(net: &Transformer, session: &mut dyn Session, tokens: &[u32], memory: Option<&RuntimeTensor>) -> Vec<f32> {
    let mut cache = border_tensor(&net.cache(&Device::flex()).into_data()).unwrap();
    let mut found = Vec::new();
    for (place, token) in [0].iter().chain(tokens).enumerate() {
        let mut inputs = vec![
            ("tokens", RuntimeTensor::i64(&[1, 1], vec![i64::from(*token)]).unwrap()),
            ("position", RuntimeTensor::f32(&[1], vec![place as f32]).unwrap()),
            ("cache", cache),
        ];
        inputs.extend(memory.map(|memory| ("memory", memory.clone())));
        let outputs: [RuntimeTensor; 2] = session.run(inputs, &["log_probs", "cache_out"]).unwrap().try_into().unwrap();
        let [said, next] = outputs;
        found.extend(said.into_f32("log_probs").unwrap());
        cache = next;
    }
    found
}

/// The exported net on each engine, token by token, beside whole sentences of the peer.
fn steps_as_the_whole(case: &Case, golden: &Golden, net: &Transformer) {
    let ([name, peer], device) = (case.names(), Device::flex());
    let (dim, clips) = (golden.config.dim, golden.lengths.len());
    let [frames, places] = [&case.frames, &case.log_probs].map(|values| values.len() / clips);
    for (engine, mut session) in sessions(&record(net, case.looks).unwrap().0) {
        let mut worst = 0.0_f32;
        for (clip, (tokens, length)) in golden.tokens.iter().zip(&golden.lengths).enumerate() {
            let memory = case.looks.then(|| {
                let heard = case.frames[clip * frames..][..length * dim].to_vec();
                let heard = Tensor::from_data(TensorData::new(heard, [1, *length, dim]), &device);
                border_tensor(&net.memory(heard).into_data()).unwrap()
            });
            let found = stepped(net, session.as_mut(), tokens, memory.as_ref());
            worst = worst.max(assert_near(name, &found, &case.log_probs[clip * places..][..found.len()]));
        }
        report(name, peer, &format!("log-probabilities, token by token, {engine}"), worst);
    }
}

fn same(case: &Case, golden: &Golden) {
    let [name, peer] = case.names();
    let (dim, batch) = (golden.config.dim, golden.lengths.len());
    let fresh = golden.config.init(golden.vocabulary, case.looks.then_some(dim), &Device::flex());
    let plain = Load::into(fresh, &case.weights);
    steps_as_the_whole(case, golden, &plain);
    let net = plain.train();
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
