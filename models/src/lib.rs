//! Signal in, meaning out, and back: features, text, decoding and engines for streaming speech models.
//!
//! This crate knows nothing of devices and training, and of threads, wall clocks and sockets only in [`llm::openai`], which
//! asks a server.

pub mod asr;
pub mod audio;
pub mod card;
pub mod decode;
pub mod enhance;
pub mod features;
pub mod fourier;
pub mod keyword;
pub mod llm;
pub mod quantiles;
pub mod runtime;
pub mod speaker;
pub mod streaming;
pub mod text;
pub mod tts;
pub mod turn;
pub mod units;
pub mod vad;
pub mod variant;
pub mod zoo;

mod error;
mod frame_net;

pub use error::{Error, Result, in_one_line, one_line};
