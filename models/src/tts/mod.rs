//! Text to speech, as a stream of audio with word marks.

pub mod excitation;
pub mod frontend;
pub mod g2p;
pub mod lexicon;
pub mod phones;
pub mod rejoinder;
pub mod source_filter;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::card::Bundle;
use crate::runtime::Runtime;
use crate::units::{SampleRate, Samples};
use crate::{Error, Result};

/// When a word of the given text sounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WordMark {
    /// The word as it stands in the text given, with its punctuation.
    pub text: String,
    /// The byte offset in the text given just after the word.
    pub text_end: usize,
    /// Its beginning, in samples of the synthesizer's rate since the utterance began.
    pub start: Samples,
    /// Its end, likewise.
    pub end: Samples,
}

/// A piece of synthesized speech.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpeechChunk {
    /// Mono samples in [-1, 1].
    pub samples: Vec<f32>,
    /// The words that begin in this piece.
    pub words: Vec<WordMark>,
}

/// A synthesizer: immutable and shared.
pub trait Synthesizer: Send + Sync {
    /// The model's name, as its card gives it.
    fn name(&self) -> &str;

    /// The rate of the audio that it makes.
    fn sample_rate(&self) -> SampleRate;

    /// Begins to speak a clause or a sentence. Text without anything to pronounce gives an utterance without audio.
    ///
    /// # Errors
    /// [`Error::Engine`] when a model run fails.
    fn speak(&self, text: &str) -> Result<Box<dyn Utterance>>;
}

/// One utterance on its way out. Dropping it ends the work.
pub trait Utterance: Send {
    /// The next piece, or none at the end.
    ///
    /// # Errors
    /// [`Error::Engine`] when a model run fails; the utterance is then at its end.
    fn next_chunk(&mut self) -> Result<Option<SpeechChunk>>;
}

/// Opens a bundle as the family that its card names.
///
/// # Errors
/// [`Error::Model`] for another task or a family that is not known here, or a bundle that does not keep its contract.
pub fn open(bundle: &Bundle, runtime: &dyn Runtime) -> Result<Arc<dyn Synthesizer>> {
    match bundle.card().family.as_str() {
        rejoinder::FAMILY => Ok(Arc::new(rejoinder::RejoinderVoice::open(bundle, runtime)?)),
        other => {
            let known = rejoinder::FAMILY;
            Err(Error::model(bundle.root(), format!("family: expected a synthesizer ({known}), found `{other}`")))
        }
    }
}
