use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;
use rejoinder_models::runtime::{self, RuntimeConfig};
use rejoinder_models::streaming::Streaming;
use rejoinder_models::vad::{SegmenterConfig, Vad, VadConfig, VadDetector, VadEvent};

use crate::data::manifest::{self, Manifest};
use crate::data::pack::{Pack, PackReader};
use crate::data::prepare::{PACK, SAMPLE_RATE_HZ};
use crate::{Error, Result};

/// A recording of one turn, and where speech is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its name in the pack.
    pub id: String,
    /// Stretches of speech, in samples, as the recipe's voice activity detector finds them. At least one.
    pub speech: Vec<Range<usize>>,
    source: usize,
}

/// Recorded turns of several prepared folders.
pub struct Corpus {
    turns: Vec<Turn>,
    packs: Vec<Pack>,
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
        let mut detector = VadDetector::new(self.vad.as_ref(), self.segments)?;
        let mut events = Vec::new();
        detector.push(samples, &mut events)?;
        detector.flush(&mut events)?;
        let mut speech: Vec<Range<usize>> = Vec::new();
        for event in events {
            match event {
                VadEvent::SpeechStarted { at, .. } => speech.push(at.0 as usize..samples.len()),
                VadEvent::SpeechStopped { at, .. } => {
                    if let Some(last) = speech.last_mut() {
                        last.end = (at.0 as usize).min(samples.len());
                    }
                }
            }
        }
        speech.retain(|stretch| !stretch.is_empty());
        Ok(speech)
    }
}

impl Corpus {
    /// Opens prepared folders and looks for speech in all clips of at least `least_s` seconds, at most `most` of each
    /// folder, spread evenly; 0 for all. Clips without speech stay out.
    ///
    /// # Errors
    /// A missing or malformed file, or a pack at another rate than 16 kHz.
    pub(super) fn open(folders: &[PathBuf], listener: &Listener, least_s: f64, most: usize) -> Result<Self> {
        let (mut turns, mut packs) = (Vec::new(), Vec::new());
        for (source, folder) in folders.iter().enumerate() {
            let (manifest, pack) = (Manifest::read(manifest::locate(folder))?, Pack::open(folder.join(PACK))?);
            let mut ids: Vec<String> =
                manifest.items.into_iter().filter(|item| item.duration_s >= least_s).map(|item| item.id).collect();
            let all = ids.len();
            if most > 0 && most < all {
                ids = (0..most).map(|n| ids[n * all / most].clone()).collect();
            }
            let pieces = ids.chunks(64).collect::<Vec<_>>().into_par_iter();
            let found = pieces.map(|ids| find(ids, source, &pack, listener)).collect::<Result<Vec<_>>>()?;
            turns.extend(found.into_iter().flatten());
            packs.push(pack);
        }
        if turns.is_empty() {
            let names: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
            return Err(Error::data(names.join(", "), "expected clips with speech, found none"));
        }
        Ok(Self { turns, packs })
    }

    /// The turns, in file order.
    pub fn turns(&self) -> &[Turn] {
        &self.turns
    }

    /// A reader for each folder, for a thread of its own.
    pub(super) fn readers(&self) -> Result<Vec<PackReader>> {
        self.packs.iter().map(|pack| pack.reader_at(SAMPLE_RATE_HZ)).collect()
    }

    /// The samples of a turn, mono at 16 kHz in [-1, 1].
    pub(super) fn read(&self, readers: &mut [PackReader], turn: usize, samples: &mut Vec<f32>) -> Result<()> {
        let turn = &self.turns[turn];
        readers[turn.source].read(&turn.id, samples)
    }
}

fn find(ids: &[String], source: usize, pack: &Pack, listener: &Listener) -> Result<Vec<Turn>> {
    let mut reader = pack.reader_at(SAMPLE_RATE_HZ)?;
    let (mut samples, mut turns) = (Vec::new(), Vec::new());
    for id in ids {
        reader.read(id, &mut samples)?;
        let speech = listener.stretches(&samples)?;
        if !speech.is_empty() {
            turns.push(Turn { id: id.clone(), speech, source });
        }
    }
    Ok(turns)
}
