//! Recipes from manifests to trained, exported speech models.

pub mod augment;
pub mod data;
pub mod export;

mod error;

pub use error::{Error, Result};
