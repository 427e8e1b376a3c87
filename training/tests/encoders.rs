//! The recogniser's encoders against PyTorch and SpeechBrain: `golden/encoders.json`, made by `tests/peers/encoders.py`
//! at the root.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeMap;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use engines::sessions;
use golden_weights::{Compare, Load, assert_close, assert_near};
use rejoinder_models::runtime::{Session, Tensor as RuntimeTensor};
use rejoinder_training::export::border_tensor;
use rejoinder_training::losses::ctc_loss;
use rejoinder_training::nets::conformer::{Conformer, ConformerConfig, Kind, Reach};
use rejoinder_training::tasks::asr::record;
use report::report;
use serde::Deserialize;

mod engines;
mod golden_weights;
mod report;

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

impl Case {
    fn names(&self) -> [&'static str; 2] {
        match self.sizes.kind {
            Kind::Conformer if self.sizes.convolution == Reach::Chunk => [
                "Conformer in frames of 40 ms",
                "SpeechBrain's ConvolutionFrontEnd in two dimensions and ConformerEncoderLayer with RoPEMHA, in dynamic chunks",
            ],
            Kind::Conformer => {
                ["Conformer", "SpeechBrain's ConvolutionFrontEnd and ConformerEncoderLayer with RoPEMHA, causal"]
            }
            Kind::Branchformer => ["Branchformer", "SpeechBrain's BranchformerEncoderLayer with RoPEMHA, causal"],
            Kind::Hyperconformer => ["HyperConformer", "SpeechBrain's ConformerEncoderLayer, causal, and HyperMixing"],
            Kind::Crdnn => ["CRDNN", "SpeechBrain's CNN_Block, LSTM and DNN_Block, causal"],
            Kind::Transformer => ["Transformer", "SpeechBrain's TransformerEncoderLayer with RoPEMHA"],
        }
    }
}

/// Log-probabilities of tokens and of phones for a clip of `chunks` chunks, one after the other as a stream has them.
fn streamed(net: &Conformer, session: &mut dyn Session, features: &[f32], chunks: usize) -> [Vec<f32>; 2] {
    let ConformerConfig { bins, chunk, left, .. } = *net.config();
    let (hop, frames) = (net.config().subsampling * chunk, net.config().features_for(chunk));
    let caches = net.caches(&Device::flex());
    let caches = [caches.keys.into_data(), caches.values.into_data(), caches.convolution.into_data()];
    let mut caches = caches.map(|cache| border_tensor(&cache).unwrap());
    let mut found = [const { Vec::new() }; 2];
    for number in 0..chunks {
        let piece = &features[number * hop * bins..][..frames * bins];
        let valid = (number * chunk).min(left) as f32;
        let [keys, values, convolution] = caches;
        let inputs = vec![
            ("x", RuntimeTensor::f32(&[1, frames, bins], piece.to_vec()).unwrap()),
            ("left_valid", RuntimeTensor::f32(&[1], vec![valid]).unwrap()),
            ("cache_k", keys),
            ("cache_v", values),
            ("cache_conv", convolution),
        ];
        let wanted = ["log_probs", "phones", "cache_k_out", "cache_v_out", "cache_conv_out"];
        let outputs: [RuntimeTensor; 5] = session.run(inputs, &wanted).unwrap().try_into().unwrap();
        let [tokens, phones, keys, values, convolution] = outputs;
        for (found, said) in found.iter_mut().zip([tokens, phones]) {
            found.extend(said.into_f32("log-probabilities").unwrap());
        }
        caches = [keys, values, convolution];
    }
    found
}

/// The exported net on each engine, chunk by chunk, beside whole utterances of the peer.
fn streams_as_the_whole(case: &Case, net: &Conformer) {
    let [name, peer] = case.names();
    let clips = case.lengths.len();
    let part = |values: &[f32], clip: usize, share: f64| {
        let size = values.len() / clips;
        values[clip * size..][..(share * size as f64).round() as usize].to_vec()
    };
    let longest = case.lengths.iter().max().copied().unwrap_or_default();
    for (engine, mut session) in sessions(&record(net).unwrap()) {
        let mut worst = 0.0_f32;
        for (clip, length) in case.lengths.iter().enumerate() {
            let features = part(&case.features, clip, 1.0);
            let found = streamed(net, session.as_mut(), &features, length / case.sizes.chunk);
            for (found, expected) in found.iter().zip([&case.tokens, &case.phones]) {
                let expected = part(expected, clip, *length as f64 / longest as f64);
                worst = worst.max(assert_near(name, found, &expected));
            }
        }
        report(name, peer, &format!("log-probabilities, chunk by chunk, {engine}"), worst);
    }
}

/// Outputs, losses and gradients of one net.
fn same(case: &Case, golden: &Golden) {
    let config = &case.sizes;
    let [tokens, phones] = ["head", "phones"].map(|head| case.weights[&format!("{head}.bias")].len());
    let fresh = config.init(tokens, phones / config.phone_frames(), &Device::flex());
    let plain = Load::into(fresh, &case.weights);
    streams_as_the_whole(case, &plain);
    let net = plain.train();
    let clips = case.lengths.len();
    let shape = [clips, case.features.len() / clips / config.bins, config.bins];
    let data = TensorData::new(case.features.clone(), shape);
    let (heads, middle) = net.forward(Tensor::from_data(data, &Device::flex().autodiff()), &case.lengths);
    let heard = heads.phones.unwrap();
    let [name, peer] = case.names();
    let outputs = [
        assert_close(name, heads.tokens.clone(), &case.tokens),
        assert_close(name, heard.clone(), &case.phones),
        assert_close(name, middle.clone(), &case.middle),
    ];
    report(name, peer, "log-probabilities", outputs.into_iter().fold(0.0, f32::max));
    let halves: Vec<usize> = case.lengths.iter().map(|length| config.phone_frames() * length).collect();
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
    let [first, second] = [Kind::Conformer, Kind::Branchformer];
    assert_eq!(kinds, [first, second, Kind::Hyperconformer, Kind::Crdnn, Kind::Transformer, first]);
    golden.cases.iter().for_each(|case| same(case, &golden));
}
