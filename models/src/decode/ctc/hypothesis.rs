//! What was heard: tokens, words, text.

use crate::text::Tokenizer;

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
