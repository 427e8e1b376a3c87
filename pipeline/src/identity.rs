//! Whose voice it is: the enrolled voices of an assistant.

use std::sync::Arc;

use rejoinder_models::runtime::RuntimeConfig;
use rejoinder_models::speaker::{SpeakerEncoder, Voices};
use rejoinder_models::units::SampleRate;
use rejoinder_models::zoo;

use crate::config::SpeakerConfig;
use crate::{Error, Result};

/// Knows the enrolled voices. Immutable and cheap to clone.
#[derive(Clone)]
pub struct Identity {
    /// The model that embeds what is said, at [`SampleRate::INTERNAL`].
    pub encoder: Arc<dyn SpeakerEncoder>,
    /// The enrolled voices.
    pub voices: Arc<Voices>,
    /// The cosine from which on a voice is taken for one of them.
    pub threshold: f32,
    /// How the dialogue is told who says something: a text with `{name}` and `{text}`. Without it, it is not told.
    pub told: Option<String>,
}

/// Whose voice an utterance is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identified {
    /// The name of the nearest enrolled voice, where it is near enough.
    pub name: Option<String>,
    /// The cosine between the two; 0 when there is no voice, or too little sound.
    pub score: f32,
}

impl Identity {
    /// Opens the model and the voices that a configuration names.
    ///
    /// # Errors
    /// [`Error::Models`] naming what is missing, damaged or of another model; [`Error::Session`] for a model at another
    /// rate than the pipeline's.
    pub fn open(config: &SpeakerConfig, runtime: &RuntimeConfig) -> Result<Self> {
        let encoder = zoo::open_speaker_encoder(&config.model, runtime)?;
        let voices = Voices::read(&config.voices)?;
        voices.check(encoder.as_ref(), &config.voices)?;
        let (expected, found) = (SampleRate::INTERNAL, encoder.sample_rate());
        if found != expected {
            return Err(Error::Session(format!("the speaker model: expected {expected}, found {found}")));
        }
        let threshold = config.threshold.unwrap_or(encoder.threshold());
        Ok(Self { encoder, voices: Arc::new(voices), threshold, told: config.told.clone() })
    }

    /// Whose voice it is; nobody's where there is too little sound.
    ///
    /// # Errors
    /// [`Error::Models`] when the model fails.
    pub fn identify(&self, samples: &[f32]) -> Result<Identified> {
        if (samples.len() as u64) < self.encoder.shortest().0 {
            return Ok(Identified::default());
        }
        let embedding = self.encoder.embed(samples)?;
        Ok(self.voices.nearest(&embedding).map_or_else(Identified::default, |nearest| Identified {
            name: (nearest.score > self.threshold).then(|| nearest.name.to_owned()),
            score: nearest.score,
        }))
    }

    /// What the dialogue is told of what was said.
    pub fn tell(&self, name: Option<&str>, text: &str) -> String {
        match (&self.told, name) {
            (Some(told), Some(name)) => told.replace("{name}", name).replace("{text}", text),
            _ => text.to_owned(),
        }
    }
}
