//! Language modelling: a small Llama that answers as the assistant and calls its tools.

mod chat;
mod recipe;
mod task;

pub use chat::{Chat, Span, learn_vocabulary};
pub use recipe::LmRecipe;
pub use task::{Exact, LmBatch, LmTask, PackingConfig};
