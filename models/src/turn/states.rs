//! What a recogniser's bundle says of turn ends, by itself: its encoder over the last seconds, and the net on its states
//! ([`finality`](crate::asr::finality)). In a conversation the recogniser's own stream has these states already.

use std::sync::Arc;

use crate::asr::EncoderStates;
use crate::asr::finality::{LOG_ODDS, STATES};
use crate::card::{Bundle, FINALITY_ROLE};
use crate::runtime::{Model, Runtime, Session, Tensor};
use crate::turn::convolutional::scalar;
use crate::turn::{TurnDetector, TurnStream};
use crate::units::Samples;
use crate::{Error, Result};

/// As a detector is called in tables.
const NAME: &str = "encoder-states";

/// How much sound the encoder hears before a moment, in states of the net: what is older has faded from them.
pub const HEARD_STATES: usize = 64;

/// An encoder and the net on its states.
pub struct States {
    encoder: Arc<EncoderStates>,
    model: Arc<dyn Model>,
    frames: usize,
}

impl States {
    /// Opens a recogniser's bundle.
    ///
    /// # Errors
    /// [`Error::Model`] when it lacks such a net, or that does not fit its encoder.
    pub fn open(bundle: &Bundle, runtime: &dyn Runtime) -> Result<Self> {
        let path = bundle.path(FINALITY_ROLE)?;
        let encoder = Arc::new(EncoderStates::open(bundle, runtime)?);
        let model = runtime.open(&path)?;
        let shape = model.input(STATES).map(|port| port.shape.clone()).unwrap_or_default();
        let [Some(1), Some(frames), Some(width)] = shape[..] else {
            return Err(Error::model(path, format!("`{STATES}`: expected [1, frames, width], found {shape:?}")));
        };
        if width != encoder.width() {
            let (expected, at) = (encoder.width(), path);
            return Err(Error::model(at, format!("`{STATES}`: expected a width of {expected}, found {width}")));
        }
        Ok(Self { encoder, model, frames })
    }
}

impl TurnDetector for States {
    fn name(&self) -> &'static str {
        NAME
    }

    fn window(&self) -> Samples {
        Samples(self.encoder.frame().0 * HEARD_STATES as u64)
    }

    fn stream(&self) -> Result<Box<dyn TurnStream>> {
        Ok(Box::new(Stream {
            encoder: self.encoder.clone(),
            session: self.model.session()?,
            frames: self.frames,
            window: self.window().0 as usize,
        }))
    }
}

struct Stream {
    encoder: Arc<EncoderStates>,
    session: Box<dyn Session>,
    frames: usize,
    window: usize,
}

impl TurnStream for Stream {
    fn probability(&mut self, sound: &[f32]) -> Result<f32> {
        let heard = &sound[sound.len().saturating_sub(self.window)..];
        let states = self.encoder.stream()?.last(heard, self.frames)?;
        let states = Tensor::f32(&[1, self.frames, self.encoder.width()], states)?;
        let log_odds = scalar(self.session.run(vec![(STATES, states)], &[LOG_ODDS])?)?;
        Ok(1.0 / (1.0 + (-log_odds).exp()))
    }
}
