//! Attention decoders: from a net that is asked for one token after another to text, jointly with CTC and language
//! models.
//!
//! Watanabe et al., "Hybrid CTC/attention architecture for end-to-end speech recognition", IEEE Journal of Selected
//! Topics in Signal Processing, 2017. Scorers are put together as in SpeechBrain's `ScorerBuilder`.

mod beam;
mod config;
mod ctc_prefix;
mod fusion;

pub use beam::{Reading, search};
pub use config::AttentionConfig;
pub use ctc_prefix::CtcPrefixScorer;
pub use fusion::FusionScorer;

use crate::Result;

/// The number that begins a sentence, as the last token, and ends it, as the next: that of the CTC blank, which is no
/// token that a decoder says.
pub const BOUNDARY: u32 = 0;

/// A hypothesis that goes on: what it was in the last step, and its new token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The number of the hypothesis that it goes on from.
    pub from: usize,
    /// The token, not [`BOUNDARY`].
    pub token: u32,
}

/// What a net says of the next token, of all hypotheses.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// Natural log probabilities, (hypotheses, tokens) row by row; [`BOUNDARY`] ends the sentence.
    pub log_probs: Vec<f32>,
    /// Where the net looked for it, (hypotheses, frames) row by row, each row of sum 1; empty for a language model.
    pub attention: Vec<f32>,
}

/// A net that says one token after another, for a batch of hypotheses whose states it keeps.
pub trait StepNet {
    /// Forgets all hypotheses but one without tokens.
    ///
    /// # Errors
    /// When the net fails.
    fn begin(&mut self) -> Result<()>;

    /// What it says of the next token of each hypothesis.
    ///
    /// # Errors
    /// When the net fails.
    fn say(&mut self) -> Result<Said>;

    /// Goes on with these hypotheses, in this order. Called after [`say`](Self::say).
    ///
    /// # Errors
    /// When the net fails.
    fn advance(&mut self, steps: &[Step]) -> Result<()>;
}

impl<N: StepNet + ?Sized> StepNet for &mut N {
    fn begin(&mut self) -> Result<()> {
        (**self).begin()
    }

    fn say(&mut self) -> Result<Said> {
        (**self).say()
    }

    fn advance(&mut self, steps: &[Step]) -> Result<()> {
        (**self).advance(steps)
    }
}

/// What scores tokens beside the decoder, for a batch of hypotheses whose states it keeps.
pub trait Scorer {
    /// Forgets all hypotheses but one without tokens.
    ///
    /// # Errors
    /// When a net fails.
    fn begin(&mut self) -> Result<()>;

    /// What the tokens that are asked about add to each hypothesis, as natural log probabilities or what counts like
    /// them: a row for each, with as many values as were asked for. Minus infinity forbids a token.
    ///
    /// # Errors
    /// When a net fails.
    fn score(&mut self, asked: &[Vec<u32>]) -> Result<Vec<Vec<f32>>>;

    /// Goes on with these hypotheses, in this order. Called after [`score`](Self::score).
    ///
    /// # Errors
    /// When a net fails.
    fn advance(&mut self, steps: &[Step]) -> Result<()>;

    /// Whether a score may be above zero: it then is no log probability.
    fn may_gain(&self) -> bool {
        false
    }
}

/// A language model as a scorer.
pub struct NetScorer<N> {
    net: N,
    temperature: f32,
}

impl<N> NetScorer<N> {
    /// A scorer whose net's logits are divided by a temperature.
    pub fn new(net: N, temperature: f32) -> Self {
        Self { net, temperature }
    }
}

impl<N: StepNet> Scorer for NetScorer<N> {
    fn begin(&mut self) -> Result<()> {
        self.net.begin()
    }

    fn score(&mut self, asked: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        let said = self.net.say()?.log_probs;
        let rows = said.chunks_exact((said.len() / asked.len().max(1)).max(1));
        let row = |(row, asked): (&[f32], &Vec<u32>)| {
            let row = soften(row, self.temperature);
            asked.iter().map(|token| row[*token as usize]).collect()
        };
        Ok(rows.zip(asked).map(row).collect())
    }

    fn advance(&mut self, steps: &[Step]) -> Result<()> {
        self.net.advance(steps)
    }
}

/// What a net would say whose logits were divided by a temperature.
fn soften(log_probs: &[f32], temperature: f32) -> Vec<f32> {
    let most = log_probs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let scaled = |log_prob: &f32| (log_prob - most) / temperature;
    let normaliser = log_probs.iter().map(|log_prob| scaled(log_prob).exp()).sum::<f32>().ln();
    log_probs.iter().map(|log_prob| scaled(log_prob) - normaliser).collect()
}

/// A scorer and how much it counts.
pub struct Weighted<'a> {
    /// The scorer.
    pub scorer: Box<dyn Scorer + 'a>,
    /// What its scores are multiplied by.
    pub weight: f32,
    /// Whether it is asked about all tokens, rather than about those that the others find the likeliest.
    pub full: bool,
}
