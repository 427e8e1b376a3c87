//! Connectionist temporal classification: from frames of token probabilities to text.

mod align;
mod beam;
mod greedy;
mod hotwords;
mod scorer;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::text::Tokenizer;
use crate::{Error, Result};

use super::ngram::Ngram;
pub use align::align;
use beam::Beam;
use greedy::Greedy;
pub use hotwords::Hotword;
pub(in crate::decode) use hotwords::Hotwords;
pub(in crate::decode) use scorer::{Context, Scorer};

/// How frames are decoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CtcConfig {
    /// The number of the blank.
    pub blank: u32,
    /// How many prefixes are followed. With 1, and neither language model nor hotwords, the best token of each frame
    /// is taken.
    pub beam: usize,
    /// How many tokens of a frame are looked at, beside the blank.
    pub top_tokens: usize,
    /// Tokens of a frame are left out that are less probable than its best by more than this, in nats.
    pub token_margin: f32,
    /// Prefixes are dropped that are worse than the best by more than this, in nats.
    pub beam_margin: f32,
    /// What the language model's log probability is multiplied by.
    pub lm_weight: f32,
    /// What each word adds (each token, with a model over tokens), in nats.
    pub word_bonus: f32,
    /// What a word costs that the language model does not know, in nats, on top of its probability for `<unk>`; for
    /// a word of more than six characters, this for every six.
    pub unknown_penalty: f32,
    /// Whether only words that the language model knows may come out.
    pub lexicon_only: bool,
}

impl Default for CtcConfig {
    fn default() -> Self {
        Self {
            blank: 0,
            beam: 16,
            top_tokens: 24,
            token_margin: 12.0,
            beam_margin: 18.0,
            lm_weight: 0.5,
            word_bonus: 1.0,
            unknown_penalty: 6.0,
            lexicon_only: false,
        }
    }
}

impl CtcConfig {
    /// The best token of each frame, nothing else.
    pub fn greedy() -> Self {
        Self { beam: 1, ..Self::default() }
    }

    pub(in crate::decode) fn check(&self, tokens: usize) -> Result<()> {
        let wrong = |what: &str, expected: &str, found: String| Err(Error::invalid(what, expected, found));
        if self.blank as usize >= tokens {
            return wrong("blank", &format!("a number below {tokens}"), self.blank.to_string());
        }
        for (what, value) in [("beam", self.beam), ("top_tokens", self.top_tokens)] {
            if !(1..=10_000).contains(&value) {
                return wrong(what, "1 to 10000", value.to_string());
            }
        }
        for (what, value) in [("token_margin", self.token_margin), ("beam_margin", self.beam_margin)] {
            if value.is_nan() || value <= 0.0 {
                return wrong(what, "more than 0", value.to_string());
            }
        }
        let weights =
            [("lm_weight", self.lm_weight), ("word_bonus", self.word_bonus), ("unknown_penalty", self.unknown_penalty)];
        match weights.into_iter().find(|(_, value)| !value.is_finite()) {
            Some((what, value)) => wrong(what, "a finite number", value.to_string()),
            None => Ok(()),
        }
    }
}

/// What the language model's words are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LmUnit {
    /// Words as the tokenizer spells them, without `▁`.
    Word,
    /// The tokenizer's pieces.
    Piece,
}

/// A token that was heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CtcToken {
    /// Its number.
    pub id: u32,
    /// The frame in which it begins, counted from the beginning of the stream.
    pub start: usize,
    /// The frame after the last in which it is emitted.
    pub end: usize,
    /// Its highest log probability in these frames.
    pub log_prob: f32,
}

/// A word that was heard.
#[derive(Clone, Debug, PartialEq)]
pub struct CtcWord {
    /// The word.
    pub text: String,
    /// The frame in which it begins.
    pub start: usize,
    /// The frame after its last.
    pub end: usize,
    /// The geometric mean of its tokens' probabilities, 0 to 1.
    pub confidence: f32,
}

/// A reading of the frames.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hypothesis {
    /// The tokens, without blanks.
    pub tokens: Vec<CtcToken>,
    /// The natural logarithm of the probability of the tokens given the frames: of all alignments that were
    /// followed, or of the one alignment in greedy decoding.
    pub log_prob: f64,
    /// `log_prob` with what language model, word bonus and hotwords add.
    pub score: f64,
}

impl Hypothesis {
    /// The numbers of the tokens.
    pub fn ids(&self) -> Vec<u32> {
        self.tokens.iter().map(|token| token.id).collect()
    }

    /// The text.
    pub fn text(&self, tokenizer: &Tokenizer) -> String {
        tokenizer.decode(&self.ids())
    }

    /// The words, with their frames.
    pub fn words(&self, tokenizer: &Tokenizer) -> Vec<CtcWord> {
        let words = tokenizer.words(&self.ids()).into_iter();
        words
            .map(|word| {
                let tokens = &self.tokens[word.tokens];
                let (start, end) = (tokens.first().map_or(0, |t| t.start), tokens.last().map_or(0, |t| t.end));
                CtcWord { text: word.text, start, end, confidence: confidence(tokens) }
            })
            .collect()
    }

    /// The geometric mean of the tokens' probabilities, 0 to 1; 1 without tokens.
    pub fn confidence(&self) -> f32 {
        confidence(&self.tokens)
    }
}

fn confidence(tokens: &[CtcToken]) -> f32 {
    let sum: f32 = tokens.iter().map(|token| token.log_prob).sum();
    (sum / tokens.len().max(1) as f32).exp().clamp(0.0, 1.0)
}

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
