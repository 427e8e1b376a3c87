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
pub use read::{read, read_at, read_bytes, read_channels};
pub use resample::{StreamResampler, resample};
pub use span::{Span, read_span};
pub use write::{WavWriter, write_wav, write_wav_channels};
