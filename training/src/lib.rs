//! Recipes from manifests to trained, exported speech models.

pub mod data;
pub mod export;
