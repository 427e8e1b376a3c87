//! What is trained: for each task its recipe, its batches, its loss and its figures.

pub mod aligner;
pub mod asr;
pub mod attention;
pub mod g2p;
pub mod keyword;
pub mod lm;
pub mod separation;
pub mod speaker;
pub mod token_lm;
pub mod transducer;
pub mod tts;
pub mod turn;
pub mod vad;

use std::io::Write;
use std::path::Path;

use rejoinder_models::features::{Fbank, FbankConfig};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Error, Result};

/// What `evaluate` leaves in a run folder.
const RESULTS: &str = "results.json";

/// Prints a line of a table.
fn print(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").map_err(|e| Error::io("standard output", e))
}

/// Saves what `evaluate` has found in a run folder, which may not be there yet.
fn save_results(run: &Path, results: &impl Serialize) -> Result<()> {
    std::fs::create_dir_all(run).map_err(|e| Error::io(run, e))?;
    let path = run.join(RESULTS);
    let text = serde_json::to_string_pretty(results).map_err(|e| Error::data("results", e))?;
    std::fs::write(&path, text).map_err(|e| Error::io(&path, e))
}

/// The features of a recipe, whose bins must be those that its net takes.
fn fbank(config: &FbankConfig, bins: usize) -> Result<Fbank> {
    let fbank = Fbank::new(config.clone())?;
    if fbank.bins() != bins {
        let reason = format!("expected {}, the features' bins, found {bins}", fbank.bins());
        return Err(Error::config("net.bins", reason));
    }
    Ok(fbank)
}

/// The figures that `evaluate` has left in a run folder, where `weights` is the checksum of what it measured.
fn figures<T: DeserializeOwned>(run: &Path, weights: &str) -> Option<T> {
    let path = run.join(RESULTS);
    let results: Value = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
    if results.get("weights").and_then(Value::as_str) != Some(weights) {
        tracing::warn!("{}: figures of other weights, left out of the card; run `evaluate` first", path.display());
        return None;
    }
    serde_json::from_value(results).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_other_weights_are_left_out() {
        let run = tempfile::tempdir().unwrap();
        let found = |weights| figures::<serde_json::Map<String, Value>>(run.path(), weights);
        assert!(found("a").is_none());
        std::fs::write(run.path().join(RESULTS), r#"{"weights": "a", "share": 0.5}"#).unwrap();
        assert_eq!(found("a").unwrap()["share"], 0.5);
        assert!(found("b").is_none());
        std::fs::write(run.path().join(RESULTS), r#"{"share": 0.5}"#).unwrap();
        assert!(found("a").is_none());
    }
}
