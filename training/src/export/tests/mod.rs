//! What the net computes is what the file computes, on every runtime that is at hand.

mod bundle;
mod errors;
mod int8;
mod nets;
mod ops;
mod symbols;

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::TensorData;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rejoinder_models::runtime::{Runtime, RuntimeConfig, RuntimeKind, open};

use super::{OnnxExport, OnnxModel, Recorder, Result, check_parity};

/// tract, and ONNX Runtime where its library is installed.
pub(super) fn runtimes() -> Vec<Arc<dyn Runtime>> {
    let mut all = vec![open(&RuntimeConfig::of(RuntimeKind::Tract)).unwrap()];
    match open(&RuntimeConfig::of(RuntimeKind::Ort)) {
        Ok(runtime) => all.push(runtime),
        Err(reason) => println!("checked on tract alone: {reason}"),
    }
    all
}

/// Numbers around zero, the same for the same seed.
pub(super) fn noise(shape: &[usize], seed: u64) -> TensorData {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random_range(-1.5..1.5)).collect();
    TensorData::new(values, shape.to_vec())
}

pub(super) fn ints(values: &[i64], shape: &[usize]) -> TensorData {
    TensorData::new(values.to_vec(), shape.to_vec())
}

/// Largest difference of a model in memory to the forward, over all runtimes.
pub(super) fn distance<M: Module>(
    model: &OnnxModel,
    export: &OnnxExport,
    net: &M,
    inputs: &[(&str, TensorData)],
    forward: impl Fn(&M, &mut Recorder<'_>) -> Result<()>,
) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    model.write(&path).unwrap();
    let case = export.case(net, inputs, &forward).unwrap();
    let runtimes = runtimes();
    let runtimes: Vec<&dyn Runtime> = runtimes.iter().map(|r| &**r).collect();
    let differences = check_parity(&path, &runtimes, &[case]).unwrap();
    println!("{differences:?}");
    differences.iter().map(|d| d.largest).fold(0.0, f64::max)
}

/// Exports, and asserts that the file computes the forward.
pub(super) fn same<M: Module>(
    export: &OnnxExport,
    net: &M,
    inputs: &[(&str, TensorData)],
    forward: impl Fn(&M, &mut Recorder<'_>) -> Result<()>,
) -> OnnxModel {
    let model = export.record(net, &forward).unwrap();
    let far = distance(&model, export, net, inputs, &forward);
    assert!(far < 2e-5, "off by {far}");
    model
}
