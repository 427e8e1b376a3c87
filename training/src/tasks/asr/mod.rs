//! Speech recognition: a streaming Conformer with CTC.

mod bundle;
mod recipe;
mod report;
mod task;
mod tokens;

pub use recipe::AsrRecipe;
pub use task::AsrTask;
