//! The best token of each frame.

use super::scorer::Scorer;
use super::{CtcConfig, CtcToken, Hypothesis};

#[derive(Clone, Debug, Default)]
pub(super) struct Greedy {
    tokens: Vec<CtcToken>,
    open: bool,
    log_prob: f64,
}

impl Greedy {
    pub(super) fn step(&mut self, frame: &[f32], at: usize, config: &CtcConfig, scorer: &Scorer) -> bool {
        let mut best = (config.blank, frame[config.blank as usize]);
        for (id, &log_prob) in (0..).zip(frame) {
            if log_prob > best.1 && scorer.emits(id) {
                best = (id, log_prob);
            }
        }
        let (id, log_prob) = best;
        self.log_prob += f64::from(log_prob);
        if id == config.blank {
            self.open = false;
            return false;
        }
        match self.tokens.last_mut() {
            Some(last) if self.open && last.id == id => {
                last.end = at + 1;
                last.log_prob = last.log_prob.max(log_prob);
                false
            }
            _ => {
                self.tokens.push(CtcToken { id, start: at, end: at + 1, log_prob });
                self.open = true;
                true
            }
        }
    }

    pub(super) fn hypothesis(&self) -> Hypothesis {
        Hypothesis { tokens: self.tokens.clone(), log_prob: self.log_prob, score: self.log_prob }
    }
}
