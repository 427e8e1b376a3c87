//! A recipe: one TOML file that says everything about a model, from its data to its bundle.

use std::path::Path;

use serde::Deserialize;

use crate::tasks::asr::AsrRecipe;
use crate::tasks::g2p::G2pRecipe;
use crate::tasks::keyword::KeywordRecipe;
use crate::tasks::lm::LmRecipe;
use crate::tasks::speaker::SpeakerRecipe;
use crate::tasks::tts::TtsRecipe;
use crate::tasks::turn::TurnRecipe;
use crate::tasks::vad::VadRecipe;
use crate::{Error, Result};

/// The steps of a recipe. Each leaves its result in files, so that each can be run again alone.
pub trait Recipe {
    /// Makes manifests and packed audio, or texts, from the raw data sets.
    ///
    /// # Errors
    /// Missing or malformed data.
    fn prepare(&self) -> Result<()>;

    /// Trains the tokenizer.
    ///
    /// # Errors
    /// Data that is not prepared.
    fn tokenizer(&self) -> Result<()>;

    /// Trains the net in the run folder, or goes on from its checkpoint.
    ///
    /// # Errors
    /// Data that is not prepared; [`Error::Interrupted`] after Ctrl-C.
    fn train(&self, resume: bool) -> Result<()>;

    /// Prints and saves the figures of the trained net on the test sets.
    ///
    /// # Errors
    /// A run without weights.
    fn evaluate(&self) -> Result<()>;

    /// Writes the bundle that the pipeline opens.
    ///
    /// # Errors
    /// A run without weights; an export that does not agree with the net.
    fn export(&self) -> Result<()>;
}

#[derive(Debug, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
enum AnyRecipe {
    Asr(Box<AsrRecipe>),
    Lm(Box<LmRecipe>),
    G2p(Box<G2pRecipe>),
    Tts(Box<TtsRecipe>),
    Turn(Box<TurnRecipe>),
    Keyword(Box<KeywordRecipe>),
    Vad(Box<VadRecipe>),
    Speaker(Box<SpeakerRecipe>),
}

/// Reads a recipe and applies `key=value` overrides, whose keys are dotted paths and whose values are TOML, or bare
/// text.
///
/// # Errors
/// [`Error::Config`] with the file and the key that is unknown, missing or wrong.
pub fn open(path: &Path, overrides: &[String]) -> Result<Box<dyn Recipe>> {
    let place = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    let mut table: toml::Table = text.parse().map_err(|e| Error::config(&place, one_line(&e)))?;
    for pair in overrides {
        set(&mut table, pair)?;
    }
    let recipe = table.try_into::<AnyRecipe>().map_err(|e| Error::config(&place, one_line(&e)))?;
    Ok(match recipe {
        AnyRecipe::Asr(recipe) => recipe,
        AnyRecipe::Lm(recipe) => recipe,
        AnyRecipe::G2p(recipe) => recipe,
        AnyRecipe::Tts(recipe) => recipe,
        AnyRecipe::Turn(recipe) => recipe,
        AnyRecipe::Keyword(recipe) => recipe,
        AnyRecipe::Vad(recipe) => recipe,
        AnyRecipe::Speaker(recipe) => recipe,
    })
}

fn one_line(error: &toml::de::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn set(table: &mut toml::Table, pair: &str) -> Result<()> {
    let mistake = |reason: &str| Error::config(format!("--set {pair}"), reason);
    let (key, value) = pair.split_once('=').ok_or_else(|| mistake("expected key=value"))?;
    let value = format!("v = {value}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut table| table.remove("v"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let mut parts: Vec<_> = key.trim().split('.').collect();
    let last = parts.pop().filter(|last| !last.is_empty()).ok_or_else(|| mistake("expected a key before ="))?;
    let mut place = table;
    for part in parts {
        place = place
            .entry(part)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()))
            .as_table_mut()
            .ok_or_else(|| mistake("the key leads through something that is no table"))?;
    }
    place.insert(last.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_reach_nested_keys_and_keep_types() {
        let mut table: toml::Table = "[train]\nsteps = 1\n".parse().unwrap();
        set(&mut table, "train.steps=20").unwrap();
        set(&mut table, "net.name=tiny net").unwrap();
        assert_eq!(table["train"]["steps"].as_integer(), Some(20));
        assert_eq!(table["net"]["name"].as_str(), Some("tiny net"));
        assert!(set(&mut table, "train.steps.more=1").is_err());
        assert!(set(&mut table, "steps").is_err());
    }
}
