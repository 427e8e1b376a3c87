//! The end of a turn: has somebody who pauses said all that they want to say?
//!
//! Silence alone answers late: most pauses within a turn are shorter than the silence that is needed to be sure. A
//! [`TurnDetector`] hears how the speech before the pause sounds (its melody, its last syllables) and how long the pause
//! is so far.

pub mod convolutional;
pub mod delay;
pub mod smart_turn;

use std::path::Path;
use std::sync::Arc;

pub use convolutional::Convolutional;
pub use smart_turn::SmartTurn;

use crate::card::{Bundle, Task};
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

/// Opens a bundle, or a published file of Smart Turn.
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
        (other, _) => Err(Error::model(path, format!("expected a model for turn, found one for {other}"))),
    }
}

/// By how much words may lower and raise the odds: a recogniser mishears, people end where no sentence does, and go on
/// after a whole one.
const BY_TEXT: [f32; 2] = [1.0 / 16.0, 40.0];

/// The probability that a turn is over by its sound and by its words: Bayes' rule on the odds, as if the two were
/// independent. `ratio` is [`Transcript::ending`](crate::asr::Transcript::ending).
pub fn with_text(probability: f32, ratio: f32) -> f32 {
    let [least, most] = BY_TEXT;
    let odds = probability * ratio.clamp(least, most);
    odds / (odds + 1.0 - probability)
}

/// The last `window` samples of a sound, with zeros in front where it is shorter.
fn last(sound: &[f32], window: usize) -> Vec<f32> {
    let heard = &sound[sound.len().saturating_sub(window)..];
    let mut padded = vec![0.0; window - heard.len()];
    padded.extend_from_slice(heard);
    padded
}
