use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Embedding, SpeakerEncoder};
use crate::units::Samples;
use crate::{Error, Result, in_one_line};

/// The enrolled voices: a TOML file that a person can read and cut down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Voices {
    /// The model whose embeddings these are.
    pub model: String,
    /// The voices.
    #[serde(default)]
    pub voice: Vec<Voice>,
}

/// A voice that can be recognised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Voice {
    /// Whose it is.
    pub name: String,
    /// How much sound it was enrolled from.
    pub seconds: f64,
    /// The mean over the utterances.
    pub embedding: Embedding,
}

/// The enrolled voice that is nearest to an utterance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match<'a> {
    /// Whose it is.
    pub name: &'a str,
    /// The cosine between the two.
    pub score: f32,
}

/// The magnitude from which sound may be somebody's voice, -50 dB of full scale.
const AUDIBLE: f32 = 3.2e-3;

impl Voices {
    /// No voices yet.
    pub fn new(model: &str) -> Self {
        Self { model: model.to_owned(), voice: Vec::new() }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read; [`Error::Model`] when it holds something else, naming the key.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        toml::from_str(&text).map_err(|e: toml::de::Error| Error::model(path, in_one_line(e.message())))
    }

    /// Writes a file, or the one to which a link leads, in one move: one that was there is whole until the new one is.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = toml::to_string(self).map_err(|e| Error::model(path, e.to_string()))?;
        let place = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut new = place.as_os_str().to_owned();
        new.push(".new");
        let written = File::create(&new).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, &place)
        });
        written.map_err(|e| Error::io(path, e))
    }

    /// Refuses voices that another model has enrolled, and damaged ones. `path` stands in the error.
    ///
    /// # Errors
    /// [`Error::Model`] naming both models, or the voice.
    pub fn check(&self, encoder: &dyn SpeakerEncoder, path: &Path) -> Result<()> {
        let size = |voice: &Voice| voice.embedding.values().len();
        let broken = |voice: &&Voice| {
            let values = voice.embedding.values();
            values.iter().any(|x| !x.is_finite())
                || values.iter().all(|x| *x == 0.0)
                || size(voice) != size(&self.voice[0])
        };
        if let Some(voice) = self.voice.iter().find(broken) {
            return Err(Error::model(path, format!("the embedding of `{}` is damaged: enrol it again", voice.name)));
        }
        if self.model == encoder.name() {
            return Ok(());
        }
        let reason =
            format!("these voices are of the model `{}`, not of `{}`: enrol them again", self.model, encoder.name());
        Err(Error::model(path, reason))
    }

    /// Enrols a voice from utterances at the encoder's rate; a voice of the same name is replaced.
    ///
    /// # Errors
    /// [`Error::Invalid`] without utterances, or for one that is too short or silent; for a name that is none.
    pub fn enrol(&mut self, encoder: &dyn SpeakerEncoder, name: &str, utterances: &[Vec<f32>]) -> Result<()> {
        if name.trim().is_empty() || name.chars().any(char::is_control) {
            return Err(Error::invalid("a voice's name", "words in one line", format!("{name:?}")));
        }
        let loud = |samples: &&Vec<f32>| samples.iter().any(|x| x.abs() > AUDIBLE);
        if let Some(silent) = utterances.iter().position(|samples| !loud(&samples)) {
            return Err(Error::invalid(format!("utterance {}", silent + 1), "somebody's voice", "silence"));
        }
        let embeddings = utterances.iter().map(|samples| encoder.embed(samples)).collect::<Result<Vec<_>>>()?;
        let missing = || Error::invalid("utterances to enrol", "at least one", 0);
        let embedding = Embedding::mean(&embeddings).ok_or_else(missing)?;
        let samples = utterances.iter().map(Vec::len).sum::<usize>() as u64;
        let seconds = Samples(samples).ms(encoder.sample_rate()) / 1e3;
        self.voice.retain(|voice| voice.name != name);
        self.voice.push(Voice { name: name.to_owned(), seconds, embedding });
        Ok(())
    }

    /// The nearest voice, however near; none where there is none.
    pub fn nearest(&self, embedding: &Embedding) -> Option<Match<'_>> {
        let scored =
            self.voice.iter().map(|voice| Match { name: &voice.name, score: voice.embedding.cosine(embedding) });
        scored.max_by(|a, b| a.score.total_cmp(&b.score))
    }
}
