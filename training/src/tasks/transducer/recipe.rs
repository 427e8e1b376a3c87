use std::path::PathBuf;
use std::sync::Arc;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::task::TransducerTask;
use crate::Result;
use crate::data::asr::AsrDataset;
use crate::nets::transducer::{JointConfig, Transducer};
use crate::recipe::{self, Recipe};
use crate::tasks::asr::{AsrRecipe, extended};
use crate::trainer::{self, RunMode, Timing};

/// The table that a transducer's recipe has beside those of the `asr` task.
const TABLE: &str = "transducer";

/// A recipe with `task = "transducer"`: the tables of the `asr` task, and one of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "toml::Table")]
pub struct TransducerRecipe {
    /// Data, features, encoder, auxiliary losses, training, language model.
    pub asr: AsrRecipe,
    /// `[transducer]`.
    pub transducer: TransducerConfig,
}

/// What makes a transducer of an encoder with CTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransducerConfig {
    /// The nets beside the encoder.
    pub joint: JointConfig,
    /// Weight of the auxiliary CTC losses, which are those of the `asr` task. Default: 0.3.
    #[serde(default = "ctc_weight")]
    pub ctc_weight: f64,
    /// Steps for which they count; after these the transducer's loss alone does, as after SpeechBrain's
    /// `number_of_ctc_epochs`. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ctc_steps: Option<usize>,
    /// The most tokens of an encoder frame in decoding. Default: 4.
    #[serde(default = "max_symbols")]
    pub max_symbols: usize,
    /// What the encoder begins with, its tokens with it: the weights that a run of the `asr` task has left, `net.safetensors`, or the
    /// folder of a bundle of that task, with the same `[net]`. Default: it begins afresh.
    #[serde(default)]
    pub encoder: Option<PathBuf>,
    /// Steps for which the encoder stays as it is, so that the fresh nets beside a trained one do not spoil it; only the
    /// transducer's loss counts then. Default: 0.
    #[serde(default)]
    pub frozen_steps: usize,
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

fn max_symbols() -> usize {
    4
}

impl TryFrom<toml::Table> for TransducerRecipe {
    type Error = String;

    fn try_from(table: toml::Table) -> Result<Self, String> {
        let (asr, transducer): (AsrRecipe, TransducerConfig) = extended::split(table, TABLE)?;
        extended::check_ctc_weight(transducer.ctc_weight, TABLE)?;
        transducer.joint.check().map_err(|reason| format!("[{TABLE}] joint.{reason}"))?;
        Ok(Self { asr, transducer })
    }
}

impl TransducerRecipe {
    /// What `task` says in such a recipe.
    pub const TASK: &'static str = "transducer";

    /// The whole recipe as one table, defaults written out.
    fn resolved(&self) -> Result<toml::Table> {
        extended::join(&self.asr, TABLE, &self.transducer)
    }

    /// The net with the weights of the run, for inference on `device`.
    ///
    /// # Errors
    /// A run without weights.
    pub fn trained(&self, device: &Device) -> Result<Transducer> {
        let tokens = self.asr.read_tokenizer()?.len();
        let net = || Ok(self.transducer.joint.init(self.asr.fresh("encoder.", device)?, tokens, device));
        recipe::trained(Self::TASK, &self.resolved()?, &self.asr.run, &self.asr.train, net)
    }

    /// The task on the prepared data.
    ///
    /// # Errors
    /// Data that is not prepared; an encoder of another shape.
    pub fn task(&self) -> Result<TransducerTask> {
        TransducerTask::new(self, self.asr.task_beside_another()?)
    }

    /// The task with other clips in place of the training and validation data, to report on.
    pub(super) fn task_on(&self, dataset: Arc<AsrDataset>) -> Result<TransducerTask> {
        TransducerTask::new(self, self.asr.task_on(dataset)?)
    }
}

impl Recipe for TransducerRecipe {
    fn prepare(&self) -> Result<()> {
        self.asr.prepare()
    }

    /// Trains the tokens, or takes over those of what the net or its encoder begins with.
    fn tokenizer(&self) -> Result<()> {
        self.asr.write_tokens(self.asr.source().or(self.transducer.encoder.as_deref()))
    }

    fn train(&self, mode: RunMode) -> Result<()> {
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

    fn published() -> toml::Table {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/recipes/asr/librispeech_transducer.toml");
        let mut table = recipe::table(path.as_ref()).unwrap();
        table.remove("task");
        table
    }

    #[test]
    fn what_is_written_out_is_read_again() {
        let recipe = TransducerRecipe::try_from(published()).unwrap();
        let written = recipe.resolved().unwrap();
        let again = TransducerRecipe::try_from(written.clone()).unwrap();
        assert_eq!(again.resolved().unwrap(), written);
        assert_eq!(again.transducer, recipe.transducer);
    }

    #[test]
    fn mistakes_are_told_in_both_halves() {
        let message = |key: &str, value: toml::Value| {
            let mut table = published();
            match key.split_once('.') {
                Some((inner, key)) => table[inner].as_table_mut().unwrap().insert(key.to_owned(), value),
                None => table.insert(key.to_owned(), value),
            };
            TransducerRecipe::try_from(table).unwrap_err()
        };
        let joint = message("transducer.ctc_wait", 0.3.into());
        assert!(joint.starts_with("[transducer] unknown field `ctc_wait`"), "{joint}");
        let asr = message("lodaer", toml::Value::Table(toml::Table::new()));
        assert!(asr.contains("unknown field `lodaer`"), "{asr}");
        let weight = message("transducer.ctc_weight", 1.5.into());
        assert_eq!(weight, "[transducer] ctc_weight: expected a weight from 0 to 1, found 1.5");
        let card = message("evaluate", toml::Value::Table("card = true".parse().unwrap()));
        assert_eq!(card, "evaluate.card is for `task = \"asr\"`; take it out beside `[transducer]`");
        let mut table = published();
        table.remove("transducer");
        assert_eq!(TransducerRecipe::try_from(table).unwrap_err(), "missing table `[transducer]`");
    }
}
