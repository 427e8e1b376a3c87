use rejoinder_models::tts::phones;

use super::gaussians::{Accumulator, Gaussians, log_add};
use super::{Alignment, STATES, Utterance};

const NEVER: f32 = f32::NEG_INFINITY;

/// The states of an utterance in a row, and from where each may be entered.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    states: Vec<usize>,
    /// Besides itself, the state before, and the one before a silence that may be left out.
    skips: Vec<Option<usize>>,
    /// For each position, the number of its phone, none in silence.
    phone: Vec<Option<usize>>,
    distinct: Vec<usize>,
    slot: Vec<usize>,
}

impl Chain {
    pub(super) fn new(words: &[Vec<u8>]) -> Self {
        let mut chain =
            Self { states: Vec::new(), skips: Vec::new(), phone: Vec::new(), distinct: Vec::new(), slot: Vec::new() };
        let mut number = 0;
        chain.push(phones::SILENCE, None, None);
        for word in words {
            let mut skip = (number > 0).then(|| chain.states.len() - STATES - 1);
            for &phone in word {
                chain.push(phones::without_stress(phone), Some(number), skip.take());
                number += 1;
            }
            chain.push(phones::SILENCE, None, None);
        }
        chain.distinct = chain.states.clone();
        chain.distinct.sort_unstable();
        chain.distinct.dedup();
        let slot = |state: &usize| chain.distinct.binary_search(state).unwrap_or(0);
        chain.slot = chain.states.iter().map(slot).collect();
        chain
    }

    fn push(&mut self, phone: u8, number: Option<usize>, skip: Option<usize>) {
        for state in 0..STATES {
            self.states.push(usize::from(phone) * STATES + state);
            self.skips.push(if state == 0 { skip } else { None });
            self.phone.push(number);
        }
    }

    /// Log densities, `[frames, distinct states]`.
    fn densities(&self, utterance: &Utterance, models: &Gaussians) -> Vec<f32> {
        let frames = 0..utterance.frames();
        frames.flat_map(|t| self.distinct.iter().map(move |&s| models.state(s, utterance.frame(t)))).collect()
    }

    fn density(&self, densities: &[f32], t: usize, at: usize) -> f32 {
        densities[t * self.distinct.len() + self.slot[at]]
    }

    /// The last state, or the last phone's when the silence at the end is left out.
    fn ends(&self) -> [usize; 2] {
        let last = self.states.len() - 1;
        [last, last - STATES]
    }

    /// The first state, or the first phone's when the silence at the beginning is left out.
    fn starts(&self) -> [usize; 2] {
        [0, STATES]
    }

    fn fits(&self, utterance: &Utterance) -> bool {
        let needed = self.phone.iter().filter(|p| p.is_some()).count();
        needed > 0 && utterance.frames() >= needed
    }

    /// `[frames, states]`.
    fn forward(&self, frames: usize, densities: &[f32]) -> Vec<f32> {
        let n = self.states.len();
        let mut alpha = vec![NEVER; frames * n];
        for start in self.starts() {
            alpha[start] = self.density(densities, 0, start);
        }
        for t in 1..frames {
            let (before, now) = alpha[(t - 1) * n..].split_at_mut(n);
            for at in 0..n {
                let mut sum = before[at];
                if at > 0 {
                    sum = log_add(sum, before[at - 1]);
                }
                if let Some(skip) = self.skips[at] {
                    sum = log_add(sum, before[skip]);
                }
                if sum > NEVER {
                    now[at] = sum + self.density(densities, t, at);
                }
            }
        }
        alpha
    }

    fn backward(&self, frames: usize, densities: &[f32]) -> Vec<f32> {
        let n = self.states.len();
        let mut beta = vec![NEVER; frames * n];
        for end in self.ends() {
            beta[(frames - 1) * n + end] = 0.0;
        }
        for t in (0..frames - 1).rev() {
            let (now, after) = beta[t * n..].split_at_mut(n);
            for at in 0..n {
                let through = after[at] + self.density(densities, t + 1, at);
                now[at] = log_add(now[at], through);
                if at > 0 {
                    now[at - 1] = log_add(now[at - 1], through);
                }
                if let Some(skip) = self.skips[at] {
                    now[skip] = log_add(now[skip], through);
                }
            }
        }
        beta
    }

    /// Adds the utterance's expected counts.
    pub(super) fn accumulate(&self, utterance: &Utterance, models: &Gaussians, sum: &mut Accumulator) {
        let frames = utterance.frames();
        if !self.fits(utterance) {
            return;
        }
        let densities = self.densities(utterance, models);
        let (alpha, beta) = (self.forward(frames, &densities), self.backward(frames, &densities));
        let n = self.states.len();
        let total = self.ends().iter().fold(NEVER, |s, &end| log_add(s, alpha[(frames - 1) * n + end]));
        if !total.is_finite() {
            return;
        }
        sum.add_likelihood(f64::from(total), frames);
        for t in 0..frames {
            for at in 0..n {
                let log_posterior = alpha[t * n + at] + beta[t * n + at] - total;
                if log_posterior > -7.0 {
                    self.share(utterance.frame(t), self.states[at], log_posterior.exp(), models, sum);
                }
            }
        }
    }

    fn share(&self, frame: &[f32], state: usize, posterior: f32, models: &Gaussians, sum: &mut Accumulator) {
        if models.components() == 1 {
            sum.add(state, 0, f64::from(posterior), frame);
            return;
        }
        let whole = models.state(state, frame);
        for component in 0..models.components() {
            let part = (models.component(state, component, frame) - whole).exp();
            sum.add(state, component, f64::from(posterior * part), frame);
        }
    }

    /// The best path.
    pub(super) fn best(&self, utterance: &Utterance, models: &Gaussians) -> Option<Alignment> {
        let (frames, n) = (utterance.frames(), self.states.len());
        if !self.fits(utterance) {
            return None;
        }
        let densities = self.densities(utterance, models);
        let mut score = vec![NEVER; n];
        self.starts().iter().for_each(|&s| score[s] = self.density(&densities, 0, s));
        let mut back = vec![0usize; frames * n];
        for t in 1..frames {
            let mut next = vec![NEVER; n];
            for at in 0..n {
                let options = [Some(at), at.checked_sub(1), self.skips[at]];
                let best = options.into_iter().flatten().max_by(|&a, &b| score[a].total_cmp(&score[b]))?;
                back[t * n + at] = best;
                next[at] = score[best] + self.density(&densities, t, at);
            }
            score = next;
        }
        let mut at = self.ends().into_iter().max_by(|&a, &b| score[a].total_cmp(&score[b]))?;
        let total = score[at];
        if !total.is_finite() {
            return None;
        }
        let count = self.phone.iter().flatten().max()? + 1;
        let mut phones = vec![(frames, 0); count];
        for t in (0..frames).rev() {
            if let Some(phone) = self.phone[at] {
                phones[phone].0 = phones[phone].0.min(t);
                phones[phone].1 = phones[phone].1.max(t + 1);
            }
            at = back[t * n + at];
        }
        Some(Alignment { phones, score: (100.0 * total / frames as f32) as i64 })
    }
}
