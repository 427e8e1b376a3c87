//! Our own family: what `rejoinder-train` exports for `task = "turn"`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::card::{Bundle, MODEL_ROLE};
use crate::features::Fbank;
use crate::runtime::{Model, Runtime, Session, Tensor};
use crate::turn::{TurnDetector, TurnStream, last};
use crate::units::{SampleRate, Samples};
use crate::{Error, Result};

/// The family's name in a card.
pub const FAMILY: &str = "turn-convolutional";

/// The input: features, shape (1, frame, bin).
pub const INPUT: &str = "x";
/// The output: the probability, shape (1).
pub const OUTPUT: &str = "probability";

/// The family's own settings in a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Feature frames that the net takes, the last of them now.
    pub frames: usize,
}

/// Our own detector: a filterbank of the last seconds, convolutions and attention over it.
pub struct Convolutional {
    model: Arc<dyn Model>,
    fbank: Fbank,
    frames: usize,
}

impl Convolutional {
    /// Opens a bundle.
    ///
    /// # Errors
    /// [`Error::Model`] when its card lacks features or a number of frames, or its file an input or output.
    pub fn open(bundle: &Bundle, runtime: &dyn Runtime) -> Result<Self> {
        let (card, root) = (bundle.card(), bundle.root());
        let fbank = Fbank::new(card.required_features(root)?.clone())?;
        if fbank.rate() != SampleRate::INTERNAL {
            let (expected, found) = (SampleRate::INTERNAL, fbank.rate());
            return Err(Error::model(root, format!("[features]: expected a rate of {expected}, found {found}")));
        }
        let Params { frames } = card.params(root)?;
        let model = runtime.open(&bundle.path(MODEL_ROLE)?)?;
        let shape = vec![Some(1), Some(frames), Some(fbank.bins())];
        let fits = model.input(INPUT).is_some_and(|port| port.shape == shape) && model.output(OUTPUT).is_some();
        if !fits {
            let reason = format!("expected an input `{INPUT}` of shape {shape:?} and an output `{OUTPUT}`");
            return Err(Error::model(root, reason));
        }
        let detector = Self { model, fbank, frames };
        detector.model.warm_up(vec![(INPUT, detector.features(&[])?)])?;
        Ok(detector)
    }

    fn features(&self, sound: &[f32]) -> Result<Tensor> {
        features(&self.fbank, self.frames, sound)
    }
}

/// What the net hears of a sound. Shape: (1, `frames`, bin).
///
/// # Errors
/// [`Error::Engine`] when the Fourier transform fails.
fn features(fbank: &Fbank, frames: usize, sound: &[f32]) -> Result<Tensor> {
    let samples = last(sound, frames * fbank.hop().0 as usize);
    Tensor::f32(&[1, frames, fbank.bins()], fbank.compute(&samples)?)
}

impl TurnDetector for Convolutional {
    fn name(&self) -> &'static str {
        FAMILY
    }

    fn window(&self) -> Samples {
        Samples(self.frames as u64 * self.fbank.hop().0)
    }

    fn stream(&self) -> Result<Box<dyn TurnStream>> {
        let session = self.model.session()?;
        Ok(Box::new(Stream { session, fbank: self.fbank.clone(), frames: self.frames }))
    }
}

struct Stream {
    session: Box<dyn Session>,
    fbank: Fbank,
    frames: usize,
}

impl TurnStream for Stream {
    fn probability(&mut self, sound: &[f32]) -> Result<f32> {
        let x = features(&self.fbank, self.frames, sound)?;
        scalar(self.session.run(vec![(INPUT, x)], &[OUTPUT])?)
    }
}

/// The one value of the one output.
pub(super) fn scalar(outputs: Vec<Tensor>) -> Result<f32> {
    match outputs.first() {
        Some(Tensor::F32(values)) if values.len() == 1 => Ok(values.iter().copied().next().unwrap_or_default()),
        other => Err(Error::invalid("output of the turn detector", "one float", format!("{other:?}"))),
    }
}
