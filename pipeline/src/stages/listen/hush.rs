use std::collections::VecDeque;

/// For how long it is remembered how quiet it was, in blocks of 10 ms: five seconds.
const KEPT: usize = 500;
/// What comes so shortly before speech or after it belongs to it, in blocks: 300 ms.
const MARGIN: usize = 30;
/// How much likelier speech is than what is heard without any.
const PLAINER: f32 = 4.0;

/// How far from speech that is what is heard while nobody speaks: in a quiet room a soft beginning is plain, in a loud
/// one noise passes for it.
#[derive(Default)]
pub(super) struct Hush {
    /// The detector's probabilities, the newest last.
    probabilities: VecDeque<f32>,
    /// How many blocks still belong to the speech before them.
    after_speech: usize,
}

impl Hush {
    /// Takes the probability of a block, and whether somebody speaks by the detector's events.
    pub(super) fn push(&mut self, probability: f32, speaking: bool) {
        if speaking {
            if self.after_speech == 0 {
                self.probabilities.truncate(self.probabilities.len().saturating_sub(MARGIN));
            }
            self.after_speech = MARGIN;
            return;
        }
        if self.after_speech > 0 {
            self.after_speech -= 1;
            return;
        }
        if self.probabilities.len() == KEPT {
            self.probabilities.pop_front();
        }
        self.probabilities.push_back(probability);
    }

    /// From which probability on sound is speech: `least` where it is quiet, and up to `most` where it is not, or where not
    /// enough was heard to tell.
    pub(super) fn threshold(&self, least: f32, most: f32) -> f32 {
        let settled = self.probabilities.len().saturating_sub(MARGIN);
        let loudest = self.probabilities.iter().take(settled).copied().reduce(f32::max);
        loudest.map_or(most, |loudest| PLAINER * loudest).clamp(least, most.max(least))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(hush: &mut Hush, blocks: usize, probability: f32, speaking: bool) -> f32 {
        (0..blocks).for_each(|_| hush.push(probability, speaking));
        (hush.threshold(0.1, 0.5) * 100.0).round()
    }

    #[test]
    fn quiet_lowers_the_threshold_and_noise_raises_it_for_a_while() {
        let mut hush = Hush::default();
        assert_eq!(heard(&mut hush, MARGIN, 0.01, false), 50.0);
        assert_eq!(heard(&mut hush, 1, 0.01, false), 10.0);
        assert_eq!(heard(&mut hush, 1, 0.1, false), 10.0);
        assert_eq!(heard(&mut hush, MARGIN, 0.01, false), 40.0);
        assert_eq!(heard(&mut hush, KEPT, 0.01, false), 10.0);
        assert_eq!(heard(&mut hush, KEPT, 0.9, false), 50.0);
        assert_eq!((hush.threshold(0.6, 0.5), hush.threshold(0.0, 0.5)), (0.6, 0.5));
    }

    #[test]
    fn the_edges_of_speech_are_no_noise() {
        let mut hush = Hush::default();
        heard(&mut hush, 100, 0.02, false);
        // A soft beginning, before it counts as speech, and what fades after it.
        assert_eq!(heard(&mut hush, MARGIN - 1, 0.3, false), 10.0);
        assert_eq!(heard(&mut hush, 200, 0.9, true), 10.0);
        assert_eq!(heard(&mut hush, MARGIN, 0.3, false), 10.0);
        assert_eq!(heard(&mut hush, 2 * MARGIN, 0.02, false), 10.0);
    }
}
