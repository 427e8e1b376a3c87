//! Speaker verification: embeddings of utterances that tell voices apart.

mod batches;
mod bundle;
mod recipe;
mod report;
mod speechbrain;
mod task;

pub use batches::{BatchConfig, SpeakerBatch};
pub use recipe::{DataConfig, LossConfig, PrepareSteps, SpeakerEvaluate, SpeakerFilter, SpeakerRecipe, TestConfig};
pub use task::SpeakerTask;
