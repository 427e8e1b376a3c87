use std::fs;
use std::path::PathBuf;

use rejoinder_models::tts::frontend::{G2P_FILE, LEXICON_FILE};
use rejoinder_models::tts::g2p::G2p;
use serde::{Deserialize, Serialize};

use super::{Dictionary, G2pConfig, evaluate, pack, read_dictionary, train, write};
use crate::recipe::Recipe;
use crate::trainer::RunMode;
use crate::{Error, Result};

/// A recipe with `task = "g2p"`. It has no bundle of its own: a voice's recipe takes both files into its bundle.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct G2pRecipe {
    /// The run folder: the model, the packed dictionary, the report.
    pub run: PathBuf,
    /// How it is trained.
    #[serde(default)]
    pub g2p: G2pConfig,
}

impl G2pRecipe {
    /// What `task` says in such a recipe.
    pub const TASK: &'static str = "g2p";

    fn dictionary(&self) -> Result<Dictionary> {
        read_dictionary(&self.g2p.dictionary)
    }

    fn save_report(&self, model: &G2p, dictionary: &Dictionary) -> Result<()> {
        let report = evaluate(model, dictionary, &self.g2p);
        let path = self.run.join("report.toml");
        let text = toml::to_string(&report).map_err(|e| Error::config("report", e))?;
        fs::write(&path, &text).map_err(|e| Error::io(&path, e))?;
        tracing::info!("{}:\n{text}", path.display());
        Ok(())
    }
}

impl Recipe for G2pRecipe {
    fn prepare(&self) -> Result<()> {
        let dictionary = self.dictionary()?;
        tracing::info!("{} words, {} letters", dictionary.words.len(), dictionary.letters.len());
        Ok(())
    }

    /// Always afresh: the same dictionary makes the same files in a minute, and there is no checkpoint.
    fn train(&self, _mode: RunMode) -> Result<()> {
        fs::create_dir_all(&self.run).map_err(|e| Error::io(&self.run, e))?;
        let dictionary = self.dictionary()?;
        let model = train(&dictionary, &self.g2p)?;
        let lexicon = pack(&dictionary, &model);
        let [model_bytes, lexicon_bytes] = write(&self.run, &model, &lexicon)?;
        let (ngrams, exceptions) = (model.len(), lexicon.len());
        tracing::info!("{G2P_FILE}: {ngrams} n-grams, {model_bytes} bytes");
        tracing::info!("{LEXICON_FILE}: {exceptions} words that the model reads otherwise, {lexicon_bytes} bytes");
        self.save_report(&model, &dictionary)
    }

    fn evaluate(&self) -> Result<()> {
        self.save_report(&G2p::read(&self.run.join(G2P_FILE))?, &self.dictionary()?)
    }

    fn export(&self) -> Result<()> {
        Ok(())
    }
}
