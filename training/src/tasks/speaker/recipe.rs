use std::path::PathBuf;
use std::sync::Arc;

use rejoinder_models::features::{Fbank, FbankConfig};
use serde::{Deserialize, Serialize};

use super::batches::{BatchConfig, Loader};
use super::task::SpeakerTask;
use crate::augment::{AugmentConfig, Augmenter, Effect};
use crate::data::labels::{LABELS, LabelEncoder};
use crate::data::manifest::ManifestConfig;
use crate::data::prepare::{self, PrepareConfig, VoxcelebConfig};
use crate::data::speakers::SpeakerDataset;
use crate::export::ExportConfig;
use crate::nets::speaker::{EncoderConfig, SpeakerNet};
use crate::recipe::{self, Recipe};
use crate::trainer::{self, RunMode, Timing, TrainOptions};
use crate::{Error, Result};

/// A recipe with `task = "speaker"`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeakerRecipe {
    /// The run folder: weights, logs, checkpoints, results.
    pub run: PathBuf,
    /// From raw sets to what is trained on.
    pub prepare: PrepareSteps,
    /// What is trained and tested on.
    pub data: DataConfig,
    /// Features; default: SpeechBrain's, of 80 bins.
    #[serde(default = "features")]
    pub features: FbankConfig,
    /// What changes clips in training. Speed and padding must stay away: they would change the length of a batch.
    #[serde(default)]
    pub augment: AugmentConfig,
    /// How batches are formed.
    #[serde(default)]
    pub batches: BatchConfig,
    /// The net.
    pub net: EncoderConfig,
    /// How it is told right from wrong.
    #[serde(default)]
    pub loss: LossConfig,
    /// How long and how fast.
    #[serde(default)]
    pub train: TrainOptions,
    /// What the card of the bundle says.
    pub export: ExportConfig,
    /// How the bundle is measured.
    #[serde(default)]
    pub evaluate: SpeakerEvaluate,
}

fn features() -> FbankConfig {
    FbankConfig { bins: 80, ..FbankConfig::speechbrain() }
}

/// What `prepare` does.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrepareSteps {
    /// Prepared folders of sets.
    pub sets: Option<PrepareConfig>,
    /// Lists of VoxCeleb's files.
    pub voxceleb: Option<VoxcelebConfig>,
}

/// The data of a speaker net. Sources are prepared folders, and manifests (`.csv` or `.json`).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// What is trained on.
    pub train: Vec<PathBuf>,
    /// What the validation speakers are taken from. Default: the training data, of which they are then no part.
    #[serde(default)]
    pub valid: Vec<PathBuf>,
    /// Speakers to validate on, spread evenly. Default: 16.
    #[serde(default = "valid_speakers")]
    pub valid_speakers: usize,
    /// Clips of each of them. Default: 12.
    #[serde(default = "valid_clips")]
    pub valid_clips: usize,
    /// What is reported on.
    pub tests: Vec<TestConfig>,
    /// How manifests are read, whose words do not matter. Default: with parts of recordings in samples, as in SpeechBrain's for
    /// VoxCeleb.
    #[serde(default = "ManifestConfig::of_voices", deserialize_with = "ManifestConfig::over_voices")]
    pub manifest: ManifestConfig,
    /// Prepared noise to add in training.
    #[serde(default)]
    pub noise: Option<PathBuf>,
    /// Prepared room responses.
    #[serde(default)]
    pub rooms: Option<PathBuf>,
}

fn valid_speakers() -> usize {
    16
}

fn valid_clips() -> usize {
    12
}

/// A test: clips of speakers whom training never heard, and pairs of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestConfig {
    /// What the table calls it.
    pub name: String,
    /// Its sources.
    pub clips: Vec<PathBuf>,
    /// Which of the speakers. Default: all.
    #[serde(default)]
    pub speakers: Option<SpeakerFilter>,
    /// A list of trials in VoxCeleb's form. Default: all pairs of clips.
    #[serde(default)]
    pub trials: Option<PathBuf>,
}

/// Speakers by a number that a set's own manifest tells of them, such as their age.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeakerFilter {
    /// The set.
    pub set: String,
    /// The column.
    pub column: String,
    /// The least value. Default: any.
    #[serde(default)]
    pub min: Option<f64>,
    /// The greatest value. Default: any.
    #[serde(default)]
    pub max: Option<f64>,
}

/// How `evaluate` measures a bundle.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpeakerEvaluate {
    /// Whether the figures are written into the bundle's card. Default: false.
    pub card: bool,
    /// Training clips that scores are normalised by, those of the shortest recordings (SpeechBrain's `n_train_snts`); 0 for one
    /// of each speaker, drawn at random. Default: 0.
    pub n_train_snts: usize,
    /// Those of them nearest to each side that count, SpeechBrain's `cohort_size`. Default: 200.
    pub cohort_size: usize,
}

impl Default for SpeakerEvaluate {
    fn default() -> Self {
        Self { card: false, n_train_snts: 0, cohort_size: 200 }
    }
}

/// Additive angular margin softmax.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossConfig {
    /// By how many radians an utterance's angle to its own speaker counts as wider. Default: 0.2.
    pub margin: f64,
    /// What cosines are multiplied with. Default: 30.
    pub scale: f64,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self { margin: 0.2, scale: 30.0 }
    }
}

impl SpeakerRecipe {
    /// What `task` says in such a recipe.
    pub const TASK: &'static str = "speaker";

    /// The net with the weights of the run, for inference on `device`.
    ///
    /// # Errors
    /// A run without weights, or without a list of its speakers and data that is not prepared.
    pub fn trained(&self, device: &burn::tensor::Device) -> Result<SpeakerNet> {
        let known = match self.known_speakers()? {
            Some(labels) => labels.len(),
            None => self.split()?.0.speakers().len(),
        };
        let speakers = known * self.batches.speeds.len();
        let net = || Ok(self.net.init(speakers, device));
        recipe::trained(Self::TASK, self, &self.run, &self.train, net)
    }

    /// The speakers of the run, if it has begun.
    fn known_speakers(&self) -> Result<Option<LabelEncoder>> {
        let path = self.run.join(LABELS);
        path.is_file().then(|| LabelEncoder::read(&path)).transpose()
    }

    /// What is trained and what is validated on, with the speakers numbered as the run has numbered them.
    fn split(&self) -> Result<(SpeakerDataset, SpeakerDataset)> {
        let (mut train, valid) = self.split_anew()?;
        if let Some(labels) = self.known_speakers()? {
            train.renumber(&labels)?;
        }
        Ok((train, valid))
    }

    fn split_anew(&self) -> Result<(SpeakerDataset, SpeakerDataset)> {
        let DataConfig { train, valid, valid_speakers, valid_clips, .. } = &self.data;
        let train = SpeakerDataset::open_training(train, &self.data.manifest)?;
        Ok(match valid.is_empty() {
            true => train.split(*valid_speakers, *valid_clips),
            false => (train, SpeakerDataset::open(valid, &self.data.manifest)?.some(*valid_speakers, *valid_clips)),
        })
    }

    /// The speakers that training hears.
    pub(super) fn heard(&self) -> Result<SpeakerDataset> {
        Ok(self.split()?.0)
    }

    pub(super) fn check(&self) -> Result<()> {
        let BatchConfig { clips, speeds, crop_s, .. } = &self.batches;
        if *clips < 2 || speeds.is_empty() || speeds.iter().any(|speed| !(0.5..=2.0).contains(speed)) || *crop_s < 0.5 {
            let reason = "expected at least 2 clips, a crop_s of at least 0.5, and speeds from 0.5 to 2";
            return Err(Error::config("[batches]", reason));
        }
        self.data.manifest.check_unweighted()?;
        let longer = [Effect::Speed, Effect::Pad];
        self.augment.check_without(&longer, "clips of a batch are equally long; for speed see batches.speeds")?;
        if let Some(mistake) = self.net.mistake() {
            return Err(Error::config("[net]", mistake));
        }
        let SpeakerEvaluate { n_train_snts, cohort_size, .. } = self.evaluate;
        if cohort_size < 2 || n_train_snts == 1 {
            let reason = format!(
                "expected cohort_size above 1 and n_train_snts to be 0 or above 1, found {cohort_size} and {n_train_snts}"
            );
            return Err(Error::config("[evaluate]", reason));
        }
        if self.features.bins != self.net.bins() {
            let reason =
                format!("expected {} bins, those of the features, found {}", self.features.bins, self.net.bins());
            return Err(Error::config("[net]", reason));
        }
        Ok(())
    }

    /// The task on the prepared data.
    ///
    /// # Errors
    /// Data that is not prepared; sizes that do not go together.
    pub fn task(&self) -> Result<SpeakerTask> {
        self.check()?;
        let (train, valid) = self.split()?;
        self.task_on(train, valid)
    }

    fn task_on(&self, train: SpeakerDataset, valid: SpeakerDataset) -> Result<SpeakerTask> {
        if valid.speakers().len() < 2 || train.speakers().len() < 2 {
            let reason = format!(
                "expected two speakers to learn from and two with `valid_clips` = {} clips to validate on, found {} and {}",
                self.data.valid_clips,
                train.speakers().len(),
                valid.speakers().len()
            );
            return Err(Error::data("[data]", reason));
        }
        let hours = train.clips().iter().map(|clip| clip.seconds).sum::<f64>() / 3600.0;
        let (clips, speakers) = (train.clips().len(), train.speakers().len());
        tracing::info!(
            "{clips} training clips, {hours:.1} h, {speakers} speakers; {} validate",
            valid.speakers().len()
        );
        let fbank = Fbank::new(self.features.clone())?;
        let (noise, rooms) = (self.data.noise.as_deref(), self.data.rooms.as_deref());
        let augmenter =
            Arc::new(Augmenter::open(self.augment.clone(), noise, rooms, &self.data.manifest, fbank.rate().get())?);
        let loader = |dataset| Loader {
            dataset: Arc::new(dataset),
            fbank: fbank.clone(),
            augmenter: augmenter.clone(),
            config: self.batches.clone(),
        };
        Ok(SpeakerTask { net: self.net.clone(), loss: self.loss, train: loader(train), valid: loader(valid) })
    }
}

impl Recipe for SpeakerRecipe {
    fn prepare(&self) -> Result<()> {
        prepare::with_bar(|progress| {
            if let Some(config) = &self.prepare.sets {
                prepare::prepare(config, progress)?;
            }
            self.prepare.voxceleb.as_ref().map_or(Ok(()), |config| prepare::prepare_voxceleb(config, progress))
        })
    }

    fn train(&self, mode: RunMode) -> Result<()> {
        let run = recipe::begin_run(Self::TASK, self, &self.run, mode)?;
        self.check()?;
        let (train, valid) = if mode == RunMode::Resume { self.split()? } else { self.split_anew()? };
        let run = run.with_classes(train.speakers());
        run.fit(&self.task_on(train, valid)?, &self.train, Vec::new()).map(drop)
    }

    fn time(&self, steps: usize) -> Result<Timing> {
        trainer::time(&self.task()?, &self.train, steps)
    }

    fn evaluate(&self) -> Result<()> {
        super::report::evaluate(self)
    }

    fn export(&self) -> Result<()> {
        super::bundle::export(self)
    }
}
