//! What the net is given of a sound.

use std::path::PathBuf;

use rejoinder_models::asr::EncoderStates;
use rejoinder_models::card::Bundle;
use rejoinder_models::features::Fbank;
use rejoinder_models::runtime::{self, RuntimeConfig};
use rejoinder_models::turn::states::HEARD_STATES;
use rejoinder_models::units::SampleRate;
use rejoinder_models::zoo;
use serde::{Deserialize, Serialize};

use super::recipe::TurnRecipe;
use crate::tasks::fbank;
use crate::{Error, Result};

/// The `[states]` of a recipe: the net learns from the states of a recogniser's encoder, which stays as it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatesConfig {
    /// The recogniser's bundle, by name or folder.
    pub recognizer: PathBuf,
}

impl StatesConfig {
    /// # Errors
    /// As [`zoo::resolve`] and [`Bundle::open`].
    pub(super) fn bundle(&self) -> Result<Bundle> {
        Ok(Bundle::open(&zoo::resolve(&self.recognizer)?)?)
    }
}

/// What the net is given of a sound. Immutable, shared by the loader's threads.
pub(super) enum Hearing {
    /// Its filterbank.
    Fbank(Fbank),
    /// The states of a recogniser's encoder, opened once for each of the loader's threads: on ONNX Runtime those that share
    /// a model take turns with it.
    States(Vec<EncoderStates>),
}

impl Hearing {
    /// # Errors
    /// A recogniser that cannot be opened, or another width than the net takes.
    pub(super) fn open(recipe: &TurnRecipe) -> Result<Self> {
        let Some(states) = &recipe.states else { return Ok(Self::Fbank(fbank(&recipe.features, recipe.net.bins)?)) };
        let runtime = runtime::open(&RuntimeConfig::default())?;
        let bundle = states.bundle()?;
        let threads = 0..rayon::current_num_threads();
        let encoders = threads.map(|_| EncoderStates::open(&bundle, runtime.as_ref()));
        let encoders = encoders.collect::<rejoinder_models::Result<Vec<_>>>()?;
        let expected = Self::encoder(&encoders).width();
        if expected != recipe.net.bins {
            let found = recipe.net.bins;
            return Err(Error::config("net.bins", format!("expected {expected}, the states' width, found {found}")));
        }
        Ok(Self::States(encoders))
    }

    /// That of this thread.
    fn encoder(encoders: &[EncoderStates]) -> &EncoderStates {
        &encoders[rayon::current_thread_index().unwrap_or_default() % encoders.len()]
    }

    /// How many of a sound's last samples count for so many frames.
    pub(super) fn window(&self, frames: usize) -> usize {
        match self {
            Self::Fbank(fbank) => frames * fbank.hop().0 as usize,
            Self::States(encoders) => HEARD_STATES * Self::encoder(encoders).frame().0 as usize,
        }
    }

    /// Shape: (`frames`, bins), row by row.
    ///
    /// # Errors
    /// A failing engine.
    pub(super) fn hear(&self, sound: &[f32], frames: usize) -> Result<Vec<f32>> {
        let window = self.window(frames);
        let heard = &sound[sound.len().saturating_sub(window)..];
        match self {
            Self::Fbank(fbank) => {
                let mut padded = vec![0.0; window - heard.len()];
                padded.extend_from_slice(heard);
                Ok(fbank.compute(&padded)?)
            }
            Self::States(encoders) => Ok(Self::encoder(encoders).stream()?.last(heard, frames)?),
        }
    }

    /// The length of so many frames, in seconds.
    pub(super) fn seconds(&self, frames: usize) -> f64 {
        let samples = match self {
            Self::Fbank(fbank) => fbank.hop().0,
            Self::States(encoders) => Self::encoder(encoders).frame().0,
        };
        frames as f64 * samples as f64 / f64::from(SampleRate::INTERNAL.get())
    }
}
