use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::runtime::Runtime;
use crate::vad::{Aggressiveness, Crdnn, Earshot, Silero, Vad, Webrtc};

/// Which detector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum VadConfig {
    /// The embedded network, the default.
    Earshot(EarshotConfig),
    /// WebRTC's.
    Webrtc(WebrtcConfig),
    /// A published file of Silero VAD.
    Silero(SileroConfig),
    /// A bundle of our own, by the recipe of task `vad`.
    Crdnn(CrdnnConfig),
}

impl Default for VadConfig {
    fn default() -> Self {
        Self::Earshot(EarshotConfig {})
    }
}

/// The embedded network, which has no choices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarshotConfig {}

/// WebRTC's detector.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebrtcConfig {
    /// How sure it must be. Default: `aggressive`.
    pub aggressiveness: Aggressiveness,
}

/// A bundle of our own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrdnnConfig {
    /// The bundle's name, or its folder.
    pub model: PathBuf,
}

/// Silero's detector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SileroConfig {
    /// The ONNX file, of version 4, 5 or 6.
    pub path: PathBuf,
}

impl VadConfig {
    /// Opens the detector. Only those with a file ask the runtime.
    ///
    /// # Errors
    /// As [`Crdnn::open`] and [`Silero::open`].
    pub fn open(&self, runtime: &dyn Runtime) -> Result<Arc<dyn Vad>> {
        Ok(match self {
            Self::Earshot(_) => Arc::new(Earshot),
            Self::Webrtc(config) => Arc::new(Webrtc::new(config.aggressiveness)),
            Self::Crdnn(config) => Arc::new(Crdnn::open(runtime, &config.model)?),
            Self::Silero(config) => Arc::new(Silero::open(runtime, &config.path)?),
        })
    }
}
