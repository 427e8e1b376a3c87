//! Filterbank features, equal for a whole clip and for a stream of chunks.
//!
//! Training and serving compute features with the same [`Fbank`], and the [`FbankConfig`] travels in the model's
//! card. [`Mel`] is its relation for synthesis, with the choices that vocoders make.

mod config;
mod fbank;
mod filters;
mod frame;
mod mel;

pub use config::{FbankConfig, Flavour};
pub use fbank::{Fbank, FbankStream};
pub use mel::{Align, Mel, MelConfig, MelScale};
