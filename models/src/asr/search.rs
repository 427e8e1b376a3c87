/// A token that a decoder found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TimedToken {
    pub(super) id: u32,
    /// The first output frame of the token.
    pub(super) start: usize,
    /// The output frame after its last.
    pub(super) end: usize,
    /// The natural logarithm of its probability.
    pub(super) log_prob: f32,
}

/// The best token of each frame, with repetitions joined and blanks dropped.
pub(super) struct Greedy {
    vocab: usize,
    blank: usize,
    frames: usize,
    last: usize,
    tokens: Vec<TimedToken>,
}

impl Greedy {
    pub(super) fn new(vocab: usize, blank: usize) -> Self {
        Self { vocab, blank, frames: 0, last: blank, tokens: Vec::new() }
    }

    /// Takes whole frames of log probabilities (frame, token).
    pub(super) fn push(&mut self, log_probs: &[f32]) {
        for row in log_probs.chunks_exact(self.vocab) {
            let best = row.iter().enumerate().fold((0, f32::NEG_INFINITY), |best, (id, &p)| if p > best.1 { (id, p) } else { best });
            self.step(best.0, best.1);
        }
    }

    fn step(&mut self, id: usize, log_prob: f32) {
        let start = self.frames;
        self.frames += 1;
        let repeated = id == self.last;
        self.last = id;
        if id == self.blank {
            return;
        }
        match self.tokens.last_mut() {
            Some(token) if repeated => {
                token.end = self.frames;
                token.log_prob = token.log_prob.max(log_prob);
            }
            _ => self.tokens.push(TimedToken { id: id as u32, start, end: self.frames, log_prob }),
        }
    }

    pub(super) fn tokens(&self) -> &[TimedToken] {
        &self.tokens
    }

    pub(super) fn reset(&mut self) {
        *self = Self::new(self.vocab, self.blank);
    }
}
