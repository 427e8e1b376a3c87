use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::runtime::Runtime;
use crate::vad::{Aggressiveness, Crdnn, Earshot, Hysteresis, Silero, Vad, VadStream, Webrtc};

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
        Self::Earshot(EarshotConfig::default())
    }
}

/// The embedded network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EarshotConfig {
    /// What its probabilities mean. Default: as the detector has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hysteresis: Option<Hysteresis>,
}

/// WebRTC's detector.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebrtcConfig {
    /// How sure it must be. Default: `aggressive`.
    pub aggressiveness: Aggressiveness,
    /// What its answers mean. Default: as the detector has it, which is smoothed by 60 ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hysteresis: Option<Hysteresis>,
}

/// A bundle of our own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrdnnConfig {
    /// The bundle's name, or its folder.
    pub model: PathBuf,
    /// What its probabilities mean. Default: as the detector has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hysteresis: Option<Hysteresis>,
}

/// Silero's detector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SileroConfig {
    /// The ONNX file, of version 4, 5 or 6.
    pub path: PathBuf,
    /// What its probabilities mean. Default: as the detector has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hysteresis: Option<Hysteresis>,
}

impl VadConfig {
    /// Opens the detector. Only those with a file ask the runtime.
    ///
    /// # Errors
    /// As [`Crdnn::open`] and [`Silero::open`].
    pub fn open(&self, runtime: &dyn Runtime) -> Result<Arc<dyn Vad>> {
        let detector: Arc<dyn Vad> = match self {
            Self::Earshot(_) => Arc::new(Earshot),
            Self::Webrtc(config) => Arc::new(Webrtc::new(config.aggressiveness)),
            Self::Crdnn(config) => Arc::new(Crdnn::open(runtime, &config.model)?),
            Self::Silero(config) => Arc::new(Silero::open(runtime, &config.path)?),
        };
        Ok(match self.hysteresis() {
            Some(hysteresis) => Arc::new(Tuned { detector, hysteresis }),
            None => detector,
        })
    }

    /// Looks for impossible values.
    ///
    /// # Errors
    /// As [`Hysteresis::check`].
    pub fn check(&self) -> Result<()> {
        self.hysteresis().as_ref().map_or(Ok(()), Hysteresis::check)
    }

    /// What is wanted in place of the detector's own.
    fn hysteresis(&self) -> Option<Hysteresis> {
        match self {
            Self::Earshot(config) => config.hysteresis,
            Self::Webrtc(config) => config.hysteresis,
            Self::Crdnn(config) => config.hysteresis,
            Self::Silero(config) => config.hysteresis,
        }
    }
}

/// A detector whose probabilities mean what a config says.
struct Tuned {
    detector: Arc<dyn Vad>,
    hysteresis: Hysteresis,
}

impl Vad for Tuned {
    fn name(&self) -> &'static str {
        self.detector.name()
    }

    fn hysteresis(&self) -> Hysteresis {
        self.hysteresis
    }

    fn stream(&self) -> Result<Box<dyn VadStream>> {
        self.detector.stream()
    }
}
