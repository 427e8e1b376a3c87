use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;
use rejoinder_models::runtime::{self, RuntimeConfig};
use rejoinder_models::vad::{self, SegmenterConfig, Vad, VadConfig};

use crate::data::manifest::ManifestConfig;
use crate::data::sounds::{ClipRef, Library, LibraryReader};
use crate::{Error, Result};

/// A recording of one turn, and where speech is in it.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    /// The recording.
    pub sound: ClipRef,
    /// Stretches of speech, in samples, as the recipe's voice activity detector finds them. At least one.
    pub speech: Vec<Range<usize>>,
}

/// Recorded turns of several prepared folders and manifests.
pub struct Corpus {
    turns: Vec<Turn>,
    library: Library,
}

/// Who tells where speech is in a recording, which is what a conversation that asks the net has to do in the same way.
pub(super) struct Listener {
    vad: Arc<dyn Vad>,
    segments: SegmenterConfig,
}

impl Listener {
    /// # Errors
    /// As [`VadConfig::open`] and [`VadDetector::new`].
    pub(super) fn open(vad: &VadConfig, segments: SegmenterConfig) -> Result<Self> {
        segments.check()?;
        let runtime = runtime::open(&RuntimeConfig::default())?;
        Ok(Self { vad: vad.open(runtime.as_ref())?, segments })
    }

    /// Stretches of speech, in samples.
    fn stretches(&self, samples: &[f32]) -> Result<Vec<Range<usize>>> {
        Ok(vad::stretches(self.vad.as_ref(), self.segments, samples)?)
    }
}

impl Corpus {
    /// Opens prepared folders and manifests, and looks for speech in all clips of at least `least_s` seconds, at
    /// most `most` of each folder, spread evenly; 0 for all. Clips without speech stay out.
    ///
    /// # Errors
    /// A missing or malformed file, or a pack at another rate than 16 kHz.
    pub(super) fn open(
        folders: &[PathBuf],
        config: &ManifestConfig,
        listener: &Listener,
        least_s: f64,
        most: usize,
    ) -> Result<Self> {
        let (mut turns, mut library) = (Vec::new(), Library::default());
        let config = ManifestConfig { words: String::new(), ..config.clone() };
        for folder in folders {
            let clips = library.add(folder, &config)?.into_iter();
            let mut clips: Vec<ClipRef> =
                clips.filter(|(item, _)| item.duration_s >= least_s).map(|(_, clip)| clip).collect();
            let all = clips.len();
            if most > 0 && most < all {
                clips = (0..most).map(|n| clips[n * all / most].clone()).collect();
            }
            tracing::info!("{}: looking for pauses in {} clips", folder.display(), clips.len());
            let pieces = clips.chunks(64).collect::<Vec<_>>().into_par_iter();
            let found = pieces.map(|clips| find(clips, &library, listener)).collect::<Result<Vec<_>>>()?;
            turns.extend(found.into_iter().flatten());
        }
        if turns.is_empty() {
            let names: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
            return Err(Error::data(names.join(", "), "expected clips with speech, found none"));
        }
        Ok(Self { turns, library })
    }

    /// The turns, in file order.
    pub fn turns(&self) -> &[Turn] {
        &self.turns
    }

    /// A reader of all turns, for a thread of its own.
    pub(super) fn reader(&self) -> Result<LibraryReader> {
        self.library.reader()
    }
}

fn find(clips: &[ClipRef], library: &Library, listener: &Listener) -> Result<Vec<Turn>> {
    let (mut reader, mut turns) = (library.reader()?, Vec::new());
    for clip in clips {
        let speech = listener.stretches(&reader.read(clip)?)?;
        if !speech.is_empty() {
            turns.push(Turn { sound: clip.clone(), speech });
        }
    }
    Ok(turns)
}
