use std::collections::BTreeSet;
use std::path::PathBuf;

use burn::tensor::Device;
use rejoinder_models::features::{Fbank, FbankConfig};
use serde::{Deserialize, Serialize};

use super::corpus::{Corpus, Part};
use super::examples::ExampleConfig;
use super::measure;
use super::task::KeywordTask;
use crate::augment::{AugmentConfig, Augmenter, Draw, Effect};
use crate::data::labels::{LABELS, LabelEncoder};
use crate::data::manifest::ManifestConfig;
use crate::data::prepare::{self, PrepareConfig};
use crate::export::ExportConfig;
use crate::losses::BinaryLoss;
use crate::nets::keyword::{KeywordNet, KeywordNetConfig};
use crate::recipe::{self, Recipe};
use crate::trainer::{self, RunMode, Timing, TrainOptions};
use crate::{Error, Result};

/// A recipe with `task = "keyword"`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeywordRecipe {
    /// The run folder: weights, logs, checkpoints, results.
    pub run: PathBuf,
    /// The keywords: words and phrases in lower case, as they stand in transcripts.
    pub keywords: Vec<String>,
    /// False alarms an hour of the other validation speech that each keyword may have at its threshold. Default: 0.5.
    #[serde(default = "alarms_per_hour")]
    pub alarms_per_hour: f64,
    /// From raw sets to prepared folders.
    pub prepare: PrepareConfig,
    /// What is trained and tested on.
    pub data: KeywordData,
    /// Features; default: the kaldi flavour.
    #[serde(default = "FbankConfig::kaldi")]
    pub features: FbankConfig,
    /// What an epoch sees.
    #[serde(default)]
    pub examples: ExampleConfig,
    /// What changes sounds in training. Silence is never added: examples are as long as they are.
    #[serde(default)]
    pub augment: AugmentConfig,
    /// The shape of the net.
    pub net: KeywordNetConfig,
    /// Examples in a batch. Default: 64.
    #[serde(default = "batch")]
    pub batch: usize,
    /// What is learnt from the most that the net says of a keyword where it ends, and elsewhere. Default: cross-entropy.
    #[serde(default)]
    pub loss: BinaryLoss,
    /// How long and how fast.
    #[serde(default)]
    pub train: TrainOptions,
    /// What the card of the bundle says.
    pub export: ExportConfig,
    /// How the bundle is measured.
    #[serde(default)]
    pub evaluate: KeywordEvaluate,
}

fn batch() -> usize {
    64
}

fn alarms_per_hour() -> f64 {
    0.5
}

/// The data of a keyword spotter: prepared folders, or manifests (`.csv` or `.json`).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeywordData {
    /// Clips that say keywords. Of ten that say the same, seven train, one validates and two test; those train, too, for whose
    /// part `valid_spoken` or `test_spoken` is given.
    pub spoken: Vec<PathBuf>,
    /// Other speech to train on. Clips with a keyword in them stay out.
    pub others: Vec<PathBuf>,
    /// Other speech to validate on, and to set thresholds by.
    pub valid_others: Vec<PathBuf>,
    /// Keyword clips to validate on. Default: the part of `spoken` that validates.
    #[serde(default)]
    pub valid_spoken: Vec<PathBuf>,
    /// Keyword clips to report on. Default: the part of `spoken` that tests.
    #[serde(default)]
    pub test_spoken: Vec<PathBuf>,
    /// Other speech and sound to count false alarms on.
    pub test_others: Vec<PathBuf>,
    /// How manifests are read. `words` names the column of what is said, such as `command` in SpeechBrain's for Speech
    /// Commands, whose `start` and `stop` are samples.
    #[serde(default)]
    pub manifest: ManifestConfig,
    /// Prepared noise to add in training.
    #[serde(default)]
    pub noise: Option<PathBuf>,
    /// Prepared room responses.
    #[serde(default)]
    pub rooms: Option<PathBuf>,
}

/// How `evaluate` measures a bundle.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeywordEvaluate {
    /// Prepared noise that is added in a second row of the table. Default: none.
    pub noise: Option<PathBuf>,
    /// At which ratio of speech to noise, in decibels. Default: 10.
    pub snr_db: f32,
    /// Whether the figures are written into the bundle's card. Default: false.
    pub card: bool,
}

impl Default for KeywordEvaluate {
    fn default() -> Self {
        Self { noise: None, snr_db: 10.0, card: false }
    }
}

impl KeywordRecipe {
    /// What `task` says in such a recipe.
    pub const TASK: &'static str = "keyword";

    /// The recipe with its keywords in the order in which the run has learnt them.
    ///
    /// # Errors
    /// Keywords that are not those of the run.
    pub(super) fn in_order(&self) -> Result<Self> {
        let path = self.run.join(LABELS);
        if !path.is_file() {
            return Ok(self.clone());
        }
        let learnt = LabelEncoder::read(&path)?.names()?;
        let sorted = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
        if sorted(&learnt) != sorted(&self.keywords) {
            let reason = format!("expected those of the run, {}; `--fresh` begins anew", learnt.join(", "));
            return Err(Error::config("keywords", reason));
        }
        Ok(Self { keywords: learnt, ..self.clone() })
    }

    /// The net with the weights of the run, for inference on `device`.
    ///
    /// # Errors
    /// A run without weights.
    pub fn trained(&self, device: &Device) -> Result<KeywordNet> {
        let net = || Ok(self.net.init(self.keywords.len(), device));
        recipe::trained(Self::TASK, self, &self.run, &self.train, net)
    }

    /// The task on the prepared data.
    ///
    /// # Errors
    /// Data that is not prepared, or a keyword that it never says.
    pub fn task(&self) -> Result<KeywordTask> {
        KeywordTask::new(&self.in_order()?)
    }

    /// The clips of one part of the data.
    pub(super) fn corpus(&self, part: Part) -> Result<Corpus> {
        let KeywordData { spoken, others, valid_spoken, valid_others, test_spoken, test_others, .. } = &self.data;
        let others = match part {
            Part::Valid => valid_others,
            Part::Test => test_others,
            _ => others,
        };
        let (spoken, of_them) = match part {
            Part::Test if !test_spoken.is_empty() => (test_spoken, Part::All),
            Part::Valid if !valid_spoken.is_empty() => (valid_spoken, Part::All),
            Part::Train if !test_spoken.is_empty() && !valid_spoken.is_empty() => (spoken, Part::All),
            Part::Train if !test_spoken.is_empty() => (spoken, Part::AllButValid),
            Part::Train if !valid_spoken.is_empty() => (spoken, Part::AllButTest),
            part => (spoken, part),
        };
        let spoken = spoken.iter().map(|folder| (folder.clone(), of_them));
        let others = others.iter().map(|folder| (folder.clone(), Part::All));
        let folders: Vec<_> = spoken.chain(others).collect();
        let mut seen = std::collections::HashSet::new();
        let folders: Vec<_> = folders.into_iter().filter(|(folder, _)| seen.insert(folder.clone())).collect();
        Corpus::open(&folders, &self.data.manifest, &self.keywords, part == Part::Train)
    }

    pub(super) fn augmenter(&self) -> Result<(Draw, Augmenter)> {
        self.augment.check()?;
        self.augment.check_single()?;
        self.augment.check_without_spec()?;
        self.augment.check_without(&[Effect::Pad], "a window holds a keyword at a place of its own")?;
        self.data.manifest.check_unweighted()?;
        if !self.augment.speeds.is_empty() {
            return Err(Error::config("augment.speeds", "expected none: this task draws from speed.min to speed.max"));
        }
        let speed = self.augment.speed;
        let config = AugmentConfig { speed: Draw::default(), ..self.augment.clone() };
        let (noise, rooms) = (self.data.noise.as_deref(), self.data.rooms.as_deref());
        let rate = Fbank::new(self.features.clone())?.rate().get();
        Ok((speed, Augmenter::open(config, noise, rooms, &self.data.manifest, rate)?))
    }
}

impl Recipe for KeywordRecipe {
    fn prepare(&self) -> Result<()> {
        prepare::with_bar(|progress| prepare::prepare(&self.prepare, progress))
    }

    fn train(&self, mode: RunMode) -> Result<()> {
        self.export.refuse_int8()?;
        let run = recipe::begin_run(Self::TASK, self, &self.run, mode)?;
        let recipe = if mode == RunMode::Resume { self.in_order()? } else { self.clone() };
        let task = KeywordTask::new(&recipe)?;
        run.with_classes(&recipe.keywords).fit(&task, &self.train, Vec::new()).map(drop)
    }

    fn time(&self, steps: usize) -> Result<Timing> {
        trainer::time(&self.task()?, &self.train, steps)
    }

    fn evaluate(&self) -> Result<()> {
        measure::evaluate(&self.in_order()?)
    }

    fn export(&self) -> Result<()> {
        super::bundle::export(&self.in_order()?)
    }
}
