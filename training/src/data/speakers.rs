//! Speech by speaker: clips of prepared folders, or of lists of sound files, as one data set.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rand::Rng;
use rand::seq::SliceRandom;
use rejoinder_models::audio;
use rejoinder_models::units::SampleRate;

use super::held_out::HeldOut;
use super::manifest::Manifest;
use super::pack::{Pack, PackReader};
use super::prepare::{MANIFEST, PACK, SAMPLE_RATE_HZ};
use super::table::Table;
use crate::{Error, Result};

/// The columns of a list of sound files, as SpeechBrain's VoxCeleb recipes have them: a row for each segment, `start`
/// and `stop` in samples.
pub const LIST_COLUMNS: [&str; 6] = ["ID", "duration", "wav", "start", "stop", "spk_id"];

/// A clip and its speaker.
#[derive(Clone, Debug)]
pub struct SpeakerClip {
    /// Its name.
    pub id: String,
    /// The number of its speaker, in [`SpeakerDataset::speakers`].
    pub speaker: usize,
    /// Its length in seconds.
    pub seconds: f64,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    /// In the pack of this number.
    Pack(usize),
    /// In a sound file, from sample to sample.
    File(PathBuf, [usize; 2]),
}

/// Clips of known speakers. Immutable, shared by threads.
#[derive(Clone, Debug, Default)]
pub struct SpeakerDataset {
    clips: Vec<SpeakerClip>,
    speakers: Vec<String>,
    packs: Vec<Pack>,
}

impl SpeakerDataset {
    /// Opens prepared folders and lists of sound files (`.csv`) to evaluate on. Clips of unknown speakers stay out.
    ///
    /// # Errors
    /// A missing or malformed file, a clip that its pack lacks, a pack at another rate.
    pub fn open(sources: &[PathBuf]) -> Result<Self> {
        Self::read(sources, None)
    }

    /// As [`SpeakerDataset::open`], to train on: held-out clips are refused.
    ///
    /// # Errors
    /// As [`SpeakerDataset::open`]; a held-out clip.
    pub fn open_training(sources: &[PathBuf]) -> Result<Self> {
        Self::read(sources, Some(&HeldOut::default()))
    }

    fn read(sources: &[PathBuf], held_out: Option<&HeldOut>) -> Result<Self> {
        let (mut named, mut packs) = (Vec::new(), Vec::new());
        for source in sources {
            if source.extension().is_some_and(|extension| extension == "csv") {
                named.extend(read_list(source)?);
            } else {
                let path = source.join(MANIFEST);
                let manifest = Manifest::read(&path)?;
                held_out.map_or(Ok(()), |list| list.check(&path.display().to_string(), &manifest))?;
                named.extend(read_folder(source, manifest, &mut packs)?);
            }
        }
        // A clip may stand in several lists, such as both sides of trials.
        let mut seen = BTreeSet::new();
        named.retain(|(_, clip): &(String, SpeakerClip)| seen.insert(clip.id.clone()));
        let speakers: BTreeSet<&str> = named.iter().map(|(speaker, _)| speaker.as_str()).collect();
        let numbers: BTreeMap<&str, usize> = speakers.iter().enumerate().map(|(i, name)| (*name, i)).collect();
        let clip = |(speaker, clip): &(String, SpeakerClip)| SpeakerClip {
            speaker: numbers[speaker.as_str()],
            ..clip.clone()
        };
        let clips = named.iter().map(clip).collect();
        Ok(Self { clips, speakers: speakers.into_iter().map(str::to_owned).collect(), packs })
    }

    /// The clips, in the order of their files.
    pub fn clips(&self) -> &[SpeakerClip] {
        &self.clips
    }

    /// The names of the speakers, in order.
    pub fn speakers(&self) -> &[String] {
        &self.speakers
    }

    /// Leaves the clips that `keep` wants, and their speakers.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&SpeakerClip, &str) -> bool) -> Self {
        let mut clips: Vec<SpeakerClip> =
            self.clips.iter().filter(|clip| keep(clip, &self.speakers[clip.speaker])).cloned().collect();
        let left: BTreeSet<usize> = clips.iter().map(|clip| clip.speaker).collect();
        let numbers: BTreeMap<usize, usize> = left.iter().enumerate().map(|(new, old)| (*old, new)).collect();
        clips.iter_mut().for_each(|clip| clip.speaker = numbers[&clip.speaker]);
        let speakers = left.into_iter().map(|speaker| self.speakers[speaker].clone()).collect();
        Self { clips, speakers, packs: self.packs.clone() }
    }

    /// Takes `count` speakers with at least `clips` clips out to validate on, spread evenly over those that there are.
    /// Returns the rest, and those with at most `clips` clips of each.
    pub fn split(&self, count: usize, clips: usize) -> (Self, Self) {
        let of = self.by_speaker();
        let able: Vec<usize> = (0..of.len()).filter(|speaker| of[*speaker].len() >= clips).collect();
        let count = count.min(able.len());
        let taken: BTreeSet<&str> = (0..count).map(|i| self.speakers[able[i * able.len() / count]].as_str()).collect();
        let kept: BTreeSet<&str> =
            of.iter().flat_map(|own| own.iter().take(clips)).map(|clip| self.clips[*clip].id.as_str()).collect();
        let rest = self.filter(|_, speaker| !taken.contains(speaker));
        (rest, self.filter(|clip, speaker| taken.contains(speaker) && kept.contains(clip.id.as_str())))
    }

    /// The clips of each speaker.
    pub fn by_speaker(&self) -> Vec<Vec<usize>> {
        let mut of = vec![Vec::new(); self.speakers.len()];
        self.clips.iter().enumerate().for_each(|(number, clip)| of[clip.speaker].push(number));
        of
    }

    /// The clips of an epoch in random order: `each` of every speaker, or with 0 every clip once.
    pub fn draw(&self, each: usize, rng: &mut impl Rng) -> Vec<usize> {
        let mut drawn: Vec<usize> = match each {
            0 => (0..self.clips.len()).collect(),
            _ => {
                let mut of = self.by_speaker();
                of.iter_mut().for_each(|own| own.shuffle(rng));
                of.iter().flat_map(|own| own.iter().cycle().take(each)).copied().collect()
            }
        };
        drawn.shuffle(rng);
        drawn
    }

    /// A reader of all clips, for a thread of its own.
    ///
    /// # Errors
    /// When a pack cannot be opened.
    pub fn reader(&self) -> Result<SpeakerReader> {
        let packs = self.packs.iter().map(|pack| pack.reader_at(SAMPLE_RATE_HZ)).collect::<Result<_>>()?;
        Ok(SpeakerReader { packs })
    }
}

/// Reads the clips of a [`SpeakerDataset`].
pub struct SpeakerReader {
    packs: Vec<PackReader>,
}

impl SpeakerReader {
    /// Reads a clip of the reader's data set as mono samples in [-1, 1].
    ///
    /// # Errors
    /// When it cannot be read or decoded.
    pub fn read(&mut self, clip: &SpeakerClip, samples: &mut Vec<f32>) -> Result<()> {
        match &clip.place {
            Place::Pack(pack) => self.packs[*pack].read(&clip.id, samples),
            Place::File(path, [start, stop]) => {
                let whole = audio::read_at(path, SampleRate::hz(SAMPLE_RATE_HZ))?.samples;
                let stop = (*stop).min(whole.len());
                samples.clear();
                samples.extend_from_slice(&whole[(*start).min(stop)..stop]);
                Ok(())
            }
        }
    }
}

fn read_folder(folder: &Path, manifest: Manifest, packs: &mut Vec<Pack>) -> Result<Vec<(String, SpeakerClip)>> {
    let pack = Pack::open(folder.join(PACK))?;
    let mut named = Vec::new();
    for item in manifest.items.into_iter().filter(|item| !item.speaker.is_empty()) {
        if pack.span(&item.id).is_none() {
            return Err(Error::data(&item.id, "stands in the manifest but not in the pack; prepare the data again"));
        }
        let place = Place::Pack(packs.len());
        named.push((item.speaker, SpeakerClip { id: item.id, speaker: 0, seconds: item.duration_s, place }));
    }
    packs.push(pack);
    Ok(named)
}

fn read_list(path: &Path) -> Result<Vec<(String, SpeakerClip)>> {
    let table = Table::read(path)?;
    let columns = LIST_COLUMNS.iter().map(|name| table.column(name)).collect::<Result<Vec<_>>>()?;
    let mut named = Vec::with_capacity(table.rows.len());
    for row in &table.rows {
        let field = |column: usize| &row.fields[columns[column]];
        let sample = |column: usize| {
            let misfit = |_| table.error(row, LIST_COLUMNS[column], "a number of samples", field(column));
            field(column).parse::<usize>().map_err(misfit)
        };
        let span = [sample(3)?, sample(4)?];
        if span[0] >= span[1] {
            return Err(table.error(row, "stop", "more than `start`", field(4)));
        }
        let seconds = (span[1] - span[0]) as f64 / f64::from(SAMPLE_RATE_HZ);
        let place = Place::File(PathBuf::from(field(2)), span);
        named.push((field(5).to_owned(), SpeakerClip { id: field(0).to_owned(), speaker: 0, seconds, place }));
    }
    Ok(named)
}
