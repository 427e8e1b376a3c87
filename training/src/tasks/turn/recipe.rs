use std::path::PathBuf;

use burn::tensor::Device;
use rejoinder_models::features::{Fbank, FbankConfig};
use rejoinder_models::vad::{SegmenterConfig, VadConfig};
use serde::{Deserialize, Serialize};

use super::corpus::Listener;
use super::hearing::StatesConfig;
use super::measure;
use super::moments::MomentConfig;
use super::task::TurnTask;
use crate::Result;
use crate::augment::{AugmentConfig, Augmenter, Effect};
use crate::data::manifest::ManifestConfig;
use crate::data::prepare::{self, PrepareConfig};
use crate::export::ExportConfig;
use crate::nets::turn::{TurnNet, TurnNetConfig};
use crate::recipe::{self, Recipe};
use crate::trainer::{self, RunMode, Timing, TrainOptions};

/// A recipe with `task = "turn"`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TurnRecipe {
    /// The run folder: weights, logs, checkpoints, results.
    pub run: PathBuf,
    /// From raw sets to prepared folders.
    pub prepare: PrepareConfig,
    /// What is trained and tested on.
    pub data: TurnData,
    /// Features; default: the kaldi flavour.
    #[serde(default = "FbankConfig::kaldi")]
    pub features: FbankConfig,
    /// Whose states the net learns from in place of features; it then becomes a part of that recogniser's bundle. Default:
    /// nobody's.
    #[serde(default)]
    pub states: Option<StatesConfig>,
    /// What finds the pauses of a recording. It should be what a conversation will listen with: where a pause begins, and
    /// which are heard at all, is learnt too. Default: the embedded detector.
    #[serde(default)]
    pub vad: VadConfig,
    /// How long speech and silence must last, likewise. Default: silence from 60 ms on, speech from 40 ms on.
    #[serde(default = "segments")]
    pub segments: SegmenterConfig,
    /// Which moments an epoch sees.
    #[serde(default)]
    pub moments: MomentConfig,
    /// What changes sounds in training. Silence is never added, since that is what is learnt.
    #[serde(default)]
    pub augment: AugmentConfig,
    /// The shape of the net.
    pub net: TurnNetConfig,
    /// Moments in a batch. Default: 64.
    #[serde(default = "batch")]
    pub batch: usize,
    /// How long and how fast.
    #[serde(default)]
    pub train: TrainOptions,
    /// What the card of the bundle says.
    pub export: ExportConfig,
    /// How the bundle is measured.
    #[serde(default)]
    pub evaluate: TurnEvaluate,
}

fn batch() -> usize {
    64
}

fn segments() -> SegmenterConfig {
    SegmenterConfig { min_speech_ms: 40.0, min_silence_ms: 60.0, ..SegmenterConfig::default() }
}

/// The data of a turn detector: prepared folders or manifests (`.csv` or `.json`) of clips, each of which
/// is one turn. Transcripts are not needed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TurnData {
    /// To train on.
    pub train: Vec<PathBuf>,
    /// To validate on.
    pub valid: PathBuf,
    /// To report on.
    pub tests: Vec<PathBuf>,
    /// Prepared noise to add in training.
    #[serde(default)]
    pub noise: Option<PathBuf>,
    /// Prepared room responses.
    #[serde(default)]
    pub rooms: Option<PathBuf>,
    /// Shorter clips, in seconds, stay out. Default: 1.
    #[serde(default = "least_s")]
    pub least_s: f64,
    /// How manifests are read.
    #[serde(default)]
    pub manifest: ManifestConfig,
}

fn least_s() -> f64 {
    1.0
}

/// How `evaluate` measures a bundle.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TurnEvaluate {
    /// The bundle, or a published file of Smart Turn. Default: the one that `export` writes.
    pub model: Option<PathBuf>,
    /// At most this many turns of each test, spread evenly over it; 0, the default, for all.
    pub clips: usize,
    /// Whether the figures are written into the bundle's card. Default: false.
    pub card: bool,
}

impl TurnRecipe {
    /// What `task` says in such a recipe.
    pub const TASK: &'static str = "turn";

    /// The net with the weights of the run, for inference on `device`.
    ///
    /// # Errors
    /// A run without weights.
    pub fn trained(&self, device: &Device) -> Result<TurnNet> {
        recipe::trained(Self::TASK, self, &self.run, &self.train, || Ok(self.net.init(device)))
    }

    /// The task on the prepared data.
    ///
    /// # Errors
    /// Data that is not prepared.
    pub fn task(&self) -> Result<TurnTask> {
        TurnTask::new(self)
    }

    pub(super) fn listener(&self) -> Result<Listener> {
        Listener::open(&self.vad, self.segments)
    }

    pub(super) fn augmenter(&self) -> Result<Augmenter> {
        self.data.manifest.check_unweighted()?;
        self.augment.check_single()?;
        self.augment.check_without_spec()?;
        self.augment.check_without(&[Effect::Pad, Effect::Drop, Effect::DropChunks], "silence is what is learnt")?;
        let rate = Fbank::new(self.features.clone())?.rate().get();
        let TurnData { noise, rooms, manifest, .. } = &self.data;
        Augmenter::open(self.augment.clone(), noise.as_deref(), rooms.as_deref(), manifest, rate)
    }
}

impl Recipe for TurnRecipe {
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
