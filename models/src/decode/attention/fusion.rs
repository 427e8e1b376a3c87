//! What the search over CTC's frames asks beside them, asked by the search over tokens.

use std::sync::Arc;

use super::{BOUNDARY, Scorer, Step};
use crate::Result;
use crate::decode::ctc::{Context, CtcDecoder};

/// The n-gram model, the bonuses and the hotwords of a CTC decoder, with its weights. It forbids control pieces, and words
/// that the decoder's lexicon does not have.
pub struct FusionScorer {
    decoder: Arc<CtcDecoder>,
    contexts: Vec<Context>,
}

impl FusionScorer {
    /// A scorer for one utterance.
    pub fn new(decoder: Arc<CtcDecoder>) -> Self {
        let contexts = vec![decoder.scorer().begin()];
        Self { decoder, contexts }
    }
}

impl Scorer for FusionScorer {
    fn begin(&mut self) -> Result<()> {
        self.contexts = vec![self.decoder.scorer().begin()];
        Ok(())
    }

    fn score(&mut self, asked: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        let scorer = self.decoder.scorer();
        let score = |context: &Context, token: u32| {
            let sum = match token {
                BOUNDARY => scorer.finish(context),
                token if scorer.emits(token) => scorer.extend(context, token).map(|next| next.sum()),
                _ => None,
            };
            sum.map_or(f32::NEG_INFINITY, |sum| (sum - context.sum()) as f32)
        };
        let row = |(context, asked): (&Context, &Vec<u32>)| asked.iter().map(|token| score(context, *token)).collect();
        Ok(self.contexts.iter().zip(asked).map(row).collect())
    }

    fn advance(&mut self, steps: &[Step]) -> Result<()> {
        let scorer = self.decoder.scorer();
        let next = |step: &Step| {
            let before = &self.contexts[step.from];
            scorer.extend(before, step.token).unwrap_or_else(|| before.clone())
        };
        self.contexts = steps.iter().map(next).collect();
        Ok(())
    }

    fn may_gain(&self) -> bool {
        !self.decoder.scorer().is_plain()
    }
}
