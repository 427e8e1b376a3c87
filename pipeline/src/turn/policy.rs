use rejoinder_models::units::{SampleRate, Samples};

use super::{Outlook, Phrase};

/// Who may take the floor, and when a turn is over. Lengths are in samples of 16 kHz.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// A turn in which the caller spoke for less than this gets no answer.
    pub min_speech: Samples,
    /// Silence after which a turn may be over: a reply may be begun ahead.
    pub min_silence: Samples,
    /// Silence after which a turn is over, counted from the detector's end of speech, unless what was said is
    /// unfinished.
    pub hangover: Samples,
    /// Silence after which a turn is over whatever else is known; not less than `hangover`.
    pub patience: Samples,
    /// A turn that lasts longer is cut here, and goes on as the next one.
    pub max_turn: Samples,
    /// Silence after a reply at which the assistant asks, once, whether the caller is still there; none for never.
    pub no_answer: Option<Samples>,
    /// Whether the caller is not listened to while a reply is on its way or sounds.
    pub half_duplex: bool,
    /// Whether only the talk button opens and closes turns, never the voice.
    pub push_to_talk: bool,
    /// Silence after which the conversation falls asleep, to be opened again by the wake phrase; none where no phrase
    /// is needed.
    pub follow_up: Option<Samples>,
    /// How long after the onset of speech over a reply it is decided at the latest whether that is an interruption.
    pub judge_window: Samples,
    /// How many replies may be begun ahead in one turn; 0 for none.
    pub max_starts: u32,
}

impl Default for Policy {
    fn default() -> Self {
        let ms = |ms: f64| Samples::from_ms(ms, SampleRate::INTERNAL);
        Self {
            min_speech: ms(0.0),
            min_silence: ms(200.0),
            hangover: ms(600.0),
            patience: ms(1_200.0),
            max_turn: ms(30_000.0),
            no_answer: None,
            half_duplex: false,
            push_to_talk: false,
            follow_up: None,
            judge_window: ms(1_200.0),
            max_starts: 2,
        }
    }
}

/// All that an assistant's turn-taking goes by, but for the judge.
#[derive(Clone, Debug, PartialEq)]
pub struct TurnTaking {
    /// Who may take the floor, and when a turn is over.
    pub policy: Policy,
    /// How much sound before the detected beginning belongs to a turn, in milliseconds.
    pub preroll_ms: f64,
    /// What a detector of turn ends, where there is one, decides.
    pub end: EndRule,
    /// What opens a conversation, where the policy has a follow-up window.
    pub wake: Option<Phrase>,
    /// What a caller who is silent after a reply is asked.
    pub prompt: String,
    /// How long sound over a reply must last before the reply is held back, in milliseconds; none for as long as speech
    /// must last otherwise.
    pub overlap_ms: Option<f64>,
    /// The probability from which sound over a reply is taken for speech in a quiet room; none for the detector's own
    /// threshold.
    pub overlap_threshold: Option<f32>,
    /// The gain, in decibels, of a reply that somebody speaks over; from -60 on it stands still.
    pub duck_db: f64,
    /// How much sound of a reply that is begun ahead is made before it is certain that it is wanted, in milliseconds,
    /// beyond its first piece.
    pub max_held_ms: f64,
}

impl Default for TurnTaking {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            preroll_ms: 200.0,
            end: EndRule::default(),
            wake: None,
            prompt: "Are you still there?".to_owned(),
            overlap_ms: None,
            overlap_threshold: None,
            duck_db: -60.0,
            max_held_ms: 2_000.0,
        }
    }
}

/// What follows from the probability that a turn is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EndRule {
    /// From this probability on the turn is over, once the silence has lasted for `after`.
    pub threshold: f32,
    /// A shorter silence is never its end: sounds such as "t" are silent for as long within a word.
    pub after: Samples,
    /// Below this probability it is unfinished.
    pub unfinished: f32,
}

impl Default for EndRule {
    fn default() -> Self {
        Self { threshold: 0.7, after: Samples::from_ms(150.0, SampleRate::INTERNAL), unfinished: 0.2 }
    }
}

/// Detectors learn from sentences: a shorter turn, such as "yes", may sound unfinished to them and be all.
const SENTENCE: Samples = Samples(SampleRate::INTERNAL.get() as u64 * 7 / 10);

impl EndRule {
    /// For a turn that had lasted for `spoken` before a pause that has lasted for `silence`.
    pub fn outlook(&self, probability: f32, spoken: Samples, silence: Samples) -> Outlook {
        if probability >= self.threshold && silence >= self.after {
            Outlook::Complete
        } else if probability < self.unfinished && spoken >= SENTENCE {
            Outlook::Unfinished
        } else {
            Outlook::Undecided
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_over_when_it_sounds_so_in_more_than_a_gap_between_sounds() {
        let rule = EndRule { threshold: 0.9, after: Samples(2_400), unfinished: 0.1 };
        let outlook = |probability, silence| rule.outlook(probability, Samples(16_000), Samples(silence));
        assert_eq!(outlook(0.9, 2_400), Outlook::Complete);
        assert_eq!(outlook(0.99, 2_399), Outlook::Undecided);
        assert_eq!(outlook(0.89, 9_600), Outlook::Undecided);
        assert_eq!(outlook(0.09, 9_600), Outlook::Unfinished);
        assert_eq!(outlook(0.09, 800), Outlook::Unfinished);
    }

    #[test]
    fn a_word_that_sounds_unfinished_may_be_all() {
        let rule = EndRule::default();
        assert_eq!(rule.outlook(0.05, Samples(11_200), Samples(800)), Outlook::Unfinished);
        assert_eq!(rule.outlook(0.05, Samples(11_199), Samples(800)), Outlook::Undecided);
    }
}
