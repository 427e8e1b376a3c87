use std::path::PathBuf;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Device;
use rejoinder_models::tts::frontend::{Frontend, PLACES};
use rejoinder_models::tts::phones;
use serde::{Deserialize, Serialize};

use super::corpus::{self, Corpus};
use super::{AcousticTask, Adversary, Measures, VocoderTask, VoiceConfig, acoustic, vocoder};
use crate::data::prepare::{self, LjspeechConfig};
use crate::export::ExportConfig;
use crate::nets::tts::{Acoustic, AcousticConfig, Vocoder, VocoderConfig};
use crate::recipe::{self, Recipe};
use crate::trainer::{RunMode, TrainOptions, Trained};
use crate::{Result, import};

/// A recipe with `task = "tts"`: a voice.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TtsRecipe {
    /// The run folder: `vocoder/` and `acoustic/` with weights, logs and checkpoints.
    pub run: PathBuf,
    /// The run folder of the letters-to-sound recipe.
    pub g2p: PathBuf,
    /// Where the prepared recordings go.
    pub corpus: PathBuf,
    /// LJ Speech as it is published, of which `prepare` makes lists first.
    #[serde(default)]
    pub prepare: PrepareSteps,
    /// The recordings and how they are cut.
    #[serde(default)]
    pub voice: VoiceConfig,
    /// Which nets `train` trains. Default: both.
    #[serde(default = "both")]
    pub parts: Vec<Part>,
    /// The acoustic model.
    #[serde(default)]
    pub acoustic: AcousticSection,
    /// The vocoder.
    #[serde(default)]
    pub vocoder: VocoderSection,
    /// What the card of the bundle says, and what is measured.
    pub export: ExportConfig,
    /// How it is measured.
    #[serde(default)]
    pub evaluate: EvaluateConfig,
}

/// Sets that `prepare` lists before it aligns.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrepareSteps {
    /// LJ Speech.
    pub ljspeech: Option<LjspeechConfig>,
}

/// One of the two nets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// From frames to sound.
    Vocoder,
    /// From tokens to frames.
    Acoustic,
}

fn both() -> Vec<Part> {
    vec![Part::Vocoder, Part::Acoustic]
}

/// The acoustic model of a recipe.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AcousticSection {
    /// Channels.
    pub width: usize,
    /// Blocks that read tokens.
    pub encoder_blocks: usize,
    /// Blocks that write frames.
    pub decoder_blocks: usize,
    /// The share of channels that is dropped in training.
    pub dropout: f64,
    /// Frames in a batch, about.
    pub batch_frames: usize,
    /// How much a judge of the mel bands counts in training, 0 for none.
    pub adversarial: f64,
    /// The step at which it begins.
    pub adversarial_from: usize,
    /// How long and how fast.
    pub train: TrainOptions,
}

impl Default for AcousticSection {
    fn default() -> Self {
        Self {
            width: 160,
            encoder_blocks: 4,
            decoder_blocks: 5,
            dropout: 0.1,
            batch_frames: 2400,
            adversarial: 0.0,
            adversarial_from: 2000,
            train: TrainOptions::default(),
        }
    }
}

/// The vocoder of a recipe.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VocoderSection {
    /// Channels.
    pub width: usize,
    /// Blocks.
    pub blocks: usize,
    /// Segments in a batch.
    pub segments: usize,
    /// Frames in a segment.
    pub segment_frames: usize,
    /// Batches that count as an epoch.
    pub batches: usize,
    /// How much judges of the spectra count in training, 0 for none.
    pub adversarial: f64,
    /// The step at which they begin.
    pub adversarial_from: usize,
    /// How long and how fast.
    pub train: TrainOptions,
}

impl Default for VocoderSection {
    fn default() -> Self {
        Self {
            width: 160,
            blocks: 4,
            segments: 10,
            segment_frames: 80,
            batches: 100,
            adversarial: 0.0,
            adversarial_from: 1000,
            train: TrainOptions::default(),
        }
    }
}

/// How `evaluate` measures a bundle.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluateConfig {
    /// A file with one sentence a line that the training never saw.
    pub sentences: Option<PathBuf>,
    /// A bundle of ours that writes down what the voice says, beside PocketSphinx.
    pub recogniser: Option<PathBuf>,
    /// Whether the figures are written into the bundle's card. Default: false.
    pub card: bool,
}

impl TtsRecipe {
    /// What `task` says in such a recipe.
    pub const TASK: &'static str = "tts";

    /// The shape of the acoustic model.
    pub fn acoustic_net(&self) -> AcousticConfig {
        AcousticConfig::new(phones::TOKENS, PLACES)
            .with_width(self.acoustic.width)
            .with_encoder_blocks(self.acoustic.encoder_blocks)
            .with_decoder_blocks(self.acoustic.decoder_blocks)
            .with_mels(self.voice.mels)
            .with_dropout(self.acoustic.dropout)
    }

    /// The shape of the vocoder.
    pub fn vocoder_net(&self) -> VocoderConfig {
        let geometry = &self.voice.geometry;
        VocoderConfig::new(self.voice.mels + 2, geometry.harmonic_order, geometry.noise_order)
            .with_width(self.vocoder.width)
            .with_blocks(self.vocoder.blocks)
    }

    /// The run folder of a part.
    pub fn run_of(&self, part: Part) -> PathBuf {
        self.run.join(match part {
            Part::Vocoder => "vocoder",
            Part::Acoustic => "acoustic",
        })
    }

    /// The front end of the letters-to-sound recipe.
    ///
    /// # Errors
    /// When that recipe has not run.
    pub fn frontend(&self) -> Result<Frontend> {
        Ok(Frontend::read(&self.g2p)?)
    }

    /// The prepared corpus with its features.
    ///
    /// # Errors
    /// When `prepare` has not run.
    pub fn load_corpus(&self) -> Result<Arc<Corpus>> {
        Ok(Arc::new(corpus::load(&self.voice, &self.corpus)?))
    }

    /// The task of the acoustic model.
    pub fn acoustic_task(&self, corpus: Arc<Corpus>) -> AcousticTask {
        let section = &self.acoustic;
        let adversary = Adversary { weight: section.adversarial, from: section.adversarial_from };
        let frame_s = self.voice.geometry.hop as f64 / f64::from(self.voice.geometry.rate_hz);
        AcousticTask { corpus, net: self.acoustic_net(), batch_frames: section.batch_frames, frame_s, adversary }
    }

    /// The task of the vocoder, for `device` without gradients.
    ///
    /// # Errors
    /// Segments that are too short for the judges, where they play.
    pub fn vocoder_task(&self, corpus: Arc<Corpus>, device: &Device) -> Result<VocoderTask> {
        let section = &self.vocoder;
        let sizes = [section.segments, section.segment_frames, section.batches];
        let adversary = Adversary { weight: section.adversarial, from: section.adversarial_from };
        VocoderTask::new(corpus, &self.voice.geometry, self.vocoder_net(), sizes, adversary, device)
    }

    /// The trained acoustic model.
    ///
    /// # Errors
    /// A run without weights.
    pub fn trained_acoustic(&self, device: &Device) -> Result<Acoustic> {
        let net = || Ok(acoustic::judged(&self.acoustic_net(), device));
        Ok(self.trained(Part::Acoustic, &self.acoustic.train, net)?.net)
    }

    /// The acoustic model that is measured: that of the run, or the bundle's where nothing was trained here.
    ///
    /// # Errors
    /// A run without weights; a bundle of another net.
    pub(super) fn measured_acoustic(&self, task: &AcousticTask, device: &Device) -> Result<Acoustic> {
        if self.run_of(Part::Acoustic).is_dir() {
            return self.trained_acoustic(device);
        }
        Ok(import::begin(task, acoustic::judged(&self.acoustic_net(), device), &self.export.bundle)?.net)
    }

    /// The trained vocoder.
    ///
    /// # Errors
    /// A run without weights.
    pub fn trained_vocoder(&self, device: &Device) -> Result<Vocoder> {
        let net = || Ok(vocoder::judged(self.vocoder_net().init(device), device));
        Ok(self.trained(Part::Vocoder, &self.vocoder.train, net)?.net)
    }

    fn trained<M: Module>(&self, part: Part, options: &TrainOptions, net: impl Fn() -> Result<M>) -> Result<M> {
        recipe::hold(Self::TASK, self, &self.run)?;
        Trained::expect(&self.run_of(part), options)?.load(net)
    }
}

impl Recipe for TtsRecipe {
    fn prepare(&self) -> Result<()> {
        if let Some(config) = &self.prepare.ljspeech {
            prepare::with_bar(|progress| prepare::prepare_ljspeech(config, progress))?;
        }
        let count = corpus::prepare(&self.voice, &self.frontend()?, &self.corpus)?;
        tracing::info!("{}: {count} utterances", self.corpus.display());
        Ok(())
    }

    fn train(&self, mode: RunMode) -> Result<()> {
        self.export.refuse_int8()?;
        self.parts.iter().try_for_each(|part| mode.check(&self.run_of(*part)))?;
        let begun = recipe::begin_run(Self::TASK, self, &self.run, mode)?;
        let corpus = self.load_corpus()?;
        for part in &self.parts {
            let run = self.run_of(*part);
            match part {
                Part::Vocoder => {
                    let task = self.vocoder_task(Arc::clone(&corpus), &self.vocoder.train.backend.device()?)?;
                    begun.clone().fit_in(&run, &task, &self.vocoder.train, Vec::new())?;
                }
                Part::Acoustic => {
                    let task = self.acoustic_task(Arc::clone(&corpus));
                    let net = begun.clone().fit_in(&run, &task, &self.acoustic.train, Vec::new())?;
                    Measures::of(&task, &net.net, &self.acoustic.train.backend.device()?)?.write(&self.run)?;
                }
            }
        }
        Ok(())
    }

    fn evaluate(&self) -> Result<()> {
        super::report::evaluate(self)
    }

    fn export(&self) -> Result<()> {
        super::bundle::export(self)
    }
}
