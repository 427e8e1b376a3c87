//! Recipes from manifests to trained, exported speech models.

pub mod augment;
pub mod data;
pub mod device;
pub mod export;
pub mod import;
pub mod log;
pub mod losses;
pub mod metrics;
pub mod nets;
pub mod recipe;
pub mod score;
pub mod tasks;
pub mod trainer;

mod error;
mod ops;
mod random;

pub use error::{Error, Result};
