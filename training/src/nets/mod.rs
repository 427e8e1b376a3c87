//! The nets. A config makes a net with `init(&device)`; training, evaluation and export run the same forward.

pub mod blocks;
pub mod bottleneck;
pub mod conformer;
pub mod conv_tasnet;
pub mod encoder_decoder;
mod gru;
pub mod keyword;
pub mod llama;
mod lstm;
pub mod speaker;
pub mod transducer;
pub mod transformer;
pub mod tts;
pub mod turn;
pub mod vad;
