//! Speech by speaker: clips of prepared folders, or of lists of sound files, as one data set.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use rand::Rng;
use rand::seq::SliceRandom;

use super::labels::LabelEncoder;
use super::manifest::{self, Item, ManifestConfig};
use super::sounds::{ClipRef, Library, LibraryReader};
use crate::{Error, Result};

/// A clip and its speaker.
#[derive(Clone, Debug)]
pub struct SpeakerClip {
    /// Where it is.
    pub sound: ClipRef,
    /// The number of its speaker, in [`SpeakerDataset::speakers`].
    pub speaker: usize,
    /// Its length in seconds.
    pub seconds: f64,
    /// What its list says of how long it is, in seconds: in VoxCeleb's, all of the recording that it is a part of.
    pub duration_s: f64,
}

/// Clips of known speakers. Immutable, shared by threads.
#[derive(Clone, Debug, Default)]
pub struct SpeakerDataset {
    clips: Vec<SpeakerClip>,
    speakers: Vec<String>,
    library: Library,
}

impl SpeakerDataset {
    /// Opens prepared folders and manifests (`.csv` or `.json`) to evaluate on. Clips of unknown speakers stay out.
    ///
    /// # Errors
    /// A missing or malformed file, a clip that its pack lacks, a pack at another rate; two recordings of one name.
    pub fn open(sources: &[PathBuf], config: &ManifestConfig) -> Result<Self> {
        Self::read(sources, config, false)
    }

    /// As [`SpeakerDataset::open`], to train on: held-out clips are refused.
    ///
    /// # Errors
    /// As [`SpeakerDataset::open`]; a held-out clip.
    pub fn open_training(sources: &[PathBuf], config: &ManifestConfig) -> Result<Self> {
        Self::read(sources, config, true)
    }

    fn read(sources: &[PathBuf], config: &ManifestConfig, training: bool) -> Result<Self> {
        let config = &ManifestConfig { words: String::new(), ..config.clone() };
        let (mut named, mut library) = (Vec::new(), Library::default());
        for source in sources {
            let clips = if training { library.add_training(source, config)? } else { library.add(source, config)? };
            let known = clips.into_iter().filter(|(item, _)| !item.speaker.is_empty());
            named.extend(known.map(|(item, sound)| speaker_clip(item, sound)));
        }
        let named = each_once(named, sources)?;
        let speakers: BTreeSet<&str> = named.iter().map(|(speaker, _)| speaker.as_str()).collect();
        let numbers: BTreeMap<&str, usize> = speakers.iter().enumerate().map(|(i, name)| (*name, i)).collect();
        let clip = |(speaker, clip): &(String, SpeakerClip)| SpeakerClip {
            speaker: numbers[speaker.as_str()],
            ..clip.clone()
        };
        let clips = named.iter().map(clip).collect();
        Ok(Self { clips, speakers: speakers.into_iter().map(str::to_owned).collect(), library })
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
        Self { clips, speakers, library: self.library.clone() }
    }

    /// Takes `count` speakers with at least `clips` clips out to validate on, spread evenly over those that there are;
    /// somebody is left to learn from. Returns the rest, and those with at most `clips` clips of each.
    pub fn split(&self, count: usize, clips: usize) -> (Self, Self) {
        let some = self.some(count.min(self.speakers.len().saturating_sub(1)), clips);
        let taken: BTreeSet<&str> = some.speakers.iter().map(String::as_str).collect();
        (self.filter(|_, speaker| !taken.contains(speaker)), some)
    }

    /// At most `count` speakers with at least `clips` clips, spread evenly over those that there are, with at most `clips`
    /// clips of each.
    pub fn some(&self, count: usize, clips: usize) -> Self {
        let of = self.by_speaker();
        let able: Vec<usize> = (0..of.len()).filter(|speaker| of[*speaker].len() >= clips).collect();
        let count = count.min(able.len());
        let taken: Vec<usize> = (0..count).map(|i| able[i * able.len() / count]).collect();
        let kept: BTreeSet<&str> = taken
            .iter()
            .flat_map(|speaker| of[*speaker].iter().take(clips))
            .map(|clip| self.clips[*clip].sound.id.as_str())
            .collect();
        self.filter(|clip, _| kept.contains(clip.sound.id.as_str()))
    }

    /// Numbers the speakers as a run has numbered them before. Those that it knew and that are no longer here keep their
    /// numbers.
    ///
    /// # Errors
    /// A speaker whom the run did not know.
    pub fn renumber(&mut self, labels: &LabelEncoder) -> Result<()> {
        let known = |name: &String| {
            labels.known(&name.as_str().into()).ok_or_else(|| {
                Error::data(
                    format!("speaker `{name}`"),
                    "expected one whom the run knows; `--fresh` begins anew with all",
                )
            })
        };
        let numbers = self.speakers.iter().map(known).collect::<Result<Vec<usize>>>()?;
        self.speakers = labels.names()?;
        self.clips.iter_mut().for_each(|clip| clip.speaker = numbers[clip.speaker]);
        Ok(())
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
    pub fn reader(&self) -> Result<LibraryReader> {
        self.library.reader()
    }
}

/// Each clip once: it may stand in several lists, such as both sides of trials.
fn each_once(named: Vec<(String, SpeakerClip)>, sources: &[PathBuf]) -> Result<Vec<(String, SpeakerClip)>> {
    let (mut once, mut places) = (Vec::<(String, SpeakerClip)>::new(), HashMap::<String, usize>::new());
    for (speaker, clip) in named {
        match places.get(&clip.sound.id).map(|place| &once[*place].1) {
            None => {
                places.insert(clip.sound.id.clone(), once.len());
                once.push((speaker, clip));
            }
            Some(first) if first.sound.is_same(&clip.sound) => {}
            Some(first) => {
                let [one, other] = [first, &clip].map(|clip| manifest::locate(&sources[clip.sound.source]));
                let (one, other) = (one.display(), other.display());
                let reason = format!("expected one recording, found two, in {one} and in {other}; rename one of them");
                return Err(Error::data(format!("clip `{}`", clip.sound.id), reason));
            }
        }
    }
    Ok(once)
}

/// A clip and the name of its speaker.
fn speaker_clip(item: Item, sound: ClipRef) -> (String, SpeakerClip) {
    let (duration_s, seconds) = (item.duration_s, item.wav.seconds().unwrap_or(item.duration_s));
    (item.speaker, SpeakerClip { sound, speaker: 0, seconds, duration_s })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speakers_keep_the_numbers_of_their_run() {
        let clip = |speaker: usize| {
            let item = Item { id: speaker.to_string(), duration_s: 1.0, ..Item::default() };
            let sound = ClipRef { id: item.id.clone(), ..ClipRef::default() };
            SpeakerClip { speaker, ..speaker_clip(item, sound).1 }
        };
        let names = ["a", "b"].map(str::to_owned).to_vec();
        let mut dataset = SpeakerDataset { clips: vec![clip(0), clip(1)], speakers: names, ..Default::default() };
        let run = LabelEncoder::classes(&["b", "gone", "a"].map(str::to_owned));
        dataset.renumber(&run).unwrap();
        assert_eq!(dataset.speakers(), ["b", "gone", "a"]);
        assert_eq!(dataset.clips().iter().map(|clip| clip.speaker).collect::<Vec<_>>(), [2, 0]);
        let other = LabelEncoder::classes(&["b".to_owned()]);
        let error = dataset.renumber(&other).unwrap_err().to_string();
        assert!(error.contains("gone"), "{error}");
    }

    #[test]
    fn a_clip_of_two_lists_comes_once_and_two_of_one_name_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let list = |name: &str, wav: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, format!("ID,duration,wav,spk_id\nx/1,1.0,{wav},a\n")).unwrap();
            path
        };
        let config = ManifestConfig::of_voices();
        let lists = [list("one.csv", "1.wav"), list("same.csv", "1.wav"), list("other.csv", "2.wav")];
        assert_eq!(SpeakerDataset::open(&lists[..2], &config).unwrap().clips().len(), 1);
        let message = SpeakerDataset::open(&lists, &config).unwrap_err().to_string();
        assert!(["clip `x/1`", "one.csv", "other.csv"].iter().all(|part| message.contains(part)), "{message}");
    }
}
