use std::path::PathBuf;
use std::sync::Arc;

use burn::tensor::Device;
use rejoinder_models::asr::AttentionParams;
use serde::{Deserialize, Serialize};

use super::task::AttentionTask;
use crate::data::asr::AsrDataset;
use crate::nets::encoder_decoder::EncoderDecoder;
use crate::nets::transformer::TransformerConfig;
use crate::recipe::{self, Recipe};
use crate::tasks::asr::{AsrRecipe, LossMean, extended};
use crate::trainer::{self, RunMode, Timing};
use crate::{Error, Result};

/// The table that such a recipe has beside those of the `asr` task.
const TABLE: &str = "decoder";

/// A recipe with `task = "attention"`: the tables of the `asr` task, and one of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "toml::Table")]
pub struct AttentionRecipe {
    /// Data, features, encoder, CTC losses, training, n-gram model.
    pub asr: AsrRecipe,
    /// `[decoder]`.
    pub decoder: DecoderConfig,
}

/// The decoder over an encoder with CTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecoderConfig {
    /// Its shape.
    pub net: TransformerConfig,
    /// Weight of the CTC losses, which are those of the `asr` task; the decoder's has the rest. Default: 0.3.
    #[serde(default = "ctc_weight")]
    pub ctc_weight: f64,
    /// What the labels of the decoder leave to other tokens. Default: 0.1.
    #[serde(default = "label_smoothing")]
    pub label_smoothing: f64,
    /// What the encoder begins with, its tokens with it: the weights that a run of the `asr` task has left, `net.safetensors`, or the
    /// folder of a bundle of that task, with the same `[net]`. Default: it begins afresh.
    #[serde(default)]
    pub encoder: Option<PathBuf>,
    /// Steps for which the encoder stays as it is, so that the fresh decoder does not spoil a trained one; only the
    /// decoder's loss counts then. Default: 0.
    #[serde(default)]
    pub frozen_steps: usize,
    /// The bundle of a language model over the same tokens, made by a recipe with `task = "token_lm"`: this bundle takes
    /// it in. Default: none.
    #[serde(default)]
    pub token_lm: Option<PathBuf>,
    /// Encoder frames of chunks in which `evaluate` measures the net beside those of `[net]`. Default: none.
    #[serde(default)]
    pub chunks: Vec<usize>,
    /// Left contexts with which it measures each of them, in chunks. Default: none.
    #[serde(default)]
    pub left_chunks: Vec<usize>,
}

fn ctc_weight() -> f64 {
    0.3
}

fn label_smoothing() -> f64 {
    0.1
}

impl TryFrom<toml::Table> for AttentionRecipe {
    type Error = String;

    fn try_from(table: toml::Table) -> Result<Self, String> {
        let (asr, decoder): (AsrRecipe, DecoderConfig) = extended::split(table, TABLE)?;
        extended::check_ctc_weight(decoder.ctc_weight, TABLE)?;
        if asr.loss_mean == LossMean::Utterances {
            return Err("loss_mean: expected `tokens`, over which the decoder's loss is a mean".to_owned());
        }
        match decoder.net.mistake() {
            Some(mistake) => Err(format!("[{TABLE}.net] {mistake}")),
            None => Ok(Self { asr, decoder }),
        }
    }
}

impl AttentionRecipe {
    /// What `task` says in such a recipe.
    pub const TASK: &'static str = "attention";

    /// The whole recipe as one table, defaults written out.
    fn resolved(&self) -> Result<toml::Table> {
        extended::join(&self.asr, TABLE, &self.decoder)
    }

    /// The net with the weights of the run, for inference on `device`.
    ///
    /// # Errors
    /// A run without weights.
    pub fn trained(&self, device: &Device) -> Result<EncoderDecoder> {
        let tokens = self.asr.read_tokenizer()?.len();
        let encoder = || self.asr.fresh("encoder.", device);
        let net = || Ok(EncoderDecoder::new(encoder()?, &self.decoder.net, tokens, device));
        recipe::trained(Self::TASK, &self.resolved()?, &self.asr.run, &self.asr.train, net)
    }

    /// What the card will say of both searches.
    pub(super) fn params(&self) -> Result<AttentionParams> {
        let params = toml::Value::Table(self.asr.export.params.clone());
        params.try_into().map_err(|e: toml::de::Error| Error::config("[export.params]", e))
    }

    /// The task on the prepared data.
    ///
    /// # Errors
    /// Data that is not prepared; an encoder of another shape.
    pub fn task(&self) -> Result<AttentionTask> {
        AttentionTask::new(self, self.asr.task_beside_another()?)
    }

    /// The task with other clips in place of the training and validation data, to report on.
    pub(super) fn task_on(&self, dataset: Arc<AsrDataset>) -> Result<AttentionTask> {
        AttentionTask::new(self, self.asr.task_on(dataset)?)
    }
}

impl Recipe for AttentionRecipe {
    fn prepare(&self) -> Result<()> {
        self.asr.prepare()
    }

    /// Trains the tokens, or takes over those of what the net or its encoder begins with.
    fn tokenizer(&self) -> Result<()> {
        self.asr.write_tokens(self.asr.source().or(self.decoder.encoder.as_deref()))
    }

    fn train(&self, mode: RunMode) -> Result<()> {
        self.params()?.attention.check()?;
        let run = recipe::begin_run(Self::TASK, &self.resolved()?, &self.asr.run, mode)?;
        run.fit(&self.task()?, &self.asr.train, Vec::new()).map(drop)
    }

    fn time(&self, steps: usize) -> Result<Timing> {
        trainer::time(&self.task()?, &self.asr.train, steps)
    }

    fn evaluate(&self) -> Result<()> {
        super::report::evaluate(self)
    }

    fn export(&self) -> Result<()> {
        super::bundle::export(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_with_their_table() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/recipes/asr/conformer_attention.toml");
        let message = |setting: &str| recipe::open(folder.as_ref(), &[setting.to_owned()]).err().unwrap().to_string();
        let unknown = message("decoder.label_smothing=0.1");
        assert!(unknown.contains("[decoder] unknown field `label_smothing`"), "{unknown}");
        let heads = message("decoder.net.heads=3");
        let expected = "[decoder.net] expected dim to be even and a multiple of the heads, found 160 and 3";
        assert!(heads.contains(expected), "{heads}");
    }
}
