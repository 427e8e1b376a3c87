//! Speech recognition: a streaming Conformer with CTC.

mod bundle;
mod measure;
mod recipe;
mod report;
mod task;
mod tokens;
mod tune;

pub use recipe::{AsrRecipe, EvaluateConfig, TuneConfig};
pub use task::AsrTask;
