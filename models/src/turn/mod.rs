//! The end of a turn: has somebody who pauses said all that they want to say?
//!
//! Silence alone answers late: most pauses within a turn are shorter than the silence that is needed to be sure. A
//! [`TurnDetector`] hears how the speech before the pause sounds (its melody, its last syllables) and how long the pause
//! is so far.

pub mod convolutional;
pub mod delay;
pub mod smart_turn;
pub mod states;

use std::path::Path;
use std::sync::Arc;

pub use convolutional::Convolutional;
pub use smart_turn::SmartTurn;
pub use states::{ENCODER_STATES, States};

use crate::card::{Bundle, FINALITY_ROLE, Task};
use crate::runtime::Runtime;
use crate::units::Samples;
use crate::{Error, Result};

/// A detector of the ends of turns: immutable and shared; each conversation has its own [`TurnStream`].
pub trait TurnDetector: Send + Sync {
    /// The family's name, as in a card.
    fn name(&self) -> &'static str;

    /// How much of a turn it hears at a time, at 16 kHz.
    fn window(&self) -> Samples;

    /// A detector for one conversation.
    ///
    /// # Errors
    /// [`Error::Engine`] when the engine cannot make one.
    fn stream(&self) -> Result<Box<dyn TurnStream>>;
}

/// The scratch memory of a detector for one conversation.
pub trait TurnStream: Send {
    /// The probability that the turn is over, given its sound up to now: mono at 16 kHz in [-1, 1], with the silence at
    /// its end. Of a long turn only the last [`window`](TurnDetector::window) counts.
    ///
    /// # Errors
    /// [`Error::Engine`] when the model run fails.
    fn probability(&mut self, sound: &[f32]) -> Result<f32>;
}

/// Opens a bundle, also a recogniser's that tells turn ends, or a published file of Smart Turn.
///
/// # Errors
/// [`Error::Model`] for another task, a family that is not known here, or a model that does not keep its contract.
pub fn open(path: &Path, runtime: &dyn Runtime) -> Result<Arc<dyn TurnDetector>> {
    if !path.is_dir() {
        return Ok(Arc::new(SmartTurn::open(path, runtime)?));
    }
    let bundle = Bundle::open(path)?;
    let card = bundle.card();
    match (card.task, card.family.as_str()) {
        (Task::Turn, convolutional::FAMILY) => Ok(Arc::new(Convolutional::open(&bundle, runtime)?)),
        (Task::Turn, other) => {
            let known = convolutional::FAMILY;
            Err(Error::model(path, format!("family: expected a turn detector ({known}), found `{other}`")))
        }
        (Task::Asr, _) if bundle.has(FINALITY_ROLE) => Ok(Arc::new(States::open(&bundle, runtime)?)),
        (other, _) => Err(Error::model(path, format!("expected a model for turn, found one for {other}"))),
    }
}

/// By how much words may lower and raise the odds: a recogniser mishears, people end where no sentence does, and go on
/// after a whole one.
const BY_TEXT: [f32; 2] = [1.0 / 16.0, 40.0];

/// Log-odds beyond which the states of an encoder are no surer.
const SUREST_STATES: f32 = 4.0;

/// What the log-odds by the sound, by the states and by the words count for where there are all three, and what is added.
/// They hear much of the same, so that Bayes' rule would count that twice. Logistic regression on the first 100 to 400 ms of
/// 1,200 pauses and ends of a simulated caller gives 0.1 to 0.3, 0.5 to 0.6, 0.3 to 0.5 and 0.3 to 1.3; of weights near
/// these, those that cut off fewest turns at the same delay were taken.
const BY_ALL: [f32; 4] = [0.2, 0.5, 0.6, 0.5];

/// What is known of whether a turn is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signs {
    /// The probability by the sound.
    pub sound: f32,
    /// How well its words end, where they are known, as a ratio of odds:
    /// [`Transcript::ending`](crate::asr::Transcript::ending).
    pub ending: Option<f32>,
    /// The log-odds by the states of the recogniser's encoder, where they are known:
    /// [`Transcript::finality`](crate::asr::Transcript::finality).
    pub finality: Option<f32>,
}

impl Signs {
    /// The probability that the turn is over by all of them: Bayes' rule on the odds by sound and words, as if the two were
    /// independent; where the states are known too, a weighted sum of log-odds.
    pub fn probability(&self) -> f32 {
        let sound = (self.sound / (1.0 - self.sound)).ln();
        let [least, most] = BY_TEXT;
        let words = self.ending.map_or(0.0, |ratio| ratio.clamp(least, most).ln());
        let log_odds = match self.finality {
            Some(states) => {
                let [by_sound, by_states, by_words, bias] = BY_ALL;
                let states = states.clamp(-SUREST_STATES, SUREST_STATES);
                by_sound * sound + by_states * states + by_words * words + bias
            }
            None => sound + words,
        };
        1.0 / (1.0 + (-log_odds).exp())
    }
}

/// The last `window` samples of a sound, with zeros in front where it is shorter.
fn last(sound: &[f32], window: usize) -> Vec<f32> {
    let heard = &sound[sound.len().saturating_sub(window)..];
    let mut padded = vec![0.0; window - heard.len()];
    padded.extend_from_slice(heard);
    padded
}
