use std::path::{Path, PathBuf};

use burn::tensor::Device;
use rejoinder_models::features::FbankConfig;
use rejoinder_models::vad::SegmenterConfig;
use serde::{Deserialize, Serialize};

use super::measure;
use super::mixture::MixtureConfig;
use super::parties::PartyConfig;
use super::task::VadTask;
use crate::augment::{AugmentConfig, Augmenter, Effect};
use crate::data::manifest::ManifestConfig;
use crate::data::prepare::{self, PrepareConfig, SAMPLE_RATE_HZ};
use crate::export::ExportConfig;
use crate::losses::BinaryLoss;
use crate::nets::vad::{VadNet, VadNetConfig};
use crate::recipe::{self, Recipe};
use crate::trainer::{self, RunMode, Timing, TrainOptions};
use crate::{Error, Result};

/// A recipe with `task = "vad"`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VadRecipe {
    /// The run folder: weights, logs, checkpoints, results.
    pub run: PathBuf,
    /// From raw sets to prepared folders.
    pub prepare: PrepareConfig,
    /// What is trained and tested on.
    pub data: VadData,
    /// Features; default: the kaldi flavour.
    #[serde(default = "FbankConfig::kaldi")]
    pub features: FbankConfig,
    /// What mixtures are like.
    #[serde(default)]
    pub mixtures: MixtureConfig,
    /// What changes the sound of a mixture. Its speed and its silences stay: it is known when somebody speaks.
    #[serde(default)]
    pub augment: AugmentConfig,
    /// The shape of the net.
    pub net: VadNetConfig,
    /// Mixtures in a batch. Default: 32.
    #[serde(default = "batch")]
    pub batch: usize,
    /// What is made small; default: cross-entropy, where speech counts as much as silence.
    #[serde(default)]
    pub loss: BinaryLoss,
    /// How long and how fast.
    #[serde(default)]
    pub train: TrainOptions,
    /// What the card of the bundle says.
    pub export: ExportConfig,
    /// How the bundle is measured.
    #[serde(default)]
    pub evaluate: VadEvaluate,
}

fn batch() -> usize {
    32
}

/// The data of a voice activity detector: prepared folders or manifests (`.csv` or `.json`) of clean speech, whose
/// transcripts are not needed, to make mixtures of, and recordings of which it is known when somebody speaks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VadData {
    /// Speech to train on.
    #[serde(default)]
    pub train: Vec<PathBuf>,
    /// Speech to validate on.
    #[serde(default)]
    pub valid: Vec<PathBuf>,
    /// Speech to report on, each apart.
    #[serde(default)]
    pub tests: Vec<PathBuf>,
    /// Recordings of which it is known when somebody speaks.
    #[serde(default)]
    pub parties: PartyConfig,
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

/// How `evaluate` measures a bundle beside other detectors.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VadEvaluate {
    /// Mixtures of each test. Default: 20.
    pub mixtures: usize,
    /// The length of each, in seconds. Default: 60.
    pub mixture_s: f64,
    /// When speech begins and ends, for the delays of onsets and offsets.
    pub segments: SegmenterConfig,
    /// A published file of Silero VAD to measure beside. Default: none.
    pub silero: Option<PathBuf>,
    /// Whether the figures are written into the bundle's card. Default: false.
    pub card: bool,
}

impl Default for VadEvaluate {
    fn default() -> Self {
        Self { mixtures: 20, mixture_s: 60.0, segments: SegmenterConfig::default(), silero: None, card: false }
    }
}

impl VadRecipe {
    /// What `task` says in such a recipe.
    pub const TASK: &'static str = "vad";

    /// The net with the weights of the run, for inference on `device`.
    ///
    /// # Errors
    /// A run without weights.
    pub fn trained(&self, device: &Device) -> Result<VadNet> {
        recipe::trained(Self::TASK, self, &self.run, &self.train, || Ok(self.net.init(device)))
    }

    /// The task on the prepared data.
    ///
    /// # Errors
    /// Data that is not prepared.
    pub fn task(&self) -> Result<VadTask> {
        VadTask::new(self)
    }

    /// Refuses mixtures that cannot be made.
    pub(super) fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.data.parties.share) {
            let reason = format!("expected a share from 0 to 1, found {}", self.data.parties.share);
            return Err(Error::config("data.parties.share", reason));
        }
        self.data.manifest.check_unweighted()?;
        self.mixtures.mistake().map_or(Ok(()), |mistake| Err(Error::config("[mixtures]", mistake)))
    }

    pub(super) fn augmenter(&self, noise: Option<&Path>) -> Result<Augmenter> {
        self.augment.check_single()?;
        self.augment.check_without_spec()?;
        let moved = [Effect::Speed, Effect::Pad, Effect::Drop, Effect::DropChunks];
        self.augment.check_without(&moved, "it is known of each frame whether somebody speaks in it")?;
        let VadData { rooms, manifest, .. } = &self.data;
        Augmenter::open(self.augment.clone(), noise, rooms.as_deref(), manifest, SAMPLE_RATE_HZ)
    }
}

impl Recipe for VadRecipe {
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
