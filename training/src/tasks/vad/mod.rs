//! Voice activity: a net that tells for each frame whether somebody speaks.
//!
//! It learns from simulated mixtures, after SpeechBrain's LibriParty: utterances of several people with pauses and overlaps,
//! in rooms and noise. Where they speak is known from the energy of the clean recordings.

mod bundle;
mod measure;
mod mixture;
mod recipe;
mod score;
mod task;

pub use mixture::{Mixture, MixtureConfig};
pub use recipe::VadRecipe;
pub use score::Counts;
pub use task::VadTask;
