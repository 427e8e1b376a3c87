//! The end of a turn: a net that tells a pause after which somebody goes on from one after which they do not.
//!
//! It learns from recordings of which each is one turn, so that where it ends is known: their ends, the pauses within
//! them, and copies that are cut short.

mod bundle;
mod corpus;
mod hearing;
mod measure;
mod moments;
mod recipe;
mod task;

pub use corpus::{Corpus, Turn};
pub use hearing::StatesConfig;
pub use moments::{Kind, Moment, MomentConfig, Silence};
pub use recipe::TurnRecipe;
pub use task::TurnTask;
