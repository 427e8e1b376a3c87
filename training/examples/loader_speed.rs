//! How much audio one loader thread turns into features, per second: plain, and augmented as a recipe has it.
//!
//!     cargo run -p rejoinder-training --example loader_speed -- RECIPE PREPARED [NOISE [ROOMS]]

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints its figures")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use rejoinder_models::features::{Fbank, FbankConfig};
use rejoinder_training::augment::{AugmentConfig, Augmenter};
use rejoinder_training::data::asr::AsrDataset;
use rejoinder_training::data::loader::{Front, LoaderConfig};
use rejoinder_training::data::manifest::ManifestConfig;

fn main() -> Result<()> {
    let mut paths = std::env::args_os().skip(1).map(PathBuf::from);
    let recipe = paths.next().context("expected a recipe with a table [augment]")?;
    let recipe: toml::Table = std::fs::read_to_string(&recipe)?.parse()?;
    let augment: AugmentConfig = recipe.get("augment").context("expected a table [augment]")?.clone().try_into()?;
    let folders: Vec<PathBuf> = paths.collect();
    let folder = folders.first().context("expected a prepared folder")?;
    let dataset = Arc::new(AsrDataset::open(folder, &ManifestConfig::default())?);
    let (noise, rooms) = (folders.get(1).map(PathBuf::as_path), folders.get(2).map(PathBuf::as_path));
    let augmenter = Augmenter::open(augment, noise, rooms, &ManifestConfig::default(), dataset.sample_rate_hz())?;
    for (name, augmenter) in [("plain", None), ("augmented", Some(augmenter))] {
        let front = Arc::new(Front { fbank: Fbank::new(FbankConfig::kaldi())?, augmenter });
        let (start, mut seconds) = (Instant::now(), 0.0);
        for batch in dataset.batches(&LoaderConfig::default(), &front, 0, 0)?.take(20) {
            seconds += batch?.seconds;
        }
        eprintln!("{name}: {:.0} s of audio per second", seconds / start.elapsed().as_secs_f64());
    }
    Ok(())
}
