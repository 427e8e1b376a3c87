//! Speech to text, as a stream.

pub(crate) mod carry;
mod chunked_stream;
mod chunker;
pub mod conformer_attention;
pub mod conformer_ctc;
pub mod conformer_transducer;
mod decoding;
mod encoder;
pub mod finality;
mod step_model;
mod transducer_nets;
mod words;

pub use conformer_attention::{AttentionParams, ConformerAttention};
pub use conformer_ctc::ConformerCtc;
pub use conformer_transducer::{ConformerTransducer, TransducerParams};
pub use decoding::{CtcParams, Decoding, LogProbs};
pub use finality::{EncoderStates, StatesStream};

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::units::{SampleRate, Samples};

/// A word and when it was spoken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// The word as it stands in the text.
    pub text: String,
    /// Its beginning, in samples of 16 kHz since the stream began.
    pub start: Samples,
    /// Its end, likewise.
    pub end: Samples,
    /// The recogniser's own probability for it, 0 to 1.
    pub confidence: f32,
}

/// What was heard so far, or in all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transcript {
    /// The text.
    pub text: String,
    /// The words of the text, in order.
    pub words: Vec<Word>,
    /// How much likelier a sentence ends here than after any word, as a ratio of odds; 1 where the recogniser has no
    /// language model over words.
    pub ending: f32,
    /// The log-odds that the speaker has said all, by the recogniser's own states; none where it has no net for that, and
    /// in a transcript that is not asked for up to the end of the sound.
    pub finality: Option<f32>,
}

impl Default for Transcript {
    fn default() -> Self {
        Self { text: String::new(), words: Vec::new(), ending: 1.0, finality: None }
    }
}

/// A streaming recogniser: immutable and shared; each stream of audio has its own [`RecognizerStream`].
pub trait Recognizer: Send + Sync {
    /// The model's name, as its card gives it.
    fn name(&self) -> &str;

    /// A recogniser for one stream of audio.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) when the engine cannot make one.
    fn stream(&self) -> Result<Box<dyn RecognizerStream>>;
}

/// The recogniser's state for one stream of audio. Any chunking of the audio gives the same final text.
pub trait RecognizerStream: Send {
    /// The rate of the audio that it takes.
    fn sample_rate(&self) -> SampleRate {
        SampleRate::INTERNAL
    }

    /// Takes mono samples in [-1, 1], in pieces of any length. Returns true when the partial transcript has changed.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) when a model run fails; [`reset`](Self::reset) makes the stream
    /// usable again.
    fn push(&mut self, samples: &[f32]) -> Result<bool>;

    /// The transcript so far. It may still change.
    fn partial(&self) -> Transcript;

    /// What [`flush`](Self::flush) would give now; the stream goes on as if it had not been asked.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    fn preview(&mut self) -> Result<Transcript>;

    /// Ends the audio and returns the final transcript. The stream is then as new.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    fn flush(&mut self) -> Result<Transcript>;

    /// Forgets all audio so far.
    fn reset(&mut self);

    /// How far the transcript trails the audio at the most.
    fn delay(&self) -> Samples;
}

/// The transcript of a whole clip of mono samples in [-1, 1], at the rate that the recogniser's streams take. It is
/// that of a stream of the clip.
///
/// # Errors
/// As [`RecognizerStream::push`].
pub fn transcribe(recognizer: &dyn Recognizer, samples: &[f32]) -> Result<Transcript> {
    let mut stream = recognizer.stream()?;
    stream.push(samples)?;
    stream.flush()
}
