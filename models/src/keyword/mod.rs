//! Keywords: was one of a few words or phrases just said?
//!
//! A [`KeywordSpotter`] gives a probability of each keyword for each frame, and a [`KeywordDetector`] makes detections of
//! them: when a probability reaches a threshold, and then not again for a while.

pub mod convolutional;
mod detector;

pub use convolutional::Convolutional;
pub use detector::{KeywordDetector, Spotted, SpottingConfig, detections};

use crate::Result;
use crate::streaming::Streaming;
use crate::units::Samples;

/// A spotter of keywords: immutable and shared; each stream of audio has its own [`KeywordStream`].
pub trait KeywordSpotter: Send + Sync {
    /// The bundle's name.
    fn name(&self) -> &str;

    /// The keywords, in lower case, in the order of their probabilities.
    fn keywords(&self) -> &[String];

    /// The probability from which on each keyword counts, as was found good in training.
    fn thresholds(&self) -> &[f32];

    /// From one row of probabilities to the next.
    fn frame(&self) -> Samples;

    /// A spotter for one stream of audio.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) when the engine cannot make one.
    fn stream(&self) -> Result<Box<dyn KeywordStream>>;
}

/// The spotter's state for one stream: mono sound at 16 kHz in [-1, 1] in, and for each
/// [`frame`](KeywordSpotter::frame) a row of probabilities out, one for each keyword, that it has just been said.
pub trait KeywordStream: Streaming<Input = [f32], Output = Vec<f32>> + Send {}
