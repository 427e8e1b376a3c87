//! Voices out of a mixture: several people told apart, or one voice and no noise.
//!
//! It learns from mixtures that are made of clips of single voices as it goes (SpeechBrain's dynamic mixing), or from recorded
//! ones, as SpeechBrain's manifests for WSJ0Mix, LibriMix and Voicebank-DEMAND list them.

mod bundle;
mod measure;
mod mixture;
mod recipe;
mod recorded;
mod task;

pub use mixture::{Mixture, MixtureConfig};
pub use recipe::SeparationRecipe;
pub use recorded::RecordedConfig;
pub use task::SeparationTask;
