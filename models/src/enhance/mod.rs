//! Cleaner sound: the assistant's own voice, noise and distance taken out of what a microphone hears.
//!
//! An echo canceller needs to know what is played. A stream therefore takes two signals on one clock: each sample that
//! the microphone hears comes with the one that is handed to the loudspeaker meanwhile.

mod cascade;
pub mod conv_tasnet;
mod webrtc;

use std::path::PathBuf;
use std::sync::Arc;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};

pub use conv_tasnet::ConvTasNet;
pub use webrtc::Webrtc;

use cascade::Cascade;

use crate::runtime::Runtime;
use crate::streaming::Streaming;
use crate::{Error, Result};

/// The most that a quiet voice can be made louder, in dB.
const MAX_GAIN_DB: f32 = 50.0;

/// What one sample of 16 kHz brings: what the microphone hears and what is played meanwhile, in [-1, 1].
pub type Sample = [f32; 2];

/// Makes a microphone's sound cleaner: immutable and shared; each stream of audio has its own [`EnhancerStream`].
pub trait Enhancer: Send + Sync {
    /// The family's name.
    fn name(&self) -> &'static str;

    /// An enhancer for one stream of audio.
    ///
    /// # Errors
    /// [`Error::Engine`] when an engine cannot make a session.
    fn stream(&self) -> Result<Box<dyn EnhancerStream>>;
}

/// The state of an [`Enhancer`] for one stream of audio.
///
/// The output is late by [`lag`](Self::lag) samples: `flush` appends them, so that there are that many more than were
/// pushed.
pub trait EnhancerStream: Streaming<Input = [Sample], Output = Vec<f32>> + Send {
    /// By how many samples a sound comes out later in the output than it went in.
    fn lag(&self) -> usize;

    /// How long, by the latest estimate, a sound takes from where it is played until it is heard; none where echoes are
    /// not cancelled.
    fn echo_delay_ms(&self) -> Option<f64>;
}

/// What is done to the microphone's sound.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnhanceConfig {
    /// Whether what the loudspeaker plays is taken out of what the microphone hears. Default: no, as with a headset.
    pub echo: bool,
    /// How strongly steady noise is suppressed. Default: not at all.
    pub noise: Option<Suppression>,
    /// A net that leaves of the sound the voice in it, in the place of `noise`: a bundle of one source that the trainer's task
    /// `separation` has exported, its folder or name. Default: none.
    pub denoiser: Option<PathBuf>,
    /// By how much, in dB, a quiet voice is made louder at the most. Default: 0.
    pub max_gain_db: f32,
}

/// How strongly steady noise is suppressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Suppression {
    /// By about 6 dB.
    Low,
    /// By about 12 dB.
    Moderate,
    /// By about 18 dB.
    High,
    /// By about 21 dB.
    VeryHigh,
}

impl<'de> Deserialize<'de> for Suppression {
    /// By hand, so that the switch that `echo` has is told what stands here instead.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        const NAMES: [&str; 4] = ["low", "moderate", "high", "very_high"];
        struct Named;
        impl Visitor<'_> for Named {
            type Value = Suppression;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "one of {}", NAMES.join(", "))
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> std::result::Result<Suppression, E> {
                Ok(match name {
                    "low" => Suppression::Low,
                    "moderate" => Suppression::Moderate,
                    "high" => Suppression::High,
                    "very_high" => Suppression::VeryHigh,
                    other => return Err(E::unknown_variant(other, &NAMES)),
                })
            }
        }
        deserializer.deserialize_any(Named)
    }
}

impl EnhanceConfig {
    /// Whether anything is done that a voice call's processing does.
    fn is_call(&self) -> bool {
        self.echo || self.noise.is_some() || self.max_gain_db > 0.0
    }

    /// Refuses values outside their bounds.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the value.
    pub fn check(&self) -> Result<()> {
        if self.noise.is_some() && self.denoiser.is_some() {
            return Err(Error::invalid("denoiser", "`noise` or `denoiser`", "both"));
        }
        if (0.0..=MAX_GAIN_DB).contains(&self.max_gain_db) {
            return Ok(());
        }
        Err(Error::invalid("max_gain_db", format!("0 to {MAX_GAIN_DB}"), self.max_gain_db))
    }

    /// What does it; none where nothing is to be done. A net comes last: what is left of an echo is noise to it.
    ///
    /// # Errors
    /// As [`check`](Self::check) and [`ConvTasNet::open`]; [`Error::Model`] for a net that takes several voices out of a mixture.
    pub fn open(&self, runtime: &dyn Runtime) -> Result<Option<Arc<dyn Enhancer>>> {
        self.check()?;
        let open = |path: &PathBuf| ConvTasNet::open(runtime, path)?.into_denoiser();
        let denoiser = self.denoiser.as_ref().map(open).transpose()?;
        let call = self.is_call().then(|| Webrtc::new(self.clone()));
        Ok(match (call, denoiser) {
            (Some(call), Some(net)) => Some(Arc::new(Cascade::new(call, net))),
            (Some(call), None) => Some(Arc::new(call)),
            (None, Some(net)) => Some(Arc::new(net)),
            (None, None) => None,
        })
    }
}
