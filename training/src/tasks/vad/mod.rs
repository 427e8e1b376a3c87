//! Voice activity: a net that tells for each frame whether somebody speaks.
//!
//! It learns from simulated mixtures, after SpeechBrain's LibriParty: utterances of several people with pauses and overlaps,
//! in rooms and noise. Where they speak is known from the energy of the clean recordings.
//! Recordings that come with it, as LibriParty's do, are taken as they are.

mod bundle;
mod measure;
mod mixture;
mod parties;
mod recipe;
mod score;
mod task;

pub use mixture::{Mixture, MixtureConfig};
pub use parties::PartyConfig;
pub use recipe::VadRecipe;
pub use score::Counts;
pub use task::VadTask;
