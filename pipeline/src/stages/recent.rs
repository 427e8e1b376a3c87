use std::collections::VecDeque;

use rejoinder_models::units::{Position, Samples};

use super::listen::BLOCK;

/// The sound that was captured last, in blocks, and the detector's probability for each.
pub(crate) struct Recent {
    samples: VecDeque<f32>,
    probabilities: VecDeque<f32>,
    kept: usize,
}

impl Recent {
    /// Keeps at least the last `kept` samples.
    pub(crate) fn new(kept: Samples) -> Self {
        Self { samples: VecDeque::new(), probabilities: VecDeque::new(), kept: kept.0 as usize / BLOCK + 1 }
    }

    /// Takes a block.
    pub(crate) fn push(&mut self, block: &[f32], probability: f32) {
        self.samples.extend(block);
        self.probabilities.push_back(probability);
        let excess = self.probabilities.len().saturating_sub(self.kept);
        self.probabilities.drain(..excess);
        self.samples.drain(..excess * BLOCK);
    }

    /// When the oldest sample was captured, where the newest was at `now`.
    pub(crate) fn oldest(&self, now: Position) -> Position {
        Position(now.since(Position(self.samples.len() as u64)).0)
    }

    /// The last samples, as many of them as there are.
    pub(crate) fn last(&self, length: Samples) -> Vec<f32> {
        let length = self.samples.len().min(length.0 as usize);
        self.samples.range(self.samples.len() - length..).copied().collect()
    }

    /// The last blocks that hold `length`, as many of them as there are, and their probabilities.
    pub(crate) fn last_blocks(&self, length: Samples) -> (Vec<f32>, Vec<f32>) {
        let blocks = (length.0.div_ceil(BLOCK as u64) as usize).min(self.probabilities.len());
        let probabilities = self.probabilities.range(self.probabilities.len() - blocks..).copied().collect();
        (self.last(Samples((blocks * BLOCK) as u64)), probabilities)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_blocks_are_kept_and_no_more_is_given_than_there_is() {
        let mut recent = Recent::new(Samples(2 * BLOCK as u64));
        assert!(recent.last(Samples(100)).is_empty());
        for (block, probability) in [(1.0, 0.1), (2.0, 0.2), (3.0, 0.3), (4.0, 0.4)] {
            recent.push(&[block; BLOCK], probability);
        }
        let now = Position(4 * BLOCK as u64);
        assert_eq!(recent.oldest(now), Position(BLOCK as u64));
        assert_eq!(recent.last(Samples(2)), [4.0, 4.0]);
        assert_eq!(recent.last(Samples(1 << 20)).len(), 3 * BLOCK);
        let (sound, probabilities) = recent.last_blocks(Samples(BLOCK as u64 + 1));
        assert_eq!((sound.len(), &probabilities[..]), (2 * BLOCK, &[0.3, 0.4][..]));
    }
}
