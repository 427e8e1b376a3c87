//! Exported nets on the engines that run them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use rejoinder_models::runtime::{RuntimeConfig, RuntimeKind, Session, find_onnxruntime, open};
use rejoinder_training::export::OnnxModel;

/// What is exported on each engine of this machine: what it is called in the table of `make parity`, and a session.
pub(crate) fn sessions(model: &OnnxModel) -> Vec<(String, Box<dyn Session>)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    model.write(&path).unwrap();
    let all = [(RuntimeKind::Tract, "tract"), (RuntimeKind::Ort, "ONNX Runtime")];
    let here = all.into_iter().filter(|(kind, _)| *kind == RuntimeKind::Tract || find_onnxruntime().is_some());
    let session = |kind| open(&RuntimeConfig::of(kind)).unwrap().open(&path).unwrap().session().unwrap();
    here.map(|(kind, name)| (format!("our ONNX on {name}"), session(kind))).collect()
}
