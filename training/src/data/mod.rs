//! Data: manifests, packed audio, the steps that prepare them, and batches.

pub mod asr;
pub mod held_out;
pub mod loader;
pub mod manifest;
pub mod pack;
pub mod prepare;
pub mod synth;
pub mod text;

mod table;
