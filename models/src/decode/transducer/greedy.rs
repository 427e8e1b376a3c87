//! The best token, until the blank is the best.

use crate::Result;
use crate::decode::ctc::{CtcToken, Hypothesis};

use super::{TransducerDecoder, TransducerNets, token};

#[derive(Clone, Debug)]
pub(super) struct Greedy<P> {
    predicted: P,
    tokens: Vec<CtcToken>,
    log_prob: f64,
}

impl<P: Clone> Greedy<P> {
    pub(super) fn new(predicted: P) -> Self {
        Self { predicted, tokens: Vec::new(), log_prob: 0.0 }
    }

    pub(super) fn step<N>(
        &mut self,
        frame: &[f32],
        at: usize,
        decoder: &TransducerDecoder,
        nets: &mut N,
    ) -> Result<bool>
    where
        N: TransducerNets<Predicted = P>,
    {
        let before = self.tokens.len();
        for _ in 0..decoder.max_symbols {
            let row = nets.log_probs(frame, &[&self.predicted])?;
            decoder.check(&row, at)?;
            let blank = decoder.config.blank;
            let mut best = (blank, row[blank as usize]);
            for (id, &log_prob) in (0..).zip(&row) {
                if log_prob > best.1 && decoder.scorer.emits(id) {
                    best = (id, log_prob);
                }
            }
            let (id, log_prob) = best;
            self.log_prob += f64::from(log_prob);
            if id == blank {
                break;
            }
            self.tokens.push(token(id, at, log_prob));
            self.predicted = nets.extend(&self.predicted, id)?;
        }
        Ok(self.tokens.len() > before)
    }

    pub(super) fn hypothesis(&self) -> Hypothesis {
        Hypothesis { tokens: self.tokens.clone(), log_prob: self.log_prob, score: self.log_prob }
    }
}
