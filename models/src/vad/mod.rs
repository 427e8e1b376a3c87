//! Voice activity: is somebody speaking now?

use crate::Result;
use crate::units::SampleRate;

/// A voice activity detector: immutable and shared; each stream of audio has its own [`VadStream`].
pub trait Vad: Send + Sync {
    /// The family's name, as in a config.
    fn name(&self) -> &'static str;

    /// A detector for one stream of audio.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) when the engine cannot make one.
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
    /// [`Error::Invalid`](crate::Error::Invalid) for a frame of another length.
    fn probability(&mut self, frame: &[f32]) -> Result<f32>;

    /// Forgets all audio so far.
    fn reset(&mut self);
}
