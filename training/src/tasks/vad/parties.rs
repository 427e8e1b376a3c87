use std::path::PathBuf;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::mixture::Mixture;
use crate::augment::Augmenter;
use crate::data::energy::FRAME;
use crate::data::manifest::ManifestConfig;
use crate::data::sounds::{ClipRef, Library, LibraryReader};
use crate::{Error, Result};

/// Recordings of which it is known when somebody speaks: manifests in JSON whose entries have `speech`, as those that
/// SpeechBrain's recipe makes of LibriParty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PartyConfig {
    /// To train on.
    pub train: Vec<PathBuf>,
    /// To validate on.
    pub valid: Vec<PathBuf>,
    /// To report on, each apart, as they are.
    pub tests: Vec<PathBuf>,
    /// How many of the mixtures of an epoch are pieces of them; all where there is no other speech. Default: 0.5.
    pub share: f64,
}

impl Default for PartyConfig {
    fn default() -> Self {
        Self { train: Vec::new(), valid: Vec::new(), tests: Vec::new(), share: 0.5 }
    }
}

/// Such recordings, opened.
pub(super) struct Parties {
    clips: Vec<(ClipRef, Vec<[f64; 2]>)>,
    library: Library,
}

impl Parties {
    /// # Errors
    /// A missing or malformed manifest, or an entry without `speech`; a held-out clip to train on.
    pub(super) fn open(places: &[PathBuf], config: &ManifestConfig, training: bool) -> Result<Self> {
        let (mut clips, mut library) = (Vec::new(), Library::default());
        let config = ManifestConfig { words: String::new(), ..config.clone() };
        for place in places {
            let entries = if training { library.add_training(place, &config)? } else { library.add(place, &config)? };
            for (item, clip) in entries {
                let silent = || {
                    let reason = "expected `speech`, pairs of beginning and end in seconds, found none";
                    Error::data(format!("{} entry `{}`", place.display(), item.id), reason)
                };
                clips.push((clip, item.speech.clone().ok_or_else(silent)?));
            }
        }
        Ok(Self { clips, library })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.clips.is_empty()
    }

    pub(super) fn reader(&self) -> Result<LibraryReader> {
        self.library.reader()
    }

    /// All recordings as they are, at the length of whole frames.
    pub(super) fn all(&self) -> Result<Vec<Mixture>> {
        let mut reader = self.reader()?;
        (0..self.clips.len()).map(|number| self.read(&mut reader, number)).collect()
    }

    /// So many frames of 10 ms of one of the recordings, with silence after one that is shorter.
    pub(super) fn piece(
        &self,
        reader: &mut LibraryReader,
        augmenter: &Augmenter,
        frames: usize,
        rng: &mut ChaCha8Rng,
    ) -> Result<Mixture> {
        let number = rng.random_range(0..self.clips.len());
        let Mixture { mut sound, mut speech } = self.read(reader, number)?;
        let from = rng.random_range(0..=speech.len().saturating_sub(frames));
        sound.drain(..from * FRAME);
        speech.drain(..from);
        sound.resize(frames * FRAME, 0.0);
        speech.resize(frames, false);
        augmenter.waveform(&mut sound, rng);
        Ok(Mixture { sound, speech })
    }

    fn read(&self, reader: &mut LibraryReader, number: usize) -> Result<Mixture> {
        let (clip, stretches) = &self.clips[number];
        let mut sound = reader.read(clip)?;
        let frames = sound.len() / FRAME;
        sound.truncate(frames * FRAME);
        // A frame is speech where its middle is.
        let spoken = |frame: usize| {
            let middle_s = (frame as f64 + 0.5) / 100.0;
            stretches.iter().any(|[start, stop]| (*start..*stop).contains(&middle_s))
        };
        Ok(Mixture { sound, speech: (0..frames).map(spoken).collect() })
    }
}
