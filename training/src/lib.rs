//! Recipes from manifests to trained, exported speech models.

pub mod augment;
pub mod data;

mod error;

pub use error::{Error, Result};
