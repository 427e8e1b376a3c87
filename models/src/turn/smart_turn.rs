//! Smart Turn v3, as published.

use std::path::Path;
use std::sync::Arc;

use crate::features::{Fbank, FbankConfig};
use crate::runtime::{Model, Runtime, Session, Tensor};
use crate::turn::convolutional::scalar;
use crate::turn::{TurnDetector, TurnStream, last};
use crate::units::Samples;
use crate::{Error, Result};

/// Frames of 10 ms that the model takes: eight seconds.
const FRAMES: usize = 800;
/// What keeps silence from being blown up, as in `WhisperFeatureExtractor.zero_mean_unit_var_norm` of transformers.
const VARIANCE_FLOOR: f32 = 1e-7;
const INPUT: &str = "input_features";

/// A published file of Smart Turn v3 (pipecat-ai/smart-turn, `inference.py`): Whisper's features of the last eight
/// seconds, shape (1, 80, 800), of a waveform brought to zero mean and unit variance, zeros on the left; the output is
/// a probability.
pub struct SmartTurn {
    model: Arc<dyn Model>,
    fbank: Fbank,
    output: String,
}

impl SmartTurn {
    /// Opens an ONNX file.
    ///
    /// # Errors
    /// [`Error::Model`] when the runtime cannot open it, or it breaks the contract.
    pub fn open(path: &Path, runtime: &dyn Runtime) -> Result<Self> {
        let model = runtime.open(path)?;
        let fbank = Fbank::new(FbankConfig::whisper())?;
        let fits = |shape: &[Option<usize>]| {
            let expected = [1, fbank.bins(), FRAMES];
            shape.len() == 3 && shape.iter().zip(expected).all(|(axis, size)| axis.is_none_or(|axis| axis == size))
        };
        if !model.input(INPUT).is_some_and(|port| fits(&port.shape)) {
            let found: Vec<_> = model.inputs().iter().map(|port| format!("{} {:?}", port.name, port.shape)).collect();
            let reason = format!(
                "not Smart Turn v3: expected an input `{INPUT}` of shape (1, 80, {FRAMES}), found {}",
                found.join(", ")
            );
            return Err(Error::model(path, reason));
        }
        let output = model.outputs().first().map(|port| port.name.clone());
        let output = output.ok_or_else(|| Error::model(path, "not Smart Turn v3: it has no output"))?;
        Ok(Self { model, fbank, output })
    }
}

impl TurnDetector for SmartTurn {
    fn name(&self) -> &'static str {
        "smart-turn"
    }

    fn window(&self) -> Samples {
        Samples(FRAMES as u64 * self.fbank.hop().0)
    }

    fn stream(&self) -> Result<Box<dyn TurnStream>> {
        Ok(Box::new(Stream { session: self.model.session()?, fbank: self.fbank.clone(), output: self.output.clone() }))
    }
}

struct Stream {
    session: Box<dyn Session>,
    fbank: Fbank,
    output: String,
}

impl TurnStream for Stream {
    fn probability(&mut self, sound: &[f32]) -> Result<f32> {
        let (bins, window) = (self.fbank.bins(), FRAMES * self.fbank.hop().0 as usize);
        let mut samples = last(sound, window);
        normalise(&mut samples);
        let frames = self.fbank.compute(&samples)?; // (frame, bin)
        let mut by_bin = Vec::with_capacity(frames.len());
        for bin in 0..bins {
            by_bin.extend(frames.iter().skip(bin).step_by(bins));
        }
        let x = Tensor::f32(&[1, bins, FRAMES], by_bin)?;
        scalar(self.session.run(vec![(INPUT, x)], &[&self.output])?)
    }
}

/// Brings a waveform to zero mean and unit variance.
fn normalise(samples: &mut [f32]) {
    let count = samples.len().max(1) as f32;
    let mean = samples.iter().sum::<f32>() / count;
    let variance = samples.iter().map(|s| (s - mean) * (s - mean)).sum::<f32>() / count;
    let gain = 1.0 / (variance + VARIANCE_FLOOR).sqrt();
    samples.iter_mut().for_each(|s| *s = (*s - mean) * gain);
}
