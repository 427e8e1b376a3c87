//! Whether somebody has said all, by the states of a recogniser's encoder, which hears words and their melody.
//!
//! A bundle may have a file for it. It takes `states`, (1, frame, width) of the last frames of the encoder, zeros before the
//! first, and gives `log_odds`, (1). The encoder's file then gives `states`, (1, chunk / subsampling, width), for each chunk.

use std::path::Path;
use std::sync::Arc;

use super::encoder::{Encoder, EncoderStream, leading};
use crate::card::{Bundle, FINALITY_ROLE, MODEL_ROLE};
use crate::runtime::{Model, Runtime, Session, Tensor};
use crate::units::{SampleRate, Samples};
use crate::{Error, Result};

/// The encoder's output, and the net's input.
pub const STATES: &str = "states";
/// The net's output.
pub const LOG_ODDS: &str = "log_odds";

/// The net: immutable and shared.
pub(crate) struct Finality {
    model: Arc<dyn Model>,
    frames: usize,
    width: usize,
    path: Arc<Path>,
}

impl Finality {
    /// The net of a bundle that has one.
    ///
    /// # Errors
    /// [`Error::Model`] when its file does not fit the encoder's states.
    pub(super) fn open(bundle: &Bundle, encoder: &dyn Model, runtime: &dyn Runtime) -> Result<Option<Self>> {
        if !bundle.has(FINALITY_ROLE) {
            return Ok(None);
        }
        let width = width(encoder, &bundle.path(MODEL_ROLE)?)?;
        Self::of(bundle, width, runtime).map(Some)
    }

    /// The net of a bundle whose encoder gives states of this width.
    ///
    /// # Errors
    /// [`Error::Model`] when there is none, or it does not fit them.
    pub(crate) fn of(bundle: &Bundle, width: usize, runtime: &dyn Runtime) -> Result<Self> {
        let path = bundle.path(FINALITY_ROLE)?;
        let model = runtime.open(&path)?;
        let shape = model.input(STATES).map(|port| port.shape.clone()).unwrap_or_default();
        match shape[..] {
            [Some(1), Some(frames), Some(found)] if found == width && model.output(LOG_ODDS).is_some() => {
                model.warm_up(vec![(STATES, Tensor::f32(&[1, frames, width], vec![0.0; frames * width])?)])?;
                Ok(Self { model, frames, width, path: path.into() })
            }
            _ => {
                let expected = format!("an input `{STATES}` of shape [1, frames, {width}] and an output `{LOG_ODDS}`");
                Err(Error::model(path, format!("expected {expected}, found {shape:?}")))
            }
        }
    }

    /// States of which the net takes the last.
    pub(crate) fn frames(&self) -> usize {
        self.frames
    }

    pub(crate) fn stream(&self) -> Result<FinalityStream> {
        let states = Recent::new(self.frames, self.width);
        Ok(FinalityStream { session: self.model.session()?, states, path: self.path.clone() })
    }
}

/// How many values the encoder gives for a frame.
fn width(encoder: &dyn Model, path: &Path) -> Result<usize> {
    let shape = encoder.output(STATES).map(|port| port.shape.clone());
    match shape.as_deref() {
        Some([_, _, Some(width)]) => Ok(*width),
        found => {
            let reason = format!("expected an output `{STATES}` of shape [1, frames, width], found {found:?}");
            Err(Error::model(path, format!("{reason}; export the recogniser anew")))
        }
    }
}

/// The net on the states of one stream.
pub(crate) struct FinalityStream {
    session: Box<dyn Session>,
    pub(crate) states: Recent,
    path: Arc<Path>,
}

impl FinalityStream {
    /// The log-odds that all was said with the last state.
    pub(crate) fn log_odds(&mut self) -> Result<f32> {
        let Recent { values, frames, width } = &self.states;
        let states = Tensor::f32(&[1, *frames, *width], values.clone())?;
        let outputs = self.session.run(vec![(STATES, states)], &[LOG_ODDS])?;
        Ok(leading(outputs.into_iter().next(), LOG_ODDS, 1, 1, &self.path)?[0])
    }
}

/// The states of the last frames. Shape: (frames, width), zeros before the first.
#[derive(Clone)]
pub(crate) struct Recent {
    values: Vec<f32>,
    frames: usize,
    width: usize,
}

impl Recent {
    fn new(frames: usize, width: usize) -> Self {
        Self { values: vec![0.0; frames * width], frames, width }
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn push(&mut self, states: &[f32]) {
        let kept = states.len().min(self.values.len());
        self.values.drain(..kept);
        self.values.extend_from_slice(&states[states.len() - kept..]);
    }

    pub(crate) fn reset(&mut self) {
        self.values.fill(0.0);
    }
}

/// The states of a recogniser's encoder, for nets that learn from them.
#[derive(Clone)]
pub struct EncoderStates {
    encoder: Arc<Encoder>,
    width: usize,
    path: Arc<Path>,
}

impl EncoderStates {
    /// Those of a bundle's encoder.
    ///
    /// # Errors
    /// [`Error::Model`] when the encoder's file does not give them, or does not fit the card.
    pub fn open(bundle: &Bundle, runtime: &dyn Runtime) -> Result<Self> {
        let path = bundle.path(MODEL_ROLE)?;
        let model = runtime.open(&path)?;
        let width = width(model.as_ref(), &path)?;
        let encoder = Arc::new(Encoder::new(bundle.card(), model, &path, &[STATES])?);
        Ok(Self { encoder, width, path: path.into() })
    }

    /// Values in a state.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How much sound one state stands for, at 16 kHz.
    pub fn frame(&self) -> Samples {
        Samples(self.encoder.frame_samples()).convert(self.encoder.rate(), SampleRate::INTERNAL)
    }

    /// The rate of the sound that the encoder hears.
    pub fn rate(&self) -> SampleRate {
        self.encoder.rate()
    }

    /// An encoder for sounds, one after the other.
    ///
    /// # Errors
    /// [`Error::Engine`] when the engine cannot make one.
    pub fn stream(&self) -> Result<StatesStream> {
        Ok(StatesStream { stream: self.encoder.stream()?, of: self.clone() })
    }
}

/// An encoder for sounds, one after the other.
pub struct StatesStream {
    of: EncoderStates,
    stream: EncoderStream,
}

impl StatesStream {
    /// The last `frames` states of a sound, as a recogniser has them at its end. Shape: (frames, width), zeros before the
    /// first.
    ///
    /// # Errors
    /// [`Error::Engine`] when the model run fails.
    pub fn last(&mut self, samples: &[f32], frames: usize) -> Result<Vec<f32>> {
        let EncoderStates { encoder, width, path } = &self.of;
        let mut recent = Recent::new(frames, *width);
        let mut take = |outputs: Vec<Tensor>| {
            recent.push(&leading(outputs.into_iter().next(), STATES, encoder.frames(), *width, path)?);
            Ok(())
        };
        self.stream.reset();
        self.stream.push(samples, &mut take)?;
        self.stream.finish(&mut take)?;
        Ok(recent.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_states_are_kept() {
        let mut recent = Recent::new(3, 2);
        recent.push(&[1.0, 1.0]);
        assert_eq!(recent.values, [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
        recent.push(&[2.0, 2.0, 3.0, 3.0]);
        assert_eq!(recent.values, [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
        recent.push(&[4.0; 2 * 9]);
        assert_eq!(recent.values, [4.0; 6]);
        recent.reset();
        assert_eq!(recent.values, [0.0; 6]);
    }
}
