use rejoinder_models::turn::{TurnDetector, TurnStream, with_text};
use rejoinder_models::units::{Position, SampleRate, Samples};

use crate::Result;
use crate::event::EventKind;
use crate::turn::{EndRule, Outlook};

/// A pause is looked at when it has lasted so long, and again each time that it has lasted so much longer.
const STEP: Samples = Samples(SampleRate::INTERNAL.get() as u64 / 20);

/// Asks a detector of turn ends as a pause grows longer.
pub(crate) struct Ending {
    stream: Box<dyn TurnStream>,
    window: Samples,
    rule: EndRule,
    /// The pause that was looked at last, and how many steps long it was.
    looked: Option<(Position, u64)>,
}

impl Ending {
    pub(crate) fn new(detector: &dyn TurnDetector, rule: EndRule) -> Result<Self> {
        Ok(Self { stream: detector.stream()?, window: detector.window(), rule, looked: None })
    }

    /// How much of a turn the detector hears.
    pub(crate) fn window(&self) -> Samples {
        self.window
    }

    /// Whether a pause that began at `stopped` is to be looked at now.
    pub(crate) fn is_due(&mut self, stopped: Position, now: Position) -> bool {
        let look = Some((stopped, now.since(stopped).0 / STEP.0));
        let due = self.looked != look && look.is_some_and(|(_, steps)| steps > 0);
        if due {
            self.looked = look;
        }
        due
    }

    /// How likely it is that the turn is over, by its sound up to now and, where the transcript up to the pause is
    /// known, by how well that ends; and what follows for a turn that had lasted for `spoken` before a pause of
    /// `silence`.
    pub(crate) fn judge(
        &mut self,
        sound: &[f32],
        (spoken, silence): (Samples, Samples),
        words: Option<f32>,
    ) -> Result<(EventKind, Outlook)> {
        let sound = self.stream.probability(sound)?;
        let probability = words.map_or(sound, |ratio| with_text(sound, ratio));
        let outlook = self.rule.outlook(probability, spoken, silence);
        Ok((EventKind::Paused { probability, sound, words }, outlook))
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
        let mut judge = |sound: f32, text| ending.judge(&[0.01, sound], (Samples(16_000), Samples(800)), text).unwrap();
        let paused = |probability, words| EventKind::Paused { probability, sound: 0.4, words };
        assert_eq!(judge(0.4, None), (paused(0.4, None), Outlook::Undecided));
        assert_eq!(judge(0.4, Some(3.0)), (paused(2.0 / 3.0, Some(3.0)), Outlook::Complete));
    }
}
