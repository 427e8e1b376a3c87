//! Nets of speech synthesis: an acoustic model with durations, and the filter net of a source-filter vocoder.

mod acoustic;
mod blocks;
mod vocoder;

pub use acoustic::{Acoustic, AcousticConfig, Decoder, Encoded, Encoder};
pub use blocks::{Attention, ConvBlock, ConvBlockConfig};
pub use vocoder::{Vocoder, VocoderConfig};

/// Numbers that describe where a frame lies in its token.
pub const POSITION_WIDTH: usize = 3;
