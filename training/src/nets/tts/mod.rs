//! Nets of speech synthesis: an acoustic model with durations, the filter net of a source-filter vocoder, and judges of both.

mod acoustic;
mod discriminator;
mod vocoder;

pub use acoustic::{Acoustic, AcousticConfig, Decoder, Encoded, Encoder};
pub use discriminator::{Discriminator, DiscriminatorConfig, Game, JUDGED_FRAMES, JudgedAcoustic, JudgedVocoder, play};
pub use vocoder::{Vocoder, VocoderConfig};

/// Numbers that describe where a frame lies in its token.
pub const POSITION_WIDTH: usize = 3;
