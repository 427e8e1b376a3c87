use std::sync::{Arc, Once};

use serde::{Deserialize, Serialize};

use super::{Runtime, find_onnxruntime};
use crate::{Error, Result};

/// Which engine runs a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeKind {
    /// ONNX Runtime where its library is found, else tract.
    #[default]
    Auto,
    /// ONNX Runtime, or an error.
    Ort,
    /// tract, which is pure Rust and always there.
    Tract,
}

/// The device that runs a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// The processor.
    #[default]
    Cpu,
    /// An NVIDIA card through CUDA; needs the `onnxruntime-gpu` build of the library.
    Cuda,
    /// An NVIDIA card through TensorRT, with CUDA for what TensorRT leaves.
    TensorRt,
}

/// How models are run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuntimeConfig {
    /// The engine.
    pub kind: RuntimeKind,
    /// Threads inside one run. More than one helps large models only; tract always uses one.
    pub threads: usize,
    /// The device. Only ONNX Runtime knows others than the processor.
    pub provider: Provider,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self { kind: RuntimeKind::Auto, threads: 1, provider: Provider::Cpu }
    }
}

impl RuntimeConfig {
    /// The default configuration with another engine.
    pub fn of(kind: RuntimeKind) -> Self {
        Self { kind, ..Self::default() }
    }
}

/// Opens an engine. What `auto` takes, and why, is logged once.
///
/// # Errors
/// [`Error::Engine`] when the engine asked for is not there: its library is missing or too old, or the build is
/// without it. [`Error::Invalid`] for zero threads, or a device that the engine does not know.
pub fn open(config: &RuntimeConfig) -> Result<Arc<dyn Runtime>> {
    if config.threads == 0 {
        return Err(Error::invalid("runtime threads", "at least 1", config.threads));
    }
    match config.kind {
        RuntimeKind::Ort => open_ort(config),
        RuntimeKind::Tract => open_tract(config),
        RuntimeKind::Auto if config.provider != Provider::Cpu => open_ort(config),
        RuntimeKind::Auto => open_auto(config),
    }
}

fn open_auto(config: &RuntimeConfig) -> Result<Arc<dyn Runtime>> {
    static ANNOUNCE: Once = Once::new();
    match open_ort(config) {
        Ok(runtime) => {
            ANNOUNCE.call_once(|| tracing::info!("runtime auto: onnxruntime"));
            Ok(runtime)
        }
        Err(reason) => {
            let runtime = open_tract(config)?;
            ANNOUNCE.call_once(|| tracing::warn!("runtime auto: tract, which is slower, because {reason}"));
            Ok(runtime)
        }
    }
}

#[cfg(feature = "ort")]
fn open_ort(config: &RuntimeConfig) -> Result<Arc<dyn Runtime>> {
    let Some(library) = find_onnxruntime() else {
        return Err(Error::engine(
            "onnxruntime",
            "no libonnxruntime was found in ORT_DYLIB_PATH, .runtime/onnxruntime/capi or the system's library folders: \
             install it with `pip install --target .runtime --no-deps onnxruntime==1.31.1`",
        ));
    };
    Ok(Arc::new(super::ort::OrtRuntime::load(&library, config)?))
}

#[cfg(not(feature = "ort"))]
fn open_ort(_config: &RuntimeConfig) -> Result<Arc<dyn Runtime>> {
    Err(Error::engine("onnxruntime", "this build is without the feature `ort`"))
}

#[cfg(feature = "tract")]
fn open_tract(config: &RuntimeConfig) -> Result<Arc<dyn Runtime>> {
    if config.provider != Provider::Cpu {
        return Err(Error::invalid("provider for tract", "cpu", format!("{:?}", config.provider).to_lowercase()));
    }
    Ok(Arc::new(super::tract::TractRuntime))
}

#[cfg(not(feature = "tract"))]
fn open_tract(_config: &RuntimeConfig) -> Result<Arc<dyn Runtime>> {
    Err(Error::engine("tract", "this build is without the feature `tract`"))
}
