//! Speaker nets and their loss against SpeechBrain: `golden/speaker.json`, made by `tests/peers/speaker.py` at the root.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use rejoinder_models::runtime::{RuntimeConfig, RuntimeKind, Tensor as RuntimeTensor, find_onnxruntime, open};
use rejoinder_training::export::{Axis, Element, OnnxExport, Recorder};
use rejoinder_training::losses::aam_softmax;
use rejoinder_training::nets::speaker::{EcapaConfig, EncoderConfig, SpeakerNet, XvectorConfig};
use serde::Deserialize;

/// A gradient of this size is a rounding error: the largest are of the order of 1.
const NO_CONSEQUENCE: f32 = 0.02;

#[derive(Deserialize)]
struct Golden {
    lengths: Vec<usize>,
    targets: Vec<usize>,
    margin: f64,
    scale: f64,
    ecapa: Case,
    xvector: Case,
    aam: Margins,
}

#[derive(Deserialize)]
struct Case {
    features: Vec<f32>,
    embeddings: Vec<f32>,
    alone: Vec<f32>,
    loss: f32,
    weights: BTreeMap<String, Vec<f32>>,
    gradients: BTreeMap<String, Vec<f32>>,
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

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/speaker.json")).unwrap()
}

/// The module path without the encoder that it leads through.
fn name(path: &[String]) -> String {
    let inside = path.iter().map(String::as_str).filter(|part| !["encoder", "Ecapa", "Xvector"].contains(part));
    inside.collect::<Vec<_>>().join(".")
}

/// Puts the golden weights into a net, each once.
struct Load {
    path: Vec<String>,
    weights: BTreeMap<String, Vec<f32>>,
}

impl ModuleMapper for Load {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = name(&self.path);
        let values = self.weights.remove(&name).unwrap_or_else(|| panic!("no golden weight {name}"));
        param.map(|tensor| Tensor::from_data(TensorData::new(values, tensor.shape()), &tensor.device()))
    }
}

/// The largest difference between the gradients and the golden ones, as a share of the largest of each tensor. Those of
/// no consequence, such as that of a bias before a softmax, are rounding errors.
struct Compare<'a> {
    path: Vec<String>,
    gradients: &'a GradientsParams,
    expected: BTreeMap<String, Vec<f32>>,
    worst: (f32, String),
}

impl ModuleVisitor for Compare<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(found) = self.gradients.get::<D>(param.id) else { return };
        let name = name(&self.path);
        let expected = self.expected.remove(&name).unwrap_or_else(|| panic!("no golden gradient {name}"));
        let largest = expected.iter().fold(NO_CONSEQUENCE, |largest, value| largest.max(value.abs()));
        let found: Vec<f32> = found.into_data().iter().collect();
        assert_eq!(found.len(), expected.len(), "{name}");
        let worst = found.iter().zip(&expected).fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs())) / largest;
        if worst > self.worst.0 {
            self.worst = (worst, name);
        }
    }
}

fn assert_close(found: Tensor<2>, expected: &[f32]) {
    let found: Vec<f32> = found.into_data().iter().collect();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-4 * expected.abs().max(1.0), "{found} {expected}");
    }
}

/// The exported net gives the same on each engine, for a length that it was not recorded at.
fn exported(net: &SpeakerNet, bins: usize, features: &[f32], expected: &[f32]) {
    let forward = |net: &SpeakerNet, recorder: &mut Recorder<'_>| {
        let features = recorder.float::<3>("features")?;
        recorder.output("embedding", net.embed(features, None))
    };
    let axes = [Axis::from(1), Axis::symbol("T", &[16, 27, 41]), Axis::from(bins)];
    let model = OnnxExport::new("speaker").input("features", Element::Float, axes).record(net, forward).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("speaker.onnx");
    model.write(&path).unwrap();
    let both = [RuntimeKind::Tract, RuntimeKind::Ort];
    for kind in both.into_iter().filter(|kind| *kind == RuntimeKind::Tract || find_onnxruntime().is_some()) {
        let opened = open(&RuntimeConfig::of(kind)).unwrap().open(&path).unwrap();
        let input = RuntimeTensor::f32(&[1, features.len() / bins, bins], features.to_vec()).unwrap();
        let outputs = opened.session().unwrap().run(vec![("features", input)], &["embedding"]).unwrap();
        let found = outputs.into_iter().next().unwrap().into_f32("embedding").unwrap();
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-4 * expected.abs().max(1.0), "{kind:?}: {found} {expected}");
        }
    }
}

fn same(config: &EncoderConfig, case: &Case, golden: &Golden) {
    let device = Device::flex().autodiff();
    let (clips, speakers) = (golden.lengths.len(), case.weights["speakers"].len() / config.dim());
    let frames = case.features.len() / clips / config.bins();
    let mut load = Load { path: Vec::new(), weights: case.weights.clone() };
    let plain = config.init(speakers, &Device::flex()).map(&mut load);
    assert!(load.weights.is_empty(), "not used: {:?}", load.weights.keys());
    let net = plain.clone().train();

    let features = |device: &Device| {
        Tensor::<3>::from_data(TensorData::new(case.features.clone(), [clips, frames, config.bins()]), device)
    };
    let whole = features(&Device::flex());
    assert_close(plain.embed(whole.clone(), Some(&golden.lengths)), &case.embeddings);
    assert_close(plain.embed(whole.narrow(0, 0, 1), None), &case.alone);

    exported(&plain, config.bins(), &case.features[..frames * config.bins()], &case.alone);

    let cosines = net.cosines(net.embed(features(&device), Some(&golden.lengths)));
    let loss = aam_softmax(cosines, &golden.targets, golden.margin, golden.scale);
    let value: f32 = loss.clone().into_scalar();
    assert!((value - case.loss).abs() < 1e-4, "{value} {}", case.loss);
    let gradients = GradientsParams::from_grads(loss.backward(), &net);
    let expected = case.gradients.clone();
    let mut compare = Compare { path: Vec::new(), gradients: &gradients, expected, worst: (0.0, String::new()) };
    net.visit(&mut compare);
    assert!(compare.expected.is_empty(), "no gradient: {:?}", compare.expected.keys());
    assert!(compare.worst.0 < 2e-3, "{:?}", compare.worst);
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
fn loss_and_gradient_are_speechbrains_on_both_sides_of_the_bend() {
    let Margins { cosines, targets, margin, scale, loss, gradient } = golden().aam;
    let data = TensorData::new(cosines, [targets.len(), gradient.len() / targets.len()]);
    let cosines = Tensor::<2>::from_data(data, &Device::flex().autodiff()).require_grad();
    let found = aam_softmax(cosines.clone(), &targets, margin, scale);
    let value: f32 = found.clone().into_scalar();
    assert!((value - loss).abs() < 1e-5, "{value} {loss}");
    let grads = found.backward();
    let found: Vec<f32> = cosines.grad(&grads).unwrap().into_data().iter().collect();
    for (found, expected) in found.iter().zip(&gradient) {
        assert!((found - expected).abs() < 2e-3 * expected.abs().max(1.0), "{found} {expected}");
    }
}
