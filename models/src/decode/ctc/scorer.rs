//! What language model, lexicon and hotwords say of a prefix.

use std::sync::Arc;

use crate::decode::ngram::{Ngram, State};
use crate::text::{Tokenizer, WORD_BOUNDARY};

use super::hotwords::Hotwords;
use super::{CtcConfig, LmUnit};

/// The characters of a usual word, as in pyctcdecode's `AVG_TOKEN_LEN`.
const USUAL_WORD: f64 = 6.0;

/// All that the search asks beside the frames; immutable.
#[derive(Clone, Debug)]
pub(in crate::decode) struct Scorer {
    pub(in crate::decode) tokenizer: Arc<Tokenizer>,
    pub(in crate::decode) hotwords: Hotwords,
    model: Option<(Arc<Ngram>, LmUnit)>,
    /// For each token its number in a model over pieces.
    piece_ids: Vec<u32>,
    weight: f64,
    bonus: f64,
    unknown_penalty: f64,
    lexicon_only: bool,
    emits: Vec<bool>,
    /// In characters.
    longest_piece: usize,
}

/// What is known of a prefix.
#[derive(Clone, Debug)]
pub(in crate::decode) struct Context {
    /// What counts for good.
    permanent: f64,
    /// What counts as long as the last word is open.
    pending: f64,
    state: State,
    word: Box<str>,
    hotword: u32,
}

impl Context {
    pub(in crate::decode) fn sum(&self) -> f64 {
        self.permanent + self.pending
    }
}

impl Scorer {
    pub(in crate::decode) fn new(config: &CtcConfig, tokenizer: Arc<Tokenizer>) -> Self {
        let longest_piece = tokenizer.pieces().iter().map(|piece| piece.chars().count()).max().unwrap_or(0);
        let emits = (0..tokenizer.len() as u32).map(|id| id != config.blank && !tokenizer.is_special(id)).collect();
        Self {
            tokenizer,
            hotwords: Hotwords::default(),
            model: None,
            piece_ids: Vec::new(),
            weight: config.lm_weight.into(),
            bonus: config.word_bonus.into(),
            unknown_penalty: config.unknown_penalty.into(),
            lexicon_only: config.lexicon_only,
            emits,
            longest_piece,
        }
    }

    pub(in crate::decode) fn set_model(&mut self, model: Arc<Ngram>, unit: LmUnit) {
        self.piece_ids = self.tokenizer.pieces().iter().map(|piece| model.id(piece)).collect();
        self.model = Some((model, unit));
    }

    /// The language model, where it is one of words.
    pub(in crate::decode) fn word_model(&self) -> Option<&Ngram> {
        let (model, unit) = self.model.as_ref()?;
        (*unit == LmUnit::Word).then_some(model)
    }

    /// Whether the frames alone decide.
    pub(in crate::decode) fn is_plain(&self) -> bool {
        self.model.is_none() && self.hotwords.is_empty()
    }

    /// Whether a token can come out: neither the blank nor another control piece.
    pub(in crate::decode) fn emits(&self, id: u32) -> bool {
        self.emits[id as usize]
    }

    pub(in crate::decode) fn begin(&self) -> Context {
        let state = self.model.as_ref().map(|(model, _)| model.begin()).unwrap_or_default();
        Context { permanent: 0.0, pending: 0.0, state, word: "".into(), hotword: self.hotwords.begin() }
    }

    /// The context after one more token; none when the lexicon does not allow it.
    pub(in crate::decode) fn extend(&self, context: &Context, id: u32) -> Option<Context> {
        let piece = self.tokenizer.piece(id).unwrap_or_default();
        let mut next = Context { pending: 0.0, ..context.clone() };
        match &self.model {
            Some((model, LmUnit::Piece)) => {
                let (log_prob, state) = model.score(&context.state, self.piece_ids[id as usize]);
                next.permanent += self.weight * f64::from(log_prob) + self.bonus;
                next.state = state;
            }
            Some((model, LmUnit::Word)) => {
                let rest = match piece.strip_prefix(WORD_BOUNDARY) {
                    Some(rest) => {
                        self.close_word(model, &mut next)?;
                        rest
                    }
                    None => piece,
                };
                next.word = format!("{}{rest}", next.word).into();
                if !model.knows_start(&next.word) {
                    if self.lexicon_only {
                        return None;
                    }
                    next.pending -= self.unknown(&next.word);
                }
            }
            None => {}
        }
        if !self.hotwords.is_empty() {
            let (state, done) = self.hotwords.advance(context.hotword, piece);
            next.hotword = state;
            next.permanent += f64::from(done);
            next.pending += f64::from(self.hotwords.pending(state));
        }
        Some(next)
    }

    /// What an unknown word costs. Without a share for its length, words would run together into one unknown word.
    fn unknown(&self, word: &str) -> f64 {
        self.unknown_penalty * (word.chars().count() as f64 / USUAL_WORD).max(1.0)
    }

    /// The most that one more token can make of a context's sum.
    pub(in crate::decode) fn most(&self, context: &Context) -> f64 {
        let gain = if self.unknown_penalty < 0.0 { f64::INFINITY } else { self.bonus.max(0.0) };
        let word = if self.model.is_some() { gain } else { 0.0 };
        let hotwords = self.hotwords.most() * self.longest_piece as f64;
        let lm = if self.weight < 0.0 { f64::INFINITY } else { 0.0 };
        context.permanent + context.pending.max(0.0) + word + hotwords + lm
    }

    /// Scores the open word; none when the lexicon does not have it.
    fn close_word(&self, model: &Ngram, context: &mut Context) -> Option<()> {
        let word = std::mem::take(&mut context.word);
        if word.is_empty() {
            return Some(());
        }
        let known = model.knows(&word);
        if !known && self.lexicon_only {
            return None;
        }
        let (log_prob, state) = model.score(&context.state, model.id(&word));
        let penalty = if known { 0.0 } else { self.unknown(&word) };
        context.permanent += self.weight * f64::from(log_prob) + self.bonus - penalty;
        context.state = state;
        Some(())
    }

    /// What all adds up to when the text ends here; none when the lexicon does not have the last word.
    pub(in crate::decode) fn finish(&self, context: &Context) -> Option<f64> {
        let mut last = context.clone();
        if let Some((model, unit)) = &self.model {
            if *unit == LmUnit::Word {
                self.close_word(model, &mut last)?;
            }
            last.permanent += self.weight * f64::from(model.score_end(&last.state));
        }
        let (_, done) = self.hotwords.advance(context.hotword, "▁");
        Some(last.permanent + f64::from(done))
    }
}
