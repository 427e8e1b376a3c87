//! Data: what the trainers read and what they make up. Manifests, packed audio, the steps that prepare them, batches.

pub mod asr;
pub mod dialogue;
pub mod energy;
pub mod held_out;
pub mod labels;
pub mod loader;
pub mod manifest;
pub mod ordered;
pub mod pack;
pub mod pipeline;
pub mod pitch;
pub mod prepare;
pub mod sounds;
pub mod speakers;
pub mod statistics;
pub mod synth;
pub mod text;
pub mod trials;

pub(crate) mod drawn;
pub(crate) mod padded;
mod table;
pub(crate) mod test_texts;
