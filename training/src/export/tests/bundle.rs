use burn::nn::{Linear, LinearConfig};
use burn::tensor::Device;
use rejoinder_models::card::{Bundle, ModelCard, NewFile, Origin, Task};
use rejoinder_models::runtime::{RuntimeConfig, RuntimeKind, open};

use super::noise;
use crate::export::{Axis, Case, Element, ExportError, OnnxExport, Package, Recorder, Result};

fn forward(net: &Linear, r: &mut Recorder<'_>) -> Result<()> {
    let x = r.float::<2>("x")?;
    r.output("y", net.forward(x))
}

fn card() -> ModelCard {
    let origin = Origin { recipe: "a recipe".into(), data: vec!["noise".into()], commit: "none".into() };
    ModelCard::new("tiny", Task::Vad, "linear", "CC0-1.0", origin)
}

fn export() -> OnnxExport {
    OnnxExport::new("tiny").input("x", Element::Float, [2, 4].map(Axis::Fixed))
}

#[test]
fn a_bundle_says_how_close_its_model_is() {
    let net = LinearConfig::new(4, 3).init(&Device::flex());
    let case = export().case(&net, &[("x", noise(&[2, 4], 1))], forward).unwrap();
    let model = export().record(&net, forward).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let tokens = NewFile::new("tokens", "tokens.txt", "a 0\n");
    let written = Package::new(card())
        .model("model", "tiny.onnx", model, vec![case], 1e-5)
        .file(tokens)
        .write(folder.path())
        .unwrap();
    let read = Bundle::open(folder.path()).unwrap();
    assert_eq!(read.card(), written.card());
    assert!(read.card().parity["tract"] < 1e-5);
    assert_eq!(read.card().files.len(), 2);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);

    let path = read.path("model").unwrap();
    let opened = open(&RuntimeConfig::of(RuntimeKind::Tract)).unwrap().open(&path).unwrap();
    let lone = Bundle::of_model(&path, &*opened).unwrap().unwrap();
    assert_eq!((lone.card().name.as_str(), lone.text("tokens").unwrap().as_str()), ("tiny", "a 0\n"));
}

#[test]
fn a_model_that_is_too_far_off_is_refused() {
    let device = Device::flex();
    let net = LinearConfig::new(4, 3).init(&device);
    let other = LinearConfig::new(4, 3).init(&device);
    let case: Case = export().case(&other, &[("x", noise(&[2, 4], 1))], forward).unwrap();
    let model = export().record(&net, forward).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let error =
        Package::new(card()).model("model", "tiny.onnx", model, vec![case], 1e-5).write(folder.path()).unwrap_err();
    assert!(matches!(error, ExportError::Parity { .. }), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
