//! Language modelling: a small Llama that answers as the assistant and calls its tools.

mod chat;
mod packing;
mod recipe;
mod task;

pub use chat::{Chat, MessageSpan, learn_vocabulary};
pub use packing::{LmBatch, PackingConfig};
pub use recipe::LmRecipe;
pub use task::{Exact, LmTask};
