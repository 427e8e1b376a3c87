use serde::{Deserialize, Serialize};

use crate::{Error, Result};

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
