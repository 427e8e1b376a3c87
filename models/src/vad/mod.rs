//! Voice activity: is somebody speaking now?
//!
//! A [`Vad`] gives a probability for each frame, a [`Segmenter`] makes stretches of speech of them, and a
//! [`VadDetector`] does both for audio in pieces of any size.

mod config;
pub mod crdnn;
mod detector;
mod earshot;
mod segmenter;
mod silero;
mod webrtc;

pub use config::{CrdnnConfig, EarshotConfig, SileroConfig, VadConfig, WebrtcConfig};
pub use crdnn::Crdnn;
pub use detector::{VadDetector, stretches};
pub use earshot::Earshot;
pub use segmenter::{Hysteresis, Segmenter, SegmenterConfig, VadEvent};
pub use silero::Silero;
pub use webrtc::{Aggressiveness, Webrtc};

use crate::units::SampleRate;
use crate::{Error, Result};

/// A voice activity detector: immutable and shared; each stream of audio has its own [`VadStream`].
pub trait Vad: Send + Sync {
    /// The family's name, as in a config.
    fn name(&self) -> &'static str;

    /// From which of its probabilities on a frame is speech.
    fn hysteresis(&self) -> Hysteresis {
        Hysteresis::default()
    }

    /// A detector for one stream of audio.
    ///
    /// # Errors
    /// [`Error::Engine`] when the engine cannot make one.
    fn stream(&self) -> Result<Box<dyn VadStream>>;
}

/// The detector's state for one stream of audio.
pub trait VadStream: Send {
    /// The rate of the audio that it takes.
    fn sample_rate(&self) -> SampleRate {
        SampleRate::INTERNAL
    }

    /// Samples in each frame that [`probability`](Self::probability) takes.
    fn frame_samples(&self) -> usize;

    /// The probability that the next frame, of exactly [`frame_samples`](Self::frame_samples) samples in [-1, 1],
    /// holds speech.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a frame of another length.
    fn probability(&mut self, frame: &[f32]) -> Result<f32>;

    /// Forgets all audio so far.
    fn reset(&mut self);
}

/// Refuses a frame of another length than the detector takes.
fn check_frame(frame: &[f32], expected: usize, family: &str) -> Result<()> {
    if frame.len() == expected {
        return Ok(());
    }
    Err(Error::invalid(format!("samples in a frame for {family}"), expected.to_string(), frame.len()))
}
