//! Conv-TasNet against SpeechBrain: `golden/separation.json`, made by `tests/peers/separation.py` at the root.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeMap;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use engines::sessions;
use golden_weights::{Compare, Load, assert_close, assert_near};
use rejoinder_models::runtime::Tensor as RuntimeTensor;
use rejoinder_training::export::{Axis, Element, OnnxExport, Recorder};
use rejoinder_training::losses::SeparationLoss;
use rejoinder_training::nets::conv_tasnet::{ConvTasNet, ConvTasNetConfig, SeparatorState};
use report::report;
use serde::Deserialize;

mod engines;
mod golden_weights;
mod report;

const PEER: &str = "SpeechBrain's Encoder, MaskNet and Decoder, causal, cLN";
const NAME: &str = "Conv-TasNet";
const SAMPLES: usize = 160;
/// Samples of a run of the exported net.
const CHUNK: usize = 16;

#[derive(Deserialize)]
struct Golden {
    mixture: Vec<f32>,
    sources: Vec<f32>,
    estimates: Vec<f32>,
    losses: Vec<f32>,
    weights: BTreeMap<String, Vec<f32>>,
    gradients: BTreeMap<String, Vec<f32>>,
}

fn golden() -> (Golden, ConvTasNet) {
    let golden: Golden = serde_json::from_str(include_str!("golden/separation.json")).unwrap();
    let config = ConvTasNetConfig::new().with_window(8).with_filters(12).with_width(6).with_hidden(10);
    let config = config.with_blocks(3).with_repeats(2).with_sources(2);
    let net = Load::into(config.init(&Device::flex()), &golden.weights);
    (golden, net)
}

fn tensor<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

#[test]
fn voices_and_gradients_are_speechbrains() {
    let (golden, net) = golden();
    let device = Device::flex();
    let found = net.forward(tensor(&golden.mixture, [2, SAMPLES], &device));
    report(NAME, PEER, "voices", assert_close(NAME, found, &golden.estimates));

    let (net, device) = (net.train(), Device::flex().autodiff());
    let estimates = net.forward(tensor(&golden.mixture, [2, SAMPLES], &device));
    let sources = tensor(&golden.sources, [2, 2, SAMPLES], &device);
    let losses = SeparationLoss::SiSnr.forward(estimates, sources, &[SAMPLES; 2]).losses;
    assert_close("losses", losses.clone(), &golden.losses);
    let gradients = GradientsParams::from_grads(losses.mean().backward(), &net);
    let (worst, weight) = Compare::worst(&net, &gradients, &golden.gradients);
    assert!(worst < 1e-3, "{weight}: {worst}");
    report(NAME, PEER, "gradients of the SI-SNR loss", worst);
}

#[test]
fn the_exported_net_gives_the_same_voices_piece_by_piece() {
    let (golden, net) = golden();
    let forward = |net: &ConvTasNet, recorder: &mut Recorder<'_>| {
        let state = SeparatorState {
            samples: recorder.float::<2>("samples")?,
            past: recorder.float::<3>("past")?,
            overlap: recorder.float::<3>("overlap")?,
        };
        let (voices, next) = net.step(recorder.float::<2>("mixture")?, state);
        recorder.output("voices", voices)?;
        recorder.output("samples_out", next.samples)?;
        recorder.output("past_out", next.past)?;
        recorder.output("overlap_out", next.overlap)
    };
    let state = net.state(&Device::flex());
    let begun = [state.samples.to_data(), state.past.to_data(), state.overlap.to_data()];
    let names = ["samples", "past", "overlap"];
    let mut export = OnnxExport::new("separator").input("mixture", Element::Float, [1, CHUNK].map(Axis::from));
    for (name, data) in names.iter().zip(&begun) {
        export = export.input(name, Element::Float, data.shape().iter().copied().map(Axis::from));
    }
    let model = export.record(&net, forward).unwrap();
    for (engine, mut session) in sessions(&model) {
        let zeros = |data: &TensorData| {
            let shape: Vec<usize> = data.shape().iter().copied().collect();
            RuntimeTensor::f32(&shape, vec![0.0; shape.iter().product()]).unwrap()
        };
        let mut states: Vec<RuntimeTensor> = begun.iter().map(zeros).collect();
        let mut voices = [Vec::new(), Vec::new()];
        let silence = [0.0; CHUNK];
        let mixture = &golden.mixture[..SAMPLES];
        for chunk in mixture.chunks_exact(CHUNK).chain([&silence[..]]) {
            let mut inputs = vec![("mixture", RuntimeTensor::f32(&[1, CHUNK], chunk.to_vec()).unwrap())];
            inputs.extend(names.into_iter().zip(states));
            let mut outputs = session.run(inputs, &["voices", "samples_out", "past_out", "overlap_out"]).unwrap();
            states = outputs.split_off(1);
            let found: Vec<f32> = outputs.remove(0).into_f32("voices").unwrap().into_iter().collect();
            voices.iter_mut().zip(found.chunks_exact(CHUNK)).for_each(|(voice, found)| voice.extend(found));
        }
        // A stream is half a window late.
        let voices: Vec<f32> = voices.iter().flat_map(|voice| voice[4..4 + SAMPLES].to_vec()).collect();
        let worst = assert_near(NAME, &voices, &golden.estimates[..2 * SAMPLES]);
        report(NAME, PEER, &format!("voices, piece by piece, {engine}"), worst);
    }
}
