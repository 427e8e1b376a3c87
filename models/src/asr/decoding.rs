use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::card::{Bundle, LEXICON_ROLE, LM_ROLE, MODEL_ROLE, Origin, PHONES_ROLE};
use crate::decode::attention::AttentionConfig;
use crate::decode::ctc::{CtcConfig, CtcDecoder, CtcStream, CtcWord, Hotword, LmUnit};
use crate::decode::lexicon::{LexiconConfig, LexiconDecoder, LexiconStream, Phones};
use crate::decode::ngram::Ngram;
use crate::text::Tokenizer;
use crate::{Error, Result};

/// How a recogniser's probabilities become text, where the card's own way is not wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Decoding {
    /// The search over tokens; where it is missing, the card's, or the search over words where the bundle has what that
    /// takes.
    pub search: Option<CtcConfig>,
    /// The search over words by their phones; the card's where it is missing.
    pub lexicon: Option<LexiconConfig>,
    /// The second pass of a recogniser that has an attention decoder; the card's where it is missing.
    pub attention: Option<AttentionConfig>,
    /// Whether the bundle's language models are used, when it has any. A greedy search that the card does not ask for
    /// has no use for one.
    pub lm: bool,
    /// Words and phrases to be preferred.
    pub hotwords: Vec<Hotword>,
}

impl Default for Decoding {
    fn default() -> Self {
        Self { search: None, lexicon: None, attention: None, lm: true, hotwords: Vec::new() }
    }
}

impl Decoding {
    /// The best token of each frame, nothing else.
    pub fn greedy() -> Self {
        let (search, attention) = (Some(CtcConfig::greedy()), Some(AttentionConfig::none()));
        Self { search, attention, lm: false, ..Self::default() }
    }
}

/// The search that a card proposes for a CTC family, in its `params`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CtcParams {
    /// The number of the blank.
    pub blank: u32,
    /// The search; its blank counts for nothing.
    pub search: CtcConfig,
    /// What the words of the language model in the bundle are.
    pub lm_unit: LmUnit,
    /// The search over words, for a bundle with phones, a lexicon and a language model over words.
    pub lexicon: LexiconConfig,
    /// Frames of phones for each frame of tokens, where the file leaves open how many there are. Default: 2.
    pub phone_frames: usize,
    /// How the net that tells whether all was said was made, where the bundle has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finality: Option<Origin>,
}

impl Default for CtcParams {
    fn default() -> Self {
        let lexicon = LexiconConfig::default();
        Self { blank: 0, search: CtcConfig::greedy(), lm_unit: LmUnit::Word, lexicon, phone_frames: 2, finality: None }
    }
}

/// What a net says of some frames, as natural log probabilities.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogProbs {
    /// Of tokens: (frames, tokens) row by row.
    pub tokens: Vec<f32>,
    /// Of phones: (frames, phones) row by row, with more frames in a second; empty where the net has none.
    pub phones: Vec<f32>,
}

impl LogProbs {
    pub(super) fn append(&mut self, mut more: Self) {
        self.tokens.append(&mut more.tokens);
        self.phones.append(&mut more.phones);
    }
}

/// The decoder of a bundle.
#[derive(Clone)]
pub(super) enum Decoder {
    /// Over tokens.
    Tokens(Arc<CtcDecoder>),
    /// Over words by their phones.
    Words(Arc<LexiconDecoder>),
}

impl Decoder {
    /// The decoder that is asked for, else the one that the bundle allows.
    pub(super) fn open(bundle: &Bundle, tokenizer: Arc<Tokenizer>, wish: &Decoding) -> Result<Self> {
        let path = bundle.path(MODEL_ROLE)?;
        let params: CtcParams = bundle.card().params(&path)?;
        let by_words = bundle.has(LEXICON_ROLE) && bundle.has(PHONES_ROLE) && params.lm_unit == LmUnit::Word;
        let lm = || Ok::<_, Error>(Arc::new(Ngram::read(bundle.path(LM_ROLE)?)?));
        let with_lm = wish.lm && bundle.has(LM_ROLE);
        if by_words && with_lm && wish.search.is_none() {
            let (lexicon, phones) = (bundle.path(LEXICON_ROLE)?, bundle.path(PHONES_ROLE)?);
            let names = Phones::parse(&bundle.text(PHONES_ROLE)?).map_err(|e| Error::model(&phones, e.to_string()))?;
            let config = wish.lexicon.clone().unwrap_or(params.lexicon);
            let decoder = LexiconDecoder::new(config, &names, params.blank, &bundle.text(LEXICON_ROLE)?, lm()?);
            let decoder = decoder.map_err(|e| Error::model(&lexicon, e.to_string()))?;
            return Ok(Self::Words(Arc::new(decoder.with_hotwords(&wish.hotwords)?)));
        }
        let search = CtcConfig { blank: params.blank, ..wish.search.clone().unwrap_or(params.search) };
        let decoder = CtcDecoder::new(search, tokenizer).map_err(|e| Error::model(&path, e.to_string()))?;
        let decoder = if with_lm { decoder.with_lm(lm()?, params.lm_unit) } else { decoder };
        Ok(Self::Tokens(Arc::new(decoder.with_hotwords(&wish.hotwords)?)))
    }

    /// The same lexicon and language model, searched in another way; none where words are not searched for.
    pub(super) fn with_lexicon(&self, config: LexiconConfig) -> Option<Result<Self>> {
        let Self::Words(decoder) = self else { return None };
        Some(decoder.as_ref().clone().with_config(config).map(|decoder| Self::Words(Arc::new(decoder))))
    }

    /// The phones of a frame that it asks for; none where it asks for tokens.
    pub(super) fn phones(&self) -> Option<usize> {
        match self {
            Self::Tokens(_) => None,
            Self::Words(decoder) => Some(decoder.phones()),
        }
    }

    /// The language model, where there is one of words.
    pub(super) fn word_model(&self) -> Option<&Ngram> {
        match self {
            Self::Tokens(decoder) => decoder.word_model(),
            Self::Words(decoder) => Some(decoder.model()),
        }
    }

    pub(super) fn stream(&self) -> DecoderStream {
        match self {
            Self::Tokens(decoder) => DecoderStream::Tokens(decoder.stream()),
            Self::Words(decoder) => DecoderStream::Words(Box::new(decoder.stream())),
        }
    }
}

/// A decoder's state for one stream.
#[derive(Clone)]
pub(super) enum DecoderStream {
    Tokens(CtcStream),
    Words(Box<LexiconStream>),
}

impl DecoderStream {
    /// Takes what the net says. Returns whether the best hypothesis has changed.
    pub(super) fn push(&mut self, log_probs: &LogProbs) -> Result<bool> {
        match self {
            Self::Tokens(stream) => stream.push(&log_probs.tokens),
            Self::Words(stream) => stream.push(&log_probs.phones),
        }
    }

    /// The best words so far.
    pub(super) fn partial(&self, tokenizer: &Tokenizer) -> Vec<CtcWord> {
        match self {
            Self::Tokens(stream) => stream.partial().words(tokenizer),
            Self::Words(stream) => stream.partial().words,
        }
    }

    /// Ends the frames and returns the best words.
    pub(super) fn finish(&mut self, tokenizer: &Tokenizer) -> Vec<CtcWord> {
        match self {
            Self::Tokens(stream) => stream.finish().words(tokenizer),
            Self::Words(stream) => stream.finish().words,
        }
    }

    pub(super) fn reset(&mut self) {
        match self {
            Self::Tokens(stream) => stream.reset(),
            Self::Words(stream) => stream.reset(),
        }
    }
}
