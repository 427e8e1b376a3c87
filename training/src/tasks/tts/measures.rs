use std::path::Path;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::AcousticTask;
use super::corpus::Statistics;
use crate::nets::tts::Acoustic;
use crate::{Error, Result};

/// The file in the run folder.
const FILE: &str = "measures.json";
/// Utterances that the stretch of the mel bands is measured on.
const MEASURED: usize = 100;
/// The most that a band is stretched.
const LARGEST_STRETCH: f32 = 1.3;
/// The root mean square of the speech that a voice is brought to.
const LOUDNESS: f32 = 0.09;

/// What an export must know of the corpus and of the trained acoustic model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// How mel bands and pitch were normalised.
    pub statistics: Statistics,
    /// The root mean square of the recordings.
    pub loudness: f32,
    /// For each mel band, the standard deviation of the recordings over that of the predictions, from 1 to 1.3.
    pub stretch: Vec<f32>,
}

impl Measures {
    /// Measures a trained acoustic model on some of its training utterances.
    ///
    /// # Errors
    /// None in practice: those of the batches.
    pub fn of(task: &AcousticTask, net: &Acoustic, device: &Device) -> Result<Self> {
        let bands = task.bands(net, false, MEASURED, device)?;
        let mels = task.corpus.statistics.mel_mean.len();
        let stretch = |band| {
            let ratio = spread(&bands.real, band, mels) / spread(&bands.predicted, band, mels).max(1e-3);
            ratio.clamp(1.0, LARGEST_STRETCH)
        };
        let (statistics, loudness) = (task.corpus.statistics.clone(), task.corpus.loudness());
        Ok(Self { statistics, loudness, stretch: (0..mels).map(stretch).collect() })
    }

    /// By how much the voice is made louder than its recordings.
    pub fn gain(&self) -> f32 {
        (LOUDNESS / self.loudness.max(1e-6)).clamp(0.5, 8.0)
    }

    /// Reads the measures of a run.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Data`] when the acoustic model was not trained there.
    pub fn read(run: &Path) -> Result<Self> {
        let path = run.join(FILE);
        let json = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
        serde_json::from_str(&json).map_err(|e| Error::data(path.display().to_string(), e))
    }

    /// Writes the measures of a run.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, run: &Path) -> Result<()> {
        let path = run.join(FILE);
        let json = serde_json::to_string(self).map_err(|e| Error::data(path.display().to_string(), e))?;
        std::fs::write(&path, json).map_err(|e| Error::io(&path, e))
    }
}

/// The standard deviation of one band.
fn spread(values: &[f32], band: usize, mels: usize) -> f32 {
    let own = || values.iter().skip(band).step_by(mels);
    let n = own().count().max(1) as f32;
    let mean = own().sum::<f32>() / n;
    (own().map(|x| (x - mean) * (x - mean)).sum::<f32>() / n).sqrt()
}
