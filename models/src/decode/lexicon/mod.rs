//! From frames of phone probabilities to words, through a pronouncing lexicon and a language model.

mod context;
mod search;
mod trie;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::decode::ctc::{CtcWord, Hotword, check_frames};
use crate::decode::ngram::Ngram;
use crate::{Error, Result};

use context::Contexts;
use search::Search;
pub use trie::Phones;
use trie::Trie;

/// How frames are decoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LexiconConfig {
    /// How many hypotheses are followed.
    pub beam: usize,
    /// Hypotheses are dropped that are worse than the best by more than this, in nats.
    pub beam_margin: f32,
    /// Phones of a frame are left out that are less probable than its best by more than this, in nats.
    pub phone_margin: f32,
    /// What the language model's log probability is multiplied by.
    pub lm_weight: f32,
    /// What each word adds, in nats.
    pub word_bonus: f32,
}

impl Default for LexiconConfig {
    fn default() -> Self {
        Self { beam: 120, beam_margin: 16.0, phone_margin: 9.0, lm_weight: 1.0, word_bonus: 0.0 }
    }
}

impl LexiconConfig {
    fn check(&self) -> Result<()> {
        if !(1..=100_000).contains(&self.beam) {
            return Err(Error::invalid("beam", "1 to 100000", self.beam));
        }
        for (what, value) in [("beam_margin", self.beam_margin), ("phone_margin", self.phone_margin)] {
            if value.is_nan() || value <= 0.0 {
                return Err(Error::invalid(what, "more than 0", value));
            }
        }
        match [("lm_weight", self.lm_weight), ("word_bonus", self.word_bonus)].into_iter().find(|(_, v)| !v.is_finite())
        {
            Some((what, value)) => Err(Error::invalid(what, "a finite number", value)),
            None => Ok(()),
        }
    }
}

/// Words that were heard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpokenWords {
    /// The words with their frames.
    pub words: Vec<CtcWord>,
    /// The natural logarithm of the probability of their phones given the frames, over the alignments that were
    /// followed.
    pub log_prob: f64,
    /// `log_prob` with what language model, word bonus and hotwords add.
    pub score: f64,
}

/// A decoder, immutable and shared; each stream of frames has its own [`LexiconStream`].
///
/// Time-synchronous beam search over a tree of pronunciations, as in the lexicon decoder of wav2letter (Pratap et al.,
/// ICASSP 2019), with CTC prefix probabilities (Hannun et al., 2014) for the phones of the open word, look-ahead by the
/// best unigram of a subtree (Steinbiss, Tran and Ney, ICSLP 1994) and recombination of hypotheses whose future is the
/// same. The work for a frame is bounded by `beam`.
#[derive(Clone, Debug)]
pub struct LexiconDecoder {
    config: LexiconConfig,
    phones: usize,
    blank: u32,
    trie: Trie,
    contexts: Contexts,
}

impl LexiconDecoder {
    /// A decoder of the words that both lexicon and language model know. `lexicon` holds a word and its phones in
    /// each line.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the config is out of range, the blank is no phone's number, or a line of the lexicon
    /// is malformed.
    pub fn new(config: LexiconConfig, phones: &Phones, blank: u32, lexicon: &str, lm: Arc<Ngram>) -> Result<Self> {
        config.check()?;
        if blank as usize >= phones.len() {
            return Err(Error::invalid("blank", format!("a number below {}", phones.len()), blank));
        }
        let trie = Trie::new(lexicon, phones, blank, &lm)?;
        let contexts = Contexts::new(&config, lm);
        Ok(Self { config, phones: phones.len(), blank, trie, contexts })
    }

    /// The same decoder with words to be preferred.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a hotword is empty, its boost is not a finite number, or a word of it is not in the
    /// lexicon, so that it cannot be heard.
    pub fn with_hotwords(mut self, hotwords: &[Hotword]) -> Result<Self> {
        for word in hotwords.iter().flat_map(|hotword| hotword.text.split_whitespace()) {
            if !self.contexts.number(word).is_some_and(|number| self.trie.has(number)) {
                return Err(Error::invalid("hotword", "words of the recogniser's lexicon", format!("`{word}`")));
            }
        }
        self.contexts.set_hotwords(hotwords)?;
        Ok(self)
    }

    /// The same lexicon and language model, searched in another way.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the config is out of range.
    pub fn with_config(mut self, config: LexiconConfig) -> Result<Self> {
        config.check()?;
        self.contexts.configure(&config);
        self.config = config;
        Ok(self)
    }

    /// How many phones a frame has, the blank included.
    pub fn phones(&self) -> usize {
        self.phones
    }

    /// The language model.
    pub fn model(&self) -> &Ngram {
        self.contexts.model()
    }

    /// A decoder for one stream of frames.
    pub fn stream(self: &Arc<Self>) -> LexiconStream {
        LexiconStream { frame: 0, search: Search::new(&self.contexts), decoder: Arc::clone(self) }
    }

    /// Decodes all frames of a clip: log probabilities (frames, phones).
    ///
    /// # Errors
    /// As [`LexiconStream::push`].
    pub fn decode(self: &Arc<Self>, frames: &[f32]) -> Result<SpokenWords> {
        let mut stream = self.stream();
        stream.push(frames)?;
        Ok(stream.finish())
    }
}

/// The decoder's state for one stream of frames. Any chunking of the frames gives the same words.
#[derive(Clone, Debug)]
pub struct LexiconStream {
    decoder: Arc<LexiconDecoder>,
    frame: usize,
    search: Search,
}

impl LexiconStream {
    /// Takes natural log probabilities, (frames, phones) row by row, and returns whether the best words have changed.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the length is no multiple of the number of phones, or a value is no log probability.
    /// Nothing is taken in then.
    pub fn push(&mut self, frames: &[f32]) -> Result<bool> {
        let phones = self.decoder.phones;
        check_frames(frames, phones, self.frame)?;
        let mut changed = false;
        for frame in frames.chunks_exact(phones) {
            changed |= self.search.step(frame, self.frame as u32, &self.decoder);
            self.frame += 1;
        }
        Ok(changed)
    }

    /// The best words so far, without one that is still open.
    pub fn partial(&self) -> SpokenWords {
        self.search.partial(&self.decoder)
    }

    /// Ends the frames and returns the best words. The stream is then as new.
    pub fn finish(&mut self) -> SpokenWords {
        let words = self.search.finish(&self.decoder);
        self.reset();
        words
    }

    /// Forgets all frames so far.
    pub fn reset(&mut self) {
        self.frame = 0;
        self.search = Search::new(&self.decoder.contexts);
    }

    /// How many frames were taken in.
    pub fn frames(&self) -> usize {
        self.frame
    }
}
