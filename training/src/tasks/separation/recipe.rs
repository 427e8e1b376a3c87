use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::measure;
use super::mixture::MixtureConfig;
use super::recorded::RecordedConfig;
use super::task::SeparationTask;
use crate::augment::{AugmentConfig, Augmenter, Effect};
use crate::data::manifest::ManifestConfig;
use crate::data::prepare::{self, PrepareConfig, SAMPLE_RATE_HZ};
use crate::export::ExportConfig;
use crate::losses::SeparationLoss;
use crate::nets::conv_tasnet::{ConvTasNet, ConvTasNetConfig};
use crate::recipe::{self, Recipe};
use crate::trainer::{self, RunMode, Timing, TrainOptions};
use crate::{Error, Result};

/// A recipe with `task = "separation"`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeparationRecipe {
    /// The run folder: weights, logs, checkpoints, results.
    pub run: PathBuf,
    /// From raw sets to prepared folders.
    pub prepare: PrepareConfig,
    /// What is trained and tested on.
    pub data: SeparationData,
    /// What mixtures are like.
    #[serde(default)]
    pub mixtures: MixtureConfig,
    /// What changes a mixture that is made: its voices by `speed` and `reverb`, its sound by `noise_snr_db`, both by `level_db`.
    /// What is to come out is a voice as it sounds in its room.
    #[serde(default)]
    pub augment: AugmentConfig,
    /// The shape of the net; its `sources` are the voices of a mixture.
    pub net: ConvTasNetConfig,
    /// Mixtures in a batch. Default: 8.
    #[serde(default = "batch")]
    pub batch: usize,
    /// What is made small. Default: the negative SI-SNR, which leaves the level of what comes out open.
    #[serde(default)]
    pub loss: SeparationLoss,
    /// How long and how fast.
    #[serde(default)]
    pub train: TrainOptions,
    /// What the card of the bundle says.
    pub export: ExportConfig,
    /// How the bundle is measured.
    #[serde(default)]
    pub evaluate: SeparationEvaluate,
}

fn batch() -> usize {
    8
}

/// The data of a separator: prepared folders or manifests (`.csv` or `.json`) of single voices, whose transcripts are not
/// needed, to make mixtures of, and recorded mixtures.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeparationData {
    /// Voices to train on.
    #[serde(default)]
    pub train: Vec<PathBuf>,
    /// Voices to validate on.
    #[serde(default)]
    pub valid: Vec<PathBuf>,
    /// Voices to report on, each apart.
    #[serde(default)]
    pub tests: Vec<PathBuf>,
    /// Recorded mixtures.
    #[serde(default)]
    pub recorded: RecordedConfig,
    /// How manifests are read.
    #[serde(default)]
    pub manifest: ManifestConfig,
    /// Prepared noise for training and validation.
    #[serde(default)]
    pub noise: Option<PathBuf>,
    /// Prepared noise for the tests.
    #[serde(default)]
    pub test_noise: Option<PathBuf>,
    /// Prepared room responses.
    #[serde(default)]
    pub rooms: Option<PathBuf>,
}

/// How `evaluate` measures a bundle.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeparationEvaluate {
    /// Mixtures that are made of each test, and how many of the recorded are heard, 0 for all of these. Default: 100.
    pub mixtures: usize,
    /// The length of one that is made, in seconds. Default: 6.
    pub mixture_s: f64,
    /// Whether the figures are written into the bundle's card. Default: false.
    pub card: bool,
}

impl Default for SeparationEvaluate {
    fn default() -> Self {
        Self { mixtures: 100, mixture_s: 6.0, card: false }
    }
}

impl SeparationRecipe {
    /// What `task` says in such a recipe.
    pub const TASK: &'static str = "separation";

    /// The net with the weights of the run, for inference on `device`.
    ///
    /// # Errors
    /// A run without weights.
    pub fn trained(&self, device: &Device) -> Result<ConvTasNet> {
        recipe::trained(Self::TASK, self, &self.run, &self.train, || Ok(self.net.init(device)))
    }

    /// The task on the prepared data.
    ///
    /// # Errors
    /// Data that is not prepared.
    pub fn task(&self) -> Result<SeparationTask> {
        SeparationTask::new(self)
    }

    /// Refuses nets and mixtures that cannot be made.
    pub(super) fn check(&self) -> Result<()> {
        self.net.check()?;
        self.mixtures.check()?;
        self.data.manifest.check_unweighted()?;
        let recorded = &self.data.recorded;
        if !(0.0..=1.0).contains(&recorded.share) {
            let reason = format!("expected a share from 0 to 1, found {}", recorded.share);
            return Err(Error::config("data.recorded.share", reason));
        }
        let lists = [&recorded.train, &recorded.valid, &recorded.tests];
        let (expected, found) = (self.net.sources, recorded.sources.len());
        if lists.iter().any(|list| !list.is_empty()) && found != expected {
            let reason = format!("expected {expected} columns, as many as net.sources, found {found}");
            return Err(Error::config("data.recorded.sources", reason));
        }
        Ok(())
    }

    pub(super) fn augmenter(&self, noise: Option<&Path>) -> Result<Augmenter> {
        self.augment.check_single()?;
        self.augment.check_without_spec()?;
        let heard = [Effect::Speed, Effect::Reverb, Effect::Noise, Effect::Level];
        let others: Vec<Effect> = Effect::ALL.into_iter().filter(|effect| !heard.contains(effect)).collect();
        self.augment.check_without(&others, "a mixture is the sum of its voices and noise")?;
        let SeparationData { rooms, manifest, .. } = &self.data;
        Augmenter::open(self.augment.clone(), noise, rooms.as_deref(), manifest, SAMPLE_RATE_HZ)
    }
}

impl Recipe for SeparationRecipe {
    fn prepare(&self) -> Result<()> {
        prepare::with_bar(|progress| prepare::prepare(&self.prepare, progress))
    }

    fn train(&self, mode: RunMode) -> Result<()> {
        self.export.refuse_int8()?;
        let run = recipe::begin_run(Self::TASK, self, &self.run, mode)?;
        run.fit(&self.task()?, &self.train, Vec::new()).map(drop)
    }

    fn time(&self, steps: usize) -> Result<Timing> {
        trainer::time(&self.task()?, &self.train, steps)
    }

    fn evaluate(&self) -> Result<()> {
        measure::evaluate(self)
    }

    fn export(&self) -> Result<()> {
        super::bundle::export(self)
    }
}
