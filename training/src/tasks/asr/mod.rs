//! Speech recognition: a streaming Conformer with CTC.

mod align;
mod bundle;
mod measure;
mod phones;
mod recipe;
mod report;
mod task;
mod tokens;
mod tune;

pub(super) use recipe::with_bar;
pub use recipe::{AsrRecipe, EvaluateConfig, PhonesConfig, TuneConfig};
pub use task::AsrTask;
