//! Speaker nets and their loss against SpeechBrain: `golden/speaker.json`, made by `tests/peers/speaker.py` at the root.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeMap;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use engines::sessions;
use golden_weights::{Compare, Load, assert_close, assert_near};
use rejoinder_models::runtime::Tensor as RuntimeTensor;
use rejoinder_training::data::statistics::BinStatistics;
use rejoinder_training::export::{Axis, Element, OnnxExport, Recorder};
use rejoinder_training::losses::aam_softmax;
use rejoinder_training::nets::speaker::{EcapaConfig, EncoderConfig, SpeakerNet, XvectorConfig};
use report::report;
use serde::Deserialize;

mod engines;
mod golden_weights;
mod report;

#[derive(Deserialize)]
struct Golden {
    lengths: Vec<usize>,
    targets: Vec<usize>,
    margin: f64,
    scale: f64,
    ecapa: Case,
    xvector: Case,
    aam: Margins,
    normalisation: Normalisation,
}

#[derive(Deserialize)]
struct Case {
    features: Vec<f32>,
    embeddings: Vec<f32>,
    alone: Vec<f32>,
    loss: f32,
    weights: BTreeMap<String, Vec<f32>>,
    gradients: BTreeMap<String, Vec<f32>>,
    /// How far SpeechBrain's gradients in single precision are from its own in double.
    single_precision: f32,
}

#[derive(Deserialize)]
struct Margins {
    cosines: Vec<f32>,
    targets: Vec<usize>,
    margin: f64,
    scale: f64,
    loss: f32,
    gradient: Vec<f32>,
}

#[derive(Deserialize)]
struct Normalisation {
    /// The frames of each clip of each batch, row by row.
    batches: Vec<Vec<Vec<f32>>>,
    mean: Vec<f32>,
    deviation: Vec<f32>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/speaker.json")).unwrap()
}

/// The exported net on each engine, for a length that it was not recorded at.
fn exported([name, peer]: [&str; 2], net: &SpeakerNet, bins: usize, features: &[f32], expected: &[f32]) {
    let forward = |net: &SpeakerNet, recorder: &mut Recorder<'_>| {
        let features = recorder.float::<3>("features")?;
        recorder.output("embedding", net.embed(features, None))
    };
    let axes = [Axis::from(1), Axis::symbol("T", &[16, 27, 41]), Axis::from(bins)];
    let model = OnnxExport::new("speaker").input("features", Element::Float, axes).record(net, forward).unwrap();
    for (engine, mut session) in sessions(&model) {
        let input = RuntimeTensor::f32(&[1, features.len() / bins, bins], features.to_vec()).unwrap();
        let outputs = session.run(vec![("features", input)], &["embedding"]).unwrap();
        let found = outputs.into_iter().next().unwrap().into_f32("embedding").unwrap();
        let found: Vec<f32> = found.into_iter().collect();
        report(name, peer, &format!("embeddings, {engine}"), assert_near(name, &found, expected));
    }
}

fn same(config: &EncoderConfig, case: &Case, golden: &Golden) {
    let device = Device::flex().autodiff();
    let (clips, speakers) = (golden.lengths.len(), case.weights["speakers"].len() / config.dim());
    let frames = case.features.len() / clips / config.bins();
    let plain = Load::into(config.init(speakers, &Device::flex()), &case.weights);
    let net = plain.clone().train();

    let features = |device: &Device| {
        Tensor::<3>::from_data(TensorData::new(case.features.clone(), [clips, frames, config.bins()]), device)
    };
    let whole = features(&Device::flex());
    let (name, peer) = match config {
        EncoderConfig::Ecapa(_) => ("ECAPA-TDNN", "SpeechBrain's ECAPA_TDNN"),
        EncoderConfig::Xvector(_) => ("x-vector", "SpeechBrain's Xvector"),
    };
    let padded = assert_close(name, plain.embed(whole.clone(), Some(&golden.lengths)), &case.embeddings);
    let alone = assert_close(name, plain.embed(whole.narrow(0, 0, 1), None), &case.alone);
    report(name, peer, "embeddings", padded.max(alone));

    exported([name, peer], &plain, config.bins(), &case.features[..frames * config.bins()], &case.alone);

    let cosines = net.cosines(net.embed(features(&device), Some(&golden.lengths)));
    let loss = aam_softmax(cosines, &golden.targets, golden.margin, golden.scale);
    let value: f32 = loss.clone().into_scalar();
    assert!((value - case.loss).abs() < 1e-4, "{value} {}", case.loss);
    let gradients = GradientsParams::from_grads(loss.backward(), &net);
    let worst = Compare::worst(&net, &gradients, &case.gradients);
    assert!(worst.0 < 2e-3, "{worst:?}");
    report(name, peer, "gradients of the AAM loss", worst.0);
    report(name, peer, "gradients of the AAM loss, theirs in single precision", case.single_precision);
}

#[test]
fn ecapa_embeds_and_learns_as_speechbrains_does() {
    let golden = golden();
    let config = EcapaConfig {
        input_size: 6,
        channels: 8,
        mfa_channels: 12,
        res2net_scale: 4,
        se_channels: 4,
        attention_channels: 6,
        lin_neurons: 8,
    };
    same(&EncoderConfig::Ecapa(config), &golden.ecapa, &golden);
}

#[test]
fn xvectors_are_speechbrains() {
    let golden = golden();
    let config = XvectorConfig { in_channels: 6, tdnn_channels: 8, pooled_channels: 10, lin_neurons: 8 };
    same(&EncoderConfig::Xvector(config), &golden.xvector, &golden);
}

#[test]
fn features_are_normalised_by_the_same_statistics_of_all_batches() {
    let Normalisation { batches, mean, deviation } = golden().normalisation;
    let batches = batches.into_iter().map(|clips| Ok(clips.concat()));
    let found = BinStatistics::of(mean.len(), batches).unwrap();
    let (means, deviations) =
        (assert_near("means", &found.mean, &mean), assert_near("deviations", &found.deviation, &deviation));
    let peer = "SpeechBrain's InputNormalization, global";
    report("Normalisation", peer, "means and deviations of two padded batches", means.max(deviations));
}

#[test]
fn loss_and_gradient_are_speechbrains_on_both_sides_of_the_bend() {
    let Margins { cosines, targets, margin, scale, loss, gradient } = golden().aam;
    let data = TensorData::new(cosines, [targets.len(), gradient.len() / targets.len()]);
    let cosines = Tensor::<2>::from_data(data, &Device::flex().autodiff()).require_grad();
    let found = aam_softmax(cosines.clone(), &targets, margin, scale);
    let value: f32 = found.clone().into_scalar();
    assert!((value - loss).abs() < 1e-5, "{value} {loss}");
    let grads = found.backward();
    let found: Vec<f32> = cosines.grad(&grads).unwrap().into_data().iter().collect();
    let apart = found.iter().zip(&gradient).map(|(found, expected)| (found - expected).abs() / expected.abs().max(1.0));
    let worst = apart.fold(0.0, f32::max);
    assert!(worst < 2e-3, "{found:?} {gradient:?}");
    let peer = "SpeechBrain's LogSoftmaxWrapper of AdditiveAngularMargin";
    report("AAM loss", peer, "loss", (value - loss).abs() / loss.abs().max(1.0));
    report("AAM loss", peer, "gradient of the cosines", worst);
}
