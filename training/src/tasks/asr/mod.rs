//! Speech recognition: a streaming Conformer with CTC.

mod align;
pub(super) mod bundle;
mod measure;
mod phones;
mod recipe;
pub(super) mod report;
mod task;
pub(super) mod tokens;
mod tune;

pub use recipe::{AsrRecipe, EvaluateConfig, PhonesConfig, TuneConfig};
pub use task::AsrTask;
