use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::silu;
use burn::tensor::{Device, Tensor, TensorData};
use rejoinder_models::runtime::Runtime;

use super::{distance, noise, runtimes};
use crate::export::{
    Axis, Case, Element, Int8, OnnxExport, OnnxModel, Recorder, Result, check_parity, quantize_matmul,
};

#[derive(Module, Debug)]
struct Layers {
    first: Linear,
    second: Linear,
}

fn net() -> Layers {
    let device = Device::flex();
    let linear = |i, o, seed| Linear {
        weight: burn::module::Param::from_tensor(Tensor::from_data(noise(&[i, o], seed), &device) * 0.1),
        bias: LinearConfig::new(i, o).init(&device).bias,
    };
    Layers { first: linear(48, 64, 1), second: linear(64, 40, 2) }
}

fn forward(net: &Layers, r: &mut Recorder<'_>) -> Result<()> {
    let x = r.float::<3>("x")?;
    r.output("y", net.second.forward(silu(net.first.forward(x))))
}

#[test]
fn products_with_weights_become_small_and_stay_close() {
    let net = net();
    let axes = [1, 6, 48].map(Axis::Fixed);
    let export = OnnxExport::new("layers").input("x", Element::Float, axes);
    let model = export.record(&net, forward).unwrap();
    let inputs = [("x", noise(&[1, 6, 48], 3))];
    let mut far = Vec::new();
    for (per_channel, reduce_range) in [(true, true), (false, true)] {
        let small = quantize_matmul(&model, Int8 { per_channel, reduce_range, at_least: 1024 });
        assert_eq!(small.operators()["MatMulInteger"], 2);
        assert!(!small.operators().contains_key("MatMul"));
        assert!(small.to_bytes().len() * 2 < model.to_bytes().len());
        far.push(distance(&small, &export, &net, &inputs, forward));
    }
    assert!(far.iter().all(|&d| d > 1e-5 && d < 0.03), "off by {far:?}");
}

#[test]
fn small_weights_stay_in_floats() {
    let export = OnnxExport::new("layers").input("x", Element::Float, [1, 6, 48].map(Axis::Fixed));
    let model = export.record(&net(), forward).unwrap();
    let options = Int8 { at_least: 3000, ..Int8::default() };
    let operators = quantize_matmul(&model, options);
    assert_eq!((operators.operators()["MatMulInteger"], operators.operators()["MatMul"]), (1, 1));
}

/// `tests/golden/int8/make.py` made both files with ONNX Runtime's own quantiser.
#[test]
fn the_same_numbers_as_onnx_runtimes_quantiser() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/int8");
    let model = OnnxModel::read(&golden.join("layers.onnx")).unwrap();
    let text = std::fs::read_to_string(golden.join("expected.json")).unwrap();
    let expected: BTreeMap<String, Vec<f32>> = serde_json::from_str(&text).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("int8.onnx");
    for (name, per_channel, reduce_range) in
        [("column", true, false), ("weight", false, false), ("reduced", true, true)]
    {
        quantize_matmul(&model, Int8 { per_channel, reduce_range, at_least: 0 }).write(&path).unwrap();
        let x = TensorData::new(expected["x"].clone(), [1, 5, 24]);
        let y = TensorData::new(expected[name].clone(), [1, 5, 10]);
        let case = Case::new().input("x", x).unwrap().expect("y", y).unwrap();
        let runtimes = runtimes();
        // ONNX Runtime overflows on some processors when all 8 bits are used.
        let sound = |r: &&dyn Runtime| reduce_range || r.name() == "tract";
        let runtimes: Vec<&dyn Runtime> = runtimes.iter().map(|r| &**r).filter(sound).collect();
        for difference in check_parity(&path, &runtimes, &[case]).unwrap() {
            assert!(difference.largest < 2e-6, "{name}: {difference:?}");
        }
    }
}
