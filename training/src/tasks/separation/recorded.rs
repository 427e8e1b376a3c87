use std::path::PathBuf;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::mixture::Mixture;
use crate::data::manifest::{Columns, ManifestConfig};
use crate::data::sounds::{ClipRef, Library, LibraryReader};
use crate::{Error, Result};

/// Recorded mixtures: manifests with a column for the mixture and one for each of its sources.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecordedConfig {
    /// To train on.
    pub train: Vec<PathBuf>,
    /// To validate on.
    pub valid: Vec<PathBuf>,
    /// To report on, each apart.
    pub tests: Vec<PathBuf>,
    /// The column of the mixture. Default: `mix_wav`, as in SpeechBrain's manifests for WSJ0Mix and LibriMix.
    pub mixture: String,
    /// The columns of its sources. Default: `s1_wav` and `s2_wav`.
    pub sources: Vec<String>,
    /// How many of the mixtures of an epoch are of these; all where there are no clips to make others of. Default: 0.5.
    pub share: f64,
}

impl Default for RecordedConfig {
    fn default() -> Self {
        Self {
            train: Vec::new(),
            valid: Vec::new(),
            tests: Vec::new(),
            mixture: "mix_wav".to_owned(),
            sources: ["s1_wav", "s2_wav"].map(str::to_owned).to_vec(),
            share: 0.5,
        }
    }
}

/// Such mixtures, opened.
pub(super) struct Recorded {
    /// Of each mixture its sound and its sources.
    mixtures: Vec<Vec<ClipRef>>,
    library: Library,
}

impl Recorded {
    /// # Errors
    /// A missing or malformed manifest, or one without a column; a held-out clip to train on.
    pub(super) fn open(
        places: &[PathBuf],
        columns: &RecordedConfig,
        config: &ManifestConfig,
        training: bool,
    ) -> Result<Self> {
        let (mut mixtures, mut library) = (Vec::new(), Library::default());
        for place in places {
            let mut rows: Vec<Vec<ClipRef>> = Vec::new();
            for wav in std::iter::once(&columns.mixture).chain(&columns.sources) {
                let columns = Columns { wav: wav.clone(), ..config.columns.clone() };
                let config = ManifestConfig { words: String::new(), columns, ..config.clone() };
                let added =
                    if training { library.add_training(place, &config)? } else { library.add(place, &config)? };
                rows.resize_with(added.len(), Vec::new);
                rows.iter_mut().zip(added).for_each(|(row, (_, clip))| row.push(clip));
            }
            mixtures.append(&mut rows);
        }
        Ok(Self { mixtures, library })
    }

    pub(super) fn len(&self) -> usize {
        self.mixtures.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.mixtures.is_empty()
    }

    pub(super) fn reader(&self) -> Result<LibraryReader> {
        self.library.reader()
    }

    /// One of the mixtures as it is.
    ///
    /// # Errors
    /// A file that cannot be read; sources that are not as long as their mixture.
    pub(super) fn read(&self, reader: &mut LibraryReader, number: usize) -> Result<Mixture> {
        let clips = &self.mixtures[number];
        let mut signals = clips.iter().map(|clip| reader.read(clip)).collect::<Result<Vec<_>>>()?;
        let lengths: Vec<usize> = signals.iter().map(Vec::len).collect();
        if let Some(other) = lengths.iter().find(|length| **length != lengths[0]) {
            let reason = format!("expected sources as long as their mixture, {} samples, found {other}", lengths[0]);
            return Err(Error::data(&clips[0].id, reason));
        }
        Ok(Mixture { sound: signals.remove(0), sources: signals })
    }

    /// So many samples of one of the mixtures; one that is shorter comes as it is.
    pub(super) fn piece(&self, reader: &mut LibraryReader, samples: usize, rng: &mut ChaCha8Rng) -> Result<Mixture> {
        let mut mixture = self.read(reader, rng.random_range(0..self.mixtures.len()))?;
        let from = rng.random_range(0..=mixture.sound.len().saturating_sub(samples));
        for signal in mixture.sources.iter_mut().chain(std::iter::once(&mut mixture.sound)) {
            signal.drain(..from);
            signal.truncate(samples);
        }
        Ok(mixture)
    }
}
