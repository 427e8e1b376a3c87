//! Speech recognition: a streaming Conformer transducer, with the data, the encoder and the CTC loss of
//! [`asr`](super::asr).

mod bundle;
mod decode;
mod recipe;
mod report;
mod task;

pub use recipe::{TransducerConfig, TransducerRecipe};
pub use task::TransducerTask;
