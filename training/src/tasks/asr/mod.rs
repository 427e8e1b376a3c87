//! Speech recognition: a streaming Conformer with CTC.

mod align;
pub(super) mod bundle;
pub(super) mod extended;
mod language;
mod measure;
mod phones;
mod recipe;
mod report;
mod source;
pub(super) mod streams;
mod tables;
mod task;
mod teacher;
mod tokens;
mod tune;

pub use bundle::record;
pub use recipe::{AsrRecipe, LossMean};
pub use tables::{EvaluateConfig, PhonesConfig, TuneConfig};
pub use task::AsrTask;
pub(super) use task::greedy;
pub use teacher::{Answers, DistillConfig};
