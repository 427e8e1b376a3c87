//! Connectionist temporal classification: from frames of token probabilities to text.

mod align;
mod beam;
mod config;
mod greedy;
mod hotwords;
mod hypothesis;
mod scorer;

use std::sync::Arc;

use crate::text::Tokenizer;
use crate::{Error, Result};

use super::ngram::Ngram;
pub use align::align;
use beam::Beam;
pub use config::{CtcConfig, LmUnit};
use greedy::Greedy;
pub use hotwords::Hotword;
pub(in crate::decode) use hotwords::Hotwords;
pub use hypothesis::{CtcToken, CtcWord, Hypothesis};
pub(in crate::decode) use scorer::{Context, Scorer};

/// A decoder, immutable and shared; each stream of frames has its own [`CtcStream`].
///
/// Prefix beam search (Hannun et al., "First-Pass Large Vocabulary Continuous Speech Recognition using
/// Bi-Directional Recurrent DNNs", 2014, algorithm 1) with shallow fusion: a prefix scores its CTC probability, times
/// the language model's to the power of `lm_weight`, times a bonus for each word. The frames of tokens are those of
/// the best alignment of a prefix. The work for a frame is bounded by `beam` times `top_tokens`.
#[derive(Clone, Debug)]
pub struct CtcDecoder {
    config: CtcConfig,
    scorer: Scorer,
}

impl CtcDecoder {
    /// A decoder of the tokenizer's pieces.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the config is out of range.
    pub fn new(config: CtcConfig, tokenizer: Arc<Tokenizer>) -> Result<Self> {
        config.check(tokenizer.len())?;
        let scorer = Scorer::new(&config, tokenizer);
        Ok(Self { config, scorer })
    }

    /// The same decoder with a language model.
    pub fn with_lm(mut self, model: Arc<Ngram>, unit: LmUnit) -> Self {
        self.scorer.set_model(model, unit);
        self
    }

    /// The language model, where it is one of words.
    pub fn word_model(&self) -> Option<&Ngram> {
        self.scorer.word_model()
    }

    /// The same decoder with words to be preferred. What a hotword adds counts while it is being spelled, and is
    /// taken back when it does not come to its end.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a hotword is empty or its boost is not a finite number.
    pub fn with_hotwords(mut self, hotwords: &[Hotword]) -> Result<Self> {
        self.scorer.hotwords = Hotwords::new(hotwords)?;
        Ok(self)
    }

    pub(in crate::decode) fn scorer(&self) -> &Scorer {
        &self.scorer
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.scorer.tokenizer
    }

    /// A decoder for one stream of frames.
    pub fn stream(self: &Arc<Self>) -> CtcStream {
        CtcStream { decoder: Arc::clone(self), frame: 0, search: self.search() }
    }

    fn search(&self) -> Search {
        if self.config.beam == 1 && self.scorer.is_plain() {
            Search::Greedy(Greedy::default())
        } else {
            Search::Beam(Box::new(Beam::new(&self.scorer)))
        }
    }

    /// Decodes all frames of a clip: log probabilities (frames, tokens).
    ///
    /// # Errors
    /// As [`CtcStream::push`].
    pub fn decode(self: &Arc<Self>, frames: &[f32]) -> Result<Hypothesis> {
        let mut stream = self.stream();
        stream.push(frames)?;
        Ok(stream.finish())
    }
}

#[derive(Clone, Debug)]
enum Search {
    Greedy(Greedy),
    Beam(Box<Beam>),
}

/// The decoder's state for one stream of frames. Any chunking of the frames gives the same hypotheses.
#[derive(Clone, Debug)]
pub struct CtcStream {
    decoder: Arc<CtcDecoder>,
    frame: usize,
    search: Search,
}

impl CtcStream {
    /// Takes natural log probabilities, (frames, tokens) row by row, and returns whether the best hypothesis has
    /// changed.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the length is no multiple of the number of tokens, or a value is no log probability:
    /// NaN, above zero, or minus infinity for all tokens of a frame. Nothing is taken in then.
    pub fn push(&mut self, frames: &[f32]) -> Result<bool> {
        let tokens = self.decoder.scorer.tokenizer.len();
        check_frames(frames, tokens, self.frame)?;
        let mut changed = false;
        for frame in frames.chunks_exact(tokens) {
            let decoder = &self.decoder;
            changed |= match &mut self.search {
                Search::Greedy(greedy) => greedy.step(frame, self.frame, &decoder.config, &decoder.scorer),
                Search::Beam(beam) => beam.step(frame, self.frame, &decoder.config, &decoder.scorer),
            };
            self.frame += 1;
        }
        Ok(changed)
    }

    /// The best hypothesis so far. Its last word may be open.
    pub fn partial(&self) -> Hypothesis {
        match &self.search {
            Search::Greedy(greedy) => greedy.hypothesis(),
            Search::Beam(beam) => beam.partial(),
        }
    }

    /// Ends the frames and returns the best hypothesis. The stream is then as new.
    pub fn finish(&mut self) -> Hypothesis {
        self.finish_all().into_iter().next().unwrap_or_default()
    }

    /// Ends the frames and returns all hypotheses that are still followed, the best first. The stream is then as
    /// new.
    pub fn finish_all(&mut self) -> Vec<Hypothesis> {
        let all = match &self.search {
            Search::Greedy(greedy) => vec![greedy.hypothesis()],
            Search::Beam(beam) => beam.finish(&self.decoder.scorer),
        };
        self.reset();
        all
    }

    /// Forgets all frames so far.
    pub fn reset(&mut self) {
        self.frame = 0;
        self.search = self.decoder.search();
    }

    /// How many frames were taken in.
    pub fn frames(&self) -> usize {
        self.frame
    }
}

pub(in crate::decode) fn check_frames(frames: &[f32], tokens: usize, first: usize) -> Result<()> {
    if !frames.len().is_multiple_of(tokens) {
        return Err(Error::invalid("frames", format!("a multiple of {tokens} values"), frames.len()));
    }
    for (at, frame) in frames.chunks_exact(tokens).enumerate() {
        let bad = frame.iter().find(|value| value.is_nan() || **value > ABOVE_ZERO);
        let none = frame.iter().all(|value| *value == f32::NEG_INFINITY);
        if bad.is_some() || none {
            let found = bad.map_or_else(|| "only minus infinity".to_owned(), f32::to_string);
            return Err(Error::invalid(format!("frame {}", first + at), "log probabilities", found));
        }
    }
    Ok(())
}

/// How far rounding may lift a log probability above zero.
const ABOVE_ZERO: f32 = 1e-2;
