//! Clips, files and sample rates.
//!
//! ```no_run
//! use rejoinder_models::audio;
//! use rejoinder_models::units::SampleRate;
//!
//! let clip = audio::read_at("question.opus", SampleRate::INTERNAL)?;
//! audio::write_wav("question.wav", &clip)?;
//! # Ok::<(), rejoinder_models::Error>(())
//! ```

mod clip;
mod opus;
mod read;
mod resample;
mod span;
mod sphere;
mod write;

pub use clip::Clip;
pub use opus::through_opus;
pub use read::{read, read_at, read_bytes, read_channels};
pub use resample::{StreamResampler, resample};
pub use span::{Span, read_span, seconds};
pub use write::{WavWriter, write_wav, write_wav_channels};

/// Whether a sample may be sound: a number, and no more than 120 dB above full scale, beyond which filters overflow. Files
/// of floats that go up to 32,768 are common.
pub fn is_sound(sample: f32) -> bool {
    sample.abs() <= 1e6
}
