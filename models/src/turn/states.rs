//! What a recogniser's bundle says of turn ends, by itself: its encoder over the last seconds, and the net on its states
//! ([`finality`](crate::asr::finality)). In a conversation the recogniser's own stream has these states already.

use crate::asr::finality::{Finality, FinalityStream};
use crate::asr::{EncoderStates, StatesStream};
use crate::card::{Bundle, MODEL_ROLE};
use crate::runtime::Runtime;
use crate::turn::{TurnDetector, TurnStream};
use crate::units::{SampleRate, Samples};
use crate::{Error, Result};

/// As a detector is called in tables.
pub const ENCODER_STATES: &str = "encoder-states";

/// How much sound the encoder hears before a moment, in states of the net: what is older has faded from them.
pub const HEARD_STATES: usize = 64;

/// An encoder and the net on its states.
pub struct States {
    encoder: EncoderStates,
    finality: Finality,
}

impl States {
    /// Opens a recogniser's bundle.
    ///
    /// # Errors
    /// [`Error::Model`] when it lacks such a net, that does not fit its encoder, or this hears another rate than 16 kHz.
    pub fn open(bundle: &Bundle, runtime: &dyn Runtime) -> Result<Self> {
        let encoder = EncoderStates::open(bundle, runtime)?;
        if encoder.rate() != SampleRate::INTERNAL {
            let reason = format!("expected an encoder of sound at 16,000 Hz, found {}", encoder.rate().get());
            return Err(Error::model(bundle.path(MODEL_ROLE)?, reason));
        }
        let finality = Finality::of(bundle, encoder.width(), runtime)?;
        Ok(Self { encoder, finality })
    }
}

impl TurnDetector for States {
    fn name(&self) -> &'static str {
        ENCODER_STATES
    }

    fn window(&self) -> Samples {
        Samples(self.encoder.frame().0 * HEARD_STATES as u64)
    }

    fn stream(&self) -> Result<Box<dyn TurnStream>> {
        Ok(Box::new(Stream {
            encoder: self.encoder.stream()?,
            finality: self.finality.stream()?,
            frames: self.finality.frames(),
            window: self.window().0 as usize,
        }))
    }
}

struct Stream {
    encoder: StatesStream,
    finality: FinalityStream,
    frames: usize,
    window: usize,
}

impl TurnStream for Stream {
    fn probability(&mut self, sound: &[f32]) -> Result<f32> {
        let heard = &sound[sound.len().saturating_sub(self.window)..];
        self.finality.states.push(&self.encoder.last(heard, self.frames)?);
        Ok(1.0 / (1.0 + (-self.finality.log_odds()?).exp()))
    }
}
