//! Recipes from manifests to trained, exported speech models.
