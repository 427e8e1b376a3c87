//! Speech recognition: a streaming Conformer with CTC and an attention decoder, with the data, the encoder and the CTC
//! loss of [`asr`](super::asr).

mod bundle;
mod decode;
pub(super) mod graph;
mod recipe;
mod report;
mod task;

pub use graph::record;
pub use recipe::{AttentionRecipe, DecoderConfig};
pub use task::AttentionTask;
