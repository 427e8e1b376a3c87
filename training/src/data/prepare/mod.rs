//! From the unpacked sets to one folder for each split: `manifest.csv`, `audio.pack`, `audio.index.csv`.
//!
//! One file for each set decides which split a clip belongs to; everything else is the same for all.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rejoinder_models::audio;
use rejoinder_models::units::SampleRate;

use super::held_out::HeldOut;
use super::manifest::{self, DATA_ROOT, Item, Manifest, ManifestConfig, ManifestForm};
use super::sounds::{SoundReader, Sounds};
use crate::{Error, Result};

mod config;
mod folder;
mod fsdd;
mod intent_barista;
mod kathleen;
mod keywords;
mod librispeech_sub;
mod ljspeech_sub;
mod noise;
mod precise_community;
mod published;
mod sentences_misc;
mod set;
mod speechocean762;
mod unpack;

use folder::FolderWriter;

pub use config::{PrepareConfig, SpeechSet};
pub use noise::NoiseConfig;
pub use published::{
    AishellConfig, CommonVoiceConfig, CommonVoiceSplit, FsddConfig, LibrispeechConfig, LjspeechConfig,
    MiniLibrispeechConfig, PhoneSet, SpeechCommandsConfig, Speechocean762Config, TimitConfig, VoicebankConfig,
    VoxcelebConfig,
};
pub use set::{Set, SetClip};

pub(crate) use unpack::locate;

/// The manifest inside a prepared folder.
pub const MANIFEST: &str = "manifest.csv";
/// The packed audio inside a prepared folder.
pub const PACK: &str = "audio.pack";
/// Every pack is mono at this rate.
pub const SAMPLE_RATE_HZ: u32 = 16_000;

/// Where a clip goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Split {
    /// To train on.
    Train,
    /// Keyword clips to train on, apart because they say the same few words over and over.
    Keywords,
    /// More keyword clips to train on, apart because recognisers are trained without them.
    MoreKeywords,
    /// Clips of many speakers to train on, apart because a teacher wrote their transcripts.
    Speakers,
    /// Clips without transcripts to learn the ends of turns from: of held-out sets too, whose words stay unseen.
    Orders,
    /// To choose checkpoints and settings by.
    Valid,
    /// To report on, in a folder of this name.
    Test(&'static str),
}

impl Split {
    /// The prepared folder's name.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Keywords => "train-keywords",
            Self::MoreKeywords => "train-keywords-precise",
            Self::Speakers => "train-speakers",
            Self::Orders => "train-orders",
            Self::Valid => "valid",
            Self::Test(name) => name,
        }
    }

    fn is_test(self) -> bool {
        matches!(self, Self::Test(_))
    }
}

/// A clip of a set and where it goes.
#[derive(Clone, Debug)]
pub struct Assigned {
    /// Where it goes.
    pub split: Split,
    /// The recording.
    pub path: PathBuf,
    /// Its row; the duration is that of the decoded audio once it is packed.
    pub item: Item,
}

/// Runs all steps of a recipe. `progress` is told a step, how much is done, and how much there is.
///
/// # Errors
/// Whatever is missing or malformed in the sets, and failed writes. What is done stays done: the next call goes on.
pub fn prepare(config: &PrepareConfig, progress: &mut dyn FnMut(&str, usize, usize)) -> Result<()> {
    config.check()?;
    prepare_all(config, progress)
}

fn prepare_all(config: &PrepareConfig, progress: &mut dyn FnMut(&str, usize, usize)) -> Result<()> {
    prepare_speech(config, |_| true, progress)?;
    let sets = config.located();
    if let Some(noise) = &config.noise {
        noise::prepare(noise, sets, &config.out, progress)?;
    }
    for synth in &config.synth {
        super::synth::render(synth, sets, &config.out, progress)?;
    }
    config.published().try_for_each(|(layout, out)| published::write(layout, out, config.manifests, progress))?;
    config.more.iter().try_for_each(|more| prepare_all(more, progress))
}

/// Writes lists of VoxCeleb's files.
///
/// # Errors
/// A folder or file that is missing, a recording that cannot be decoded, a list that cannot be written.
pub fn prepare_voxceleb(config: &VoxcelebConfig, progress: &mut dyn FnMut(&str, usize, usize)) -> Result<()> {
    published::write(config, &config.save_folder, ManifestForm::Csv, progress)
}

/// Writes lists of LJ Speech's files.
///
/// # Errors
/// As [`prepare_voxceleb`].
pub fn prepare_ljspeech(config: &LjspeechConfig, progress: &mut dyn FnMut(&str, usize, usize)) -> Result<()> {
    published::write(config, &config.save_folder, ManifestForm::Csv, progress)
}

/// Shows what a step of the preparation tells of its progress.
pub(crate) fn with_bar<T>(step: impl FnOnce(&mut dyn FnMut(&str, usize, usize)) -> Result<T>) -> Result<T> {
    let bar = indicatif::ProgressBar::new(0);
    let outcome = step(&mut |what, done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
        bar.set_message(what.to_owned());
    });
    bar.finish_and_clear();
    outcome
}

/// Prepares the recorded speech of the splits that are wanted, nothing else.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_speech(
    config: &PrepareConfig,
    wanted: impl Fn(Split) -> bool,
    progress: &mut dyn FnMut(&str, usize, usize),
) -> Result<()> {
    std::fs::create_dir_all(&config.out).map_err(|e| Error::io(&config.out, e))?;
    let mut clips = Vec::new();
    for kind in &config.speech {
        let set = Set::open(config.located(), &config.out, kind.name())?;
        clips.extend(kind.split(&set)?);
    }
    check(&clips)?;
    clips.retain(|clip| wanted(clip.split));
    clips.sort_by_key(|clip| clip.split);
    for group in clips.chunk_by(|a, b| a.split == b.split) {
        write(&config.out.join(group[0].split.folder()), group, progress)?;
    }
    Ok(())
}

/// A clip outside the tests must not be held out, and a test clip must be. Clips without transcripts tell nothing of what
/// is held out.
fn check(clips: &[Assigned]) -> Result<()> {
    let held_out = HeldOut::default();
    let mut told = clips.iter().filter(|clip| clip.split != Split::Orders);
    let wrong = told.find(|clip| clip.split.is_test() != held_out.contains(&clip.item.id));
    match wrong {
        None => Ok(()),
        Some(clip) => Err(Error::data(
            &clip.item.id,
            format!("goes to {}, which disagrees with the list of held-out clips", clip.split.folder()),
        )),
    }
}

/// Packs clips into `folder`, unless that is done.
fn write(folder: &Path, clips: &[Assigned], progress: &mut dyn FnMut(&str, usize, usize)) -> Result<()> {
    let Some(mut writer) = FolderWriter::open(folder)? else { return check_done(folder, clips) };
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for clip in clips {
        writer.append(clip.item.clone(), &decode(&clip.path)?)?;
        progress(&name, writer.clips(), clips.len());
    }
    writer.finish()
}

/// Refuses a folder that another recipe has prepared without some of the clips. It may hold others.
fn check_done(folder: &Path, clips: &[Assigned]) -> Result<()> {
    let manifest = Manifest::read(manifest::locate(folder))?;
    let done: HashSet<&str> = manifest.items.iter().map(|item| item.id.as_str()).collect();
    let mut missing = clips.iter().map(|clip| clip.item.id.as_str()).filter(|id| !done.contains(id));
    if let Some(first) = missing.next() {
        let count = 1 + missing.count();
        let reason = format!(
            "was prepared without {count} of the clips of this recipe (first: {first}); remove the folder to prepare it \
             again"
        );
        return Err(Error::data(folder.display().to_string(), reason));
    }
    if done.len() > clips.len() {
        tracing::info!("{}: holds {} clips of other recipes too", folder.display(), done.len() - clips.len());
    }
    Ok(())
}

/// A prepared folder or a manifest, opened to read every clip of it.
pub struct Prepared {
    /// Its clips.
    pub manifest: Manifest,
    sounds: Sounds,
}

impl Prepared {
    /// Opens a prepared folder, or a manifest (`.csv` or `.json`), of which nothing but the sound is read, with the replacements
    /// of `config` in its paths.
    ///
    /// # Errors
    /// As [`Sounds::open`].
    pub fn open(place: &Path, config: &ManifestConfig) -> Result<Self> {
        let config = match manifest::is_manifest(place) {
            true => {
                let replacements = config.replacements.clone();
                ManifestConfig { replacements, words: String::new(), ..ManifestConfig::default() }
            }
            false => ManifestConfig::default(),
        };
        let (manifest, sounds) = Sounds::open(place, &config)?;
        Ok(Self { manifest, sounds })
    }

    /// Hands every clip to `visit`, as mono samples in [-1, 1].
    ///
    /// # Errors
    /// A pack at another rate, a clip that it lacks, or a failed read.
    pub fn each(&self, sample_rate_hz: u32, mut visit: impl FnMut(&Item, &[f32])) -> Result<()> {
        let mut reader = self.reader_at(sample_rate_hz)?;
        for item in &self.manifest.items {
            visit(item, &reader.read(&item.id, &item.wav)?);
        }
        Ok(())
    }

    /// A reader of its clips.
    ///
    /// # Errors
    /// A pack that cannot be opened, or of another rate.
    pub fn reader_at(&self, sample_rate_hz: u32) -> Result<SoundReader> {
        self.sounds.reader_at(sample_rate_hz)
    }
}

/// A recording as mono samples at the rate of the packs.
pub(crate) fn decode(path: &Path) -> Result<Vec<f32>> {
    let clip = audio::read_at(path, SampleRate::hz(SAMPLE_RATE_HZ))?;
    Ok(clip.samples)
}

/// A row with the text as given; a clip whose text leaves no words stays out.
fn assign(set: &Set, clip: &SetClip, split: Split) -> Option<Assigned> {
    let words = super::text::words(&clip.transcript)?;
    let item = Item {
        id: format!("{}/{}", set.name, clip.id),
        duration_s: clip.duration_s,
        wav: format!("{DATA_ROOT}/{}/{}", set.name, clip.path).into(),
        speaker: format!("{}/{}", set.name, clip.speaker),
        words,
        ..Item::default()
    };
    Some(Assigned { split, path: set.folder.join(&clip.path), item })
}

#[cfg(test)]
mod tests {
    use rejoinder_models::audio::{Clip, write_wav};

    use super::*;

    #[test]
    fn noise_may_be_a_list_of_files() {
        let dir = tempfile::tempdir().unwrap();
        write_wav(dir.path().join("hum.wav"), &Clip::new(vec![0.25; 1_600], SampleRate::hz(SAMPLE_RATE_HZ))).unwrap();
        let list = dir.path().join("noise.csv");
        std::fs::write(&list, "ID,duration,wav,wav_format,wav_opts\nhum,0.1,$data_root/hum.wav,wav,\n").unwrap();
        let mut heard = Vec::new();
        let visit = |item: &Item, samples: &[f32]| heard.push((item.id.clone(), samples.len(), samples[0]));
        Prepared::open(&list, &ManifestConfig::default()).unwrap().each(SAMPLE_RATE_HZ, visit).unwrap();
        assert_eq!(heard, [("hum".to_owned(), 1_600, 0.25)]);
        std::fs::write(&list, "ID,duration,wav\nhum,0.1,\n").unwrap();
        let nameless = Prepared::open(&list, &ManifestConfig::default()).map(drop).unwrap_err().to_string();
        assert!(nameless.ends_with("entry `hum`: expected a path in `wav`, found none"), "{nameless}");
    }

    #[test]
    fn a_folder_without_some_of_the_clips_is_not_taken_for_done() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clip.wav");
        write_wav(&path, &Clip::new(vec![0.1; 1_600], SampleRate::hz(SAMPLE_RATE_HZ))).unwrap();
        let clip = |id: &&str| {
            let item = Item { id: (*id).to_owned(), words: "a".to_owned(), ..Item::default() };
            Assigned { split: Split::Train, path: path.clone(), item }
        };
        let folder = dir.path().join("train");
        let prepare = |ids: &[&str]| write(&folder, &ids.iter().map(clip).collect::<Vec<_>>(), &mut |_, _, _| {});
        prepare(&["a", "b"]).unwrap();
        prepare(&["b"]).unwrap();
        let message = prepare(&["c", "a", "d"]).unwrap_err().to_string();
        assert!(message.contains("train: was prepared without 2 of the clips of this recipe (first: c)"), "{message}");
    }
}
