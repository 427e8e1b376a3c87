use std::collections::VecDeque;

use rejoinder_models::turn::{Signs, TurnDetector, TurnStream};
use rejoinder_models::units::{Position, SampleRate, Samples};

use crate::Result;
use crate::event::EventKind;
use crate::turn::{EndRule, Outlook};

/// A pause is looked at when it has lasted so long, and again each time that it has lasted so much longer, and as soon as it may be
/// the end.
const STEP: Samples = Samples(SampleRate::INTERNAL.get() as u64 / 20);
/// How many looks at a pause are averaged: what a detector says of the same words changes a little from look to look.
const AVERAGED: usize = 3;
/// Log-odds beyond this, a probability of 0.92, are no surer: a detector that learnt from statements is as certain of
/// questions, whose melody it takes for that of a clause, and words have to be able to tell it.
const SUREST: f32 = 2.5;

/// What the recogniser tells of the words up to a pause.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    /// How well they end by its language model, as a ratio of odds.
    pub(crate) ending: f32,
    /// The log-odds that they are all, by its encoder's states, where it has a net for that.
    pub(crate) finality: Option<f32>,
}

/// Asks a detector of turn ends as a pause grows longer.
pub(crate) struct Ending {
    stream: Box<dyn TurnStream>,
    window: Samples,
    rule: EndRule,
    /// The pause that was looked at last, how many steps long it was, and whether it may have been the end.
    looked: Option<(Position, u64, bool)>,
    /// The log-odds of its last looks.
    log_odds: VecDeque<f32>,
}

impl Ending {
    pub(crate) fn new(detector: &dyn TurnDetector, rule: EndRule) -> Result<Self> {
        Ok(Self {
            stream: detector.stream()?,
            window: detector.window(),
            rule,
            looked: None,
            log_odds: VecDeque::new(),
        })
    }

    /// How much of a turn the detector hears.
    pub(crate) fn window(&self) -> Samples {
        self.window
    }

    /// Whether a pause that began at `stopped` is to be looked at now.
    pub(crate) fn is_due(&mut self, stopped: Position, now: Position) -> bool {
        let silence = now.since(stopped);
        let look = Some((stopped, silence.0 / STEP.0, silence >= self.rule.after));
        let due = self.looked != look && silence >= STEP;
        if due {
            if self.looked.is_none_or(|(pause, ..)| pause != stopped) {
                self.log_odds.clear();
            }
            self.looked = look;
        }
        due
    }

    /// How likely it is that the turn is over, by its sound in the last looks at the pause and, where the recogniser has
    /// heard all up to the pause, by what that tells; and what follows for a turn that had lasted for `spoken` before a
    /// pause of `silence`.
    pub(crate) fn judge(
        &mut self,
        sound: &[f32],
        (spoken, silence): (Samples, Samples),
        told: Option<Told>,
    ) -> Result<(EventKind, Outlook)> {
        let look = self.stream.probability(sound)?;
        let sound = self.average(look);
        let (ending, finality) = (told.map(|told| told.ending), told.and_then(|told| told.finality));
        let probability = Signs { sound, ending, finality }.probability();
        let outlook = self.rule.outlook(probability, spoken, silence);
        Ok((EventKind::Paused { probability, sound, ending, finality }, outlook))
    }

    /// The mean of the log-odds of this look and those before it, as a probability.
    fn average(&mut self, probability: f32) -> f32 {
        if self.log_odds.len() == AVERAGED {
            self.log_odds.pop_front();
        }
        self.log_odds.push_back((probability / (1.0 - probability)).ln().clamp(-SUREST, SUREST));
        let mean = self.log_odds.iter().sum::<f32>() / self.log_odds.len() as f32;
        1.0 / (1.0 + (-mean).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Loudness;

    impl TurnDetector for Loudness {
        fn name(&self) -> &'static str {
            "loudness"
        }
        fn window(&self) -> Samples {
            Samples(16_000)
        }
        fn stream(&self) -> rejoinder_models::Result<Box<dyn TurnStream>> {
            Ok(Box::new(Self))
        }
    }

    impl TurnStream for Loudness {
        fn probability(&mut self, sound: &[f32]) -> rejoinder_models::Result<f32> {
            Ok(sound.iter().fold(0.0, |most: f32, sample| most.max(*sample)))
        }
    }

    #[test]
    fn each_step_of_each_pause_is_looked_at_once() {
        let mut ending = Ending::new(&Loudness, EndRule { threshold: 0.6, ..EndRule::default() }).unwrap();
        let looks = |ending: &mut Ending, stopped: u64, times: std::ops::Range<u64>| {
            times.filter(|block| ending.is_due(Position(stopped), Position(stopped + block * 160))).count()
        };
        assert_eq!(looks(&mut ending, 800, 0..26), 5);
        assert_eq!(looks(&mut ending, 800, 25..30), 0);
        assert_eq!(looks(&mut ending, 9_000, 0..11), 2);
        let rule = EndRule { after: Samples::from_ms(180.0, SampleRate::INTERNAL), ..EndRule::default() };
        let mut ending = Ending::new(&Loudness, rule).unwrap();
        let at = (0..26).filter(|block| ending.is_due(Position(800), Position(800 + block * 160)));
        assert_eq!(at.collect::<Vec<_>>(), [5, 10, 15, 18, 20, 25]);
    }

    #[test]
    fn looks_at_one_pause_are_averaged_and_weighed_with_the_words() {
        let rule = EndRule { threshold: 0.6, after: Samples(0), unfinished: 0.1 };
        let mut ending = Ending::new(&Loudness, rule).unwrap();
        let mut look = |at: u64, steps: u64, sound: f32, words: Option<f32>| {
            let told = words.map(|ending| Told { ending, finality: None });
            assert!(ending.is_due(Position(at), Position(at + 800 * steps)));
            let (paused, outlook) = ending.judge(&[0.01, sound], (Samples(16_000), Samples(800)), told).unwrap();
            let EventKind::Paused { probability, sound, .. } = paused else { panic!("not {paused:?}") };
            ((probability * 100.0).round(), (sound * 100.0).round(), outlook)
        };
        assert_eq!(look(800, 1, 0.4, None), (40.0, 40.0, Outlook::Undecided));
        // Odds of 2/3 and 6: a mean of 2.
        assert_eq!(look(800, 2, 6.0 / 7.0, None), (67.0, 67.0, Outlook::Complete));
        assert_eq!(look(90_000, 1, 0.4, Some(3.0)), (67.0, 40.0, Outlook::Complete));
        // Log-odds of -9 count as -2.5, a ratio of 200 as one of 40.
        assert_eq!(look(180_000, 1, 1e-4, Some(200.0)), (77.0, 8.0, Outlook::Complete));
    }
}
