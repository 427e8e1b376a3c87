//! CTC's probability of all texts that begin with a prefix.

use super::{BOUNDARY, Scorer, Step};
use crate::Result;
use crate::decode::ctc::check_frames;
use crate::decode::log_add;

/// CTC prefix scores (Watanabe et al., 2017, algorithm 2): the logarithm of the probability of all texts that begin with
/// the prefix and a token, less that of those that begin with the prefix.
pub struct CtcPrefixScorer {
    /// Log probabilities, (tokens, frames) row by row.
    log_probs: Vec<f32>,
    frames: usize,
    prefixes: Vec<Prefix>,
}

/// Forward variables of a prefix, for 0 to all frames.
#[derive(Clone)]
struct Prefix {
    last: Option<u32>,
    /// Of the alignments whose last frame is a blank.
    blank: Vec<f64>,
    /// Of all.
    all: Vec<f64>,
    /// The logarithm of the probability of all texts that begin so.
    log_prob: f64,
}

impl CtcPrefixScorer {
    /// A scorer for an utterance: natural log probabilities, (frames, tokens) row by row, the blank at [`BOUNDARY`].
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) when they are no log probabilities.
    pub fn new(log_probs: &[f32], tokens: usize) -> Result<Self> {
        check_frames(log_probs, tokens, 0)?;
        let frames = log_probs.len() / tokens;
        let mut turned = vec![0.0; log_probs.len()];
        for (frame, row) in log_probs.chunks_exact(tokens).enumerate() {
            for (token, value) in row.iter().enumerate() {
                turned[token * frames + frame] = *value;
            }
        }
        let mut scorer = Self { log_probs: turned, frames, prefixes: Vec::new() };
        scorer.prefixes = vec![scorer.empty()];
        Ok(scorer)
    }

    fn row(&self, token: u32) -> &[f32] {
        &self.log_probs[token as usize * self.frames..][..self.frames]
    }

    /// The prefix without tokens, which only blanks have led to.
    fn empty(&self) -> Prefix {
        let mut sum = 0.0;
        let sums = self.row(BOUNDARY).iter().map(|blank| {
            sum += f64::from(*blank);
            sum
        });
        let blank: Vec<f64> = std::iter::once(0.0).chain(sums).collect();
        Prefix { last: None, all: blank.clone(), blank, log_prob: 0.0 }
    }

    /// The logarithm of the probability of all texts that begin with the prefix and `token`: what leads to the prefix
    /// before a frame, times the token's probability in it, summed over the frames.
    fn log_prob(&self, prefix: &Prefix, token: u32) -> f64 {
        let before = prefix.before(token);
        let terms = || before.iter().zip(self.row(token)).map(|(before, now)| before + f64::from(*now));
        let most = terms().fold(f64::NEG_INFINITY, f64::max);
        if most == f64::NEG_INFINITY {
            return most;
        }
        most + terms().map(|term| (term - most).exp()).sum::<f64>().ln()
    }

    fn longer(&self, prefix: &Prefix, token: u32) -> Prefix {
        let (mut spoken, mut silent) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        let (mut blank, mut all) = (vec![silent; self.frames + 1], vec![silent; self.frames + 1]);
        let frames = self.row(token).iter().zip(self.row(BOUNDARY)).zip(prefix.before(token));
        for (at, ((now, blank_now), before)) in frames.enumerate() {
            let any = log_add(spoken, silent);
            spoken = log_add(spoken, *before) + f64::from(*now);
            silent = any + f64::from(*blank_now);
            (blank[at + 1], all[at + 1]) = (silent, log_add(spoken, silent));
        }
        Prefix { last: Some(token), blank, all, log_prob: self.log_prob(prefix, token) }
    }
}

impl Prefix {
    /// What leads to the prefix before each frame, where `token` may be the next: the same token again needs a blank
    /// between.
    fn before(&self, token: u32) -> &[f64] {
        if self.last == Some(token) { &self.blank } else { &self.all }
    }
}

impl Scorer for CtcPrefixScorer {
    fn begin(&mut self) -> Result<()> {
        self.prefixes = vec![self.empty()];
        Ok(())
    }

    fn score(&mut self, asked: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        let score = |prefix: &Prefix, token: u32| {
            let log_prob = match token {
                BOUNDARY => prefix.all[self.frames],
                token => self.log_prob(prefix, token),
            };
            (log_prob - prefix.log_prob) as f32
        };
        let row = |(prefix, asked): (&Prefix, &Vec<u32>)| asked.iter().map(|token| score(prefix, *token)).collect();
        Ok(self.prefixes.iter().zip(asked).map(row).collect())
    }

    fn advance(&mut self, steps: &[Step]) -> Result<()> {
        self.prefixes = steps.iter().map(|step| self.longer(&self.prefixes[step.from], step.token)).collect();
        Ok(())
    }
}
