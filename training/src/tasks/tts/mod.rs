//! A voice: corpus, acoustic model, vocoder.

mod acoustic;
mod acoustic_batch;
mod bundle;
pub mod corpus;
mod listeners;
mod measures;
mod mel;
mod pictures;
mod recipe;
mod report;
mod vocoder;

use std::path::PathBuf;

use rejoinder_models::tts::source_filter::SourceFilterConfig;
use serde::{Deserialize, Serialize};

pub use acoustic::{AcousticTask, Bands, Prosody, expansion, positions};
pub use acoustic_batch::AcousticBatch;
pub use measures::Measures;
pub use mel::MelConfig;
pub use recipe::{AcousticSection, EvaluateConfig, Part, PrepareSteps, TtsRecipe, VocoderSection};
pub use vocoder::{Adversary, VocoderBatch, VocoderTask};

use crate::data::pitch::PitchConfig;
use crate::tasks::aligner::AlignerConfig;

/// What recordings a voice is made from, and how they are cut into frames.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VoiceConfig {
    /// A CSV file with the columns `id`, `path` (relative to it), `transcript` and `prompt`, by which clips are ordered;
    /// or a list of LJ Speech with `uttid`, `wav` and `label`, ordered by `uttid`: CSV as `prepare` writes it, or JSON as
    /// SpeechBrain's recipe does.
    pub manifest: PathBuf,
    /// The last so many prompts are kept out of training.
    pub held_out: usize,
    /// Sample rate, frames and filters.
    pub geometry: SourceFilterConfig,
    /// Mel bands.
    pub mels: usize,
    /// What counts as pitch.
    pub pitch: PitchConfig,
    /// How the aligner trains.
    pub aligner: AlignerConfig,
}

impl Default for VoiceConfig {
    fn default() -> Self {
        Self {
            manifest: PathBuf::from("data/kathleen/manifest.csv"),
            held_out: 50,
            geometry: SourceFilterConfig::default(),
            mels: 80,
            pitch: PitchConfig::default(),
            aligner: AlignerConfig::default(),
        }
    }
}
