//! The sound of a manifest's clips: packed beside it, or in the files that it names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rejoinder_models::units::SampleRate;

use super::held_out::HeldOut;
use super::manifest::{self, Item, Manifest, ManifestConfig, Recording};
use super::pack::{Pack, PackReader};
use super::prepare::{PACK, SAMPLE_RATE_HZ};
use crate::{Error, Result};

/// Where the clips of a manifest are read from. Immutable and shared; each thread reads through a [`SoundReader`].
#[derive(Clone, Debug)]
pub enum Sounds {
    /// A pack, which has each clip by its id.
    Pack(Pack),
    /// The files that the manifest names, decoded whenever they are read, at 16 kHz.
    Files(Arc<Files>),
}

/// How paths in a manifest become those of files.
#[derive(Clone, Debug)]
pub struct Files {
    config: ManifestConfig,
    folder: PathBuf,
}

impl Sounds {
    /// Opens a manifest, or the one in a folder, and the pack beside it. Where there is no pack, clips are read from the
    /// files that the manifest names.
    ///
    /// # Errors
    /// A manifest or pack that is missing or malformed; a clip that the pack lacks.
    pub fn open(place: &Path, config: &ManifestConfig) -> Result<(Manifest, Self)> {
        let path = manifest::locate(place);
        let manifest = Manifest::read_with(&path, config)?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let pack = folder.join(PACK);
        if manifest::is_manifest(place) || !pack.exists() {
            if let Some(item) = manifest.items.iter().find(|item| item.wav.is_nameless()) {
                let (place, column) = (format!("{} entry `{}`", path.display(), item.id), &config.columns.wav);
                return Err(Error::data(place, format!("expected a path in `{column}`, found none")));
            }
            warn_of_lengths(&path, &manifest, config, &folder);
            return Ok((manifest, Self::Files(Arc::new(Files { config: config.clone(), folder }))));
        }
        let pack = Pack::open(pack)?;
        let missing = manifest.items.iter().find(|item| pack.span(&item.id).is_none());
        match missing {
            None => Ok((manifest, Self::Pack(pack))),
            Some(item) => {
                let reason = "stands in the manifest but not in the pack; prepare the data again";
                Err(Error::data(&item.id, reason))
            }
        }
    }

    /// Samples per second of every clip as it is read.
    pub fn sample_rate_hz(&self) -> u32 {
        match self {
            Self::Pack(pack) => pack.sample_rate_hz(),
            Self::Files(_) => SAMPLE_RATE_HZ,
        }
    }

    /// As [`Sounds::reader`], for a user that needs a certain rate.
    ///
    /// # Errors
    /// As [`Sounds::reader`], and a pack at another rate.
    pub fn reader_at(&self, sample_rate_hz: u32) -> Result<SoundReader> {
        match self {
            Self::Pack(pack) => Ok(SoundReader::Pack(pack.reader_at(sample_rate_hz)?)),
            Self::Files(_) => self.reader(),
        }
    }

    /// A reader for a thread of its own.
    ///
    /// # Errors
    /// When a pack cannot be opened.
    pub fn reader(&self) -> Result<SoundReader> {
        Ok(match self {
            Self::Pack(pack) => SoundReader::Pack(pack.reader()?),
            Self::Files(files) => SoundReader::Files(files.clone()),
        })
    }
}

/// Clips of a manifest whose sound is held against the length that is told of it.
const MEASURED: usize = 4;
/// How far the two may be apart, as a share of the length, and in seconds.
const APART: f64 = 0.02;
const APART_S: f64 = 0.1;

/// Warns of lengths that are not those of the sound, by which batches are formed and clips are left out. What cannot be read
/// is told where it is used.
fn warn_of_lengths(path: &Path, manifest: &Manifest, config: &ManifestConfig, folder: &Path) {
    let every = manifest.items.len().div_ceil(MEASURED).max(1);
    for item in manifest.items.iter().step_by(every) {
        let Ok(seconds) = item.wav.measure(config, folder) else { continue };
        if (seconds - item.duration_s).abs() > APART_S + APART * seconds {
            let (path, Item { id, duration_s, .. }) = (path.display(), item);
            tracing::warn!("{path}: `{id}` is told to be {duration_s} s long, and is {seconds:.2} s; so may others be");
            return;
        }
    }
}

/// Reads the clips of a manifest.
pub enum SoundReader {
    /// From a pack.
    Pack(PackReader),
    /// From files.
    Files(Arc<Files>),
}

impl SoundReader {
    /// The samples of the clip `id`, which is `wav` in its manifest, mono in [-1, 1].
    ///
    /// # Errors
    /// When they cannot be read or decoded.
    pub fn read(&mut self, id: &str, wav: &Recording) -> Result<Vec<f32>> {
        match self {
            Self::Pack(reader) => {
                let mut samples = Vec::new();
                reader.read(id, &mut samples)?;
                Ok(samples)
            }
            Self::Files(files) => wav.read(&files.config, &files.folder, SampleRate::hz(SAMPLE_RATE_HZ)),
        }
    }
}

/// Clips of several prepared folders and manifests, at 16 kHz. Immutable and shared; each thread reads through a
/// [`LibraryReader`].
#[derive(Clone, Debug, Default)]
pub struct Library {
    sounds: Vec<Sounds>,
}

/// A clip of a [`Library`].
#[derive(Clone, Debug, Default)]
pub struct ClipRef {
    /// Its name.
    pub id: String,
    pub(super) wav: Recording,
    /// Which of the library's sounds.
    pub(crate) source: usize,
}

impl ClipRef {
    /// Whether both are the same sound, be it of two sources.
    pub fn is_same(&self, other: &Self) -> bool {
        self.wav == other.wav
    }

    /// All of the recording that the clip is a part of; in a pack, the clip.
    #[must_use]
    pub fn whole(&self) -> Self {
        Self { wav: Recording { span: None, ..self.wav.clone() }, ..self.clone() }
    }
}

impl Library {
    /// Opens one more folder or manifest: its rows, each with its clip.
    ///
    /// # Errors
    /// As [`Sounds::open`].
    pub fn add(&mut self, place: &Path, config: &ManifestConfig) -> Result<Vec<(Item, ClipRef)>> {
        let (manifest, sounds) = Sounds::open(place, config)?;
        let source = self.sounds.len();
        self.sounds.push(sounds);
        let refer = |item: Item| {
            let clip = ClipRef { id: item.id.clone(), wav: item.wav.clone(), source };
            (item, clip)
        };
        Ok(manifest.items.into_iter().map(refer).collect())
    }

    /// As [`add`](Self::add), to train on: held-out clips are refused.
    ///
    /// # Errors
    /// As [`Sounds::open`]; a held-out clip.
    pub fn add_training(&mut self, place: &Path, config: &ManifestConfig) -> Result<Vec<(Item, ClipRef)>> {
        let clips = self.add(place, config)?;
        let name = manifest::locate(place).display().to_string();
        HeldOut::default().check(&name, clips.iter().map(|(item, _)| item))?;
        Ok(clips)
    }

    /// A reader of all clips, for a thread of its own.
    ///
    /// # Errors
    /// A pack that cannot be opened, or of another rate.
    pub fn reader(&self) -> Result<LibraryReader> {
        let readers = self.sounds.iter().map(|sounds| sounds.reader_at(SAMPLE_RATE_HZ)).collect::<Result<_>>()?;
        Ok(LibraryReader { readers })
    }
}

/// Reads the clips of a [`Library`].
pub struct LibraryReader {
    readers: Vec<SoundReader>,
}

impl LibraryReader {
    /// The samples of a clip, mono at 16 kHz in [-1, 1].
    ///
    /// # Errors
    /// When they cannot be read or decoded.
    pub fn read(&mut self, clip: &ClipRef) -> Result<Vec<f32>> {
        self.readers[clip.source].read(&clip.id, &clip.wav)
    }
}

#[cfg(test)]
mod tests {
    use rejoinder_models::audio::{Clip, write_wav_channels};

    use super::*;
    use crate::data::manifest::SegmentUnit;

    /// Both channels of `a.wav` and the one of `b.wav` rise by one step a sample, each from another level.
    fn sample(channel: usize, at: usize) -> f32 {
        (1_000 * (channel + 1) + at) as f32 / 32_768.0
    }

    fn sounds(folder: &Path, name: &str, manifest: &str, config: &ManifestConfig) -> Result<Vec<Vec<f32>>> {
        let path = folder.join(name);
        std::fs::write(&path, manifest).unwrap();
        let (manifest, sounds) = Sounds::open(&path, config)?;
        let mut reader = sounds.reader()?;
        manifest.items.iter().map(|item| reader.read(&item.id, &item.wav)).collect()
    }

    #[test]
    fn parts_and_channels_of_files_are_heard() {
        let folder = tempfile::tempdir().unwrap();
        let channel =
            |channel| Clip::new((0..1_600).map(|at| sample(channel, at)).collect(), SampleRate::hz(SAMPLE_RATE_HZ));
        write_wav_channels(folder.path().join("a.wav"), &[&channel(0), &channel(1)]).unwrap();
        write_wav_channels(folder.path().join("b.wav"), &[&channel(2)]).unwrap();
        let expected = |channel: usize, part: std::ops::Range<usize>| part.map(|at| sample(channel, at)).collect();
        let same = |heard: &[f32], expected: Vec<f32>| {
            heard.len() == expected.len() && heard.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6)
        };
        let json = r#"{"one": {"duration": 0.1, "wav": {"file": "{data_root}/b.wav", "start": 160, "stop": 320}, "wrd": "x"},
            "side": {"duration": 0.1, "wav": {"files": ["{data_root}/a.wav", "{data_root}/b.wav"]}, "wrd": "x"},
            "end": {"duration": 0.1, "wav": {"file": "{data_root}/b.wav", "start": 1500, "stop": 1500}, "wrd": "x"}}"#;
        let mean = ManifestConfig::default();
        let heard = sounds(folder.path(), "m.json", json, &mean).unwrap();
        assert!(same(&heard[0], expected(2, 160..320)) && same(&heard[2], expected(2, 1_500..1_600)));
        // The mean of all three channels is the middle one.
        assert!(same(&heard[1], expected(1, 0..1_600)));
        let side = json.replace("{\"file\": \"{data_root}/b.wav\"", "{\"file\": \"{data_root}/a.wav\"");
        let second = ManifestConfig { channel: Some(1), ..ManifestConfig::default() };
        assert!(same(&sounds(folder.path(), "m.json", &side, &second).unwrap()[0], expected(1, 160..320)));
        let message = sounds(folder.path(), "m.json", json, &second).unwrap_err().to_string();
        assert!(message.contains("a channel below 1") && message.contains("b.wav"), "{message}");

        let csv = "ID, duration, wav, start, stop, wrd\none, 0.1, $sets/b.wav, 0.01, 0.02, x\n";
        let message = sounds(folder.path(), "m.csv", csv, &mean).unwrap_err().to_string();
        assert!(message.contains("nothing stands for `sets`"), "{message}");
        let replacements = [("sets".to_owned(), folder.path().to_owned())].into();
        let config = ManifestConfig { replacements, ..ManifestConfig::default() };
        assert!(same(&sounds(folder.path(), "m.csv", csv, &config).unwrap()[0], expected(2, 160..320)));
        let config = ManifestConfig { segments: SegmentUnit::Samples, ..config };
        let csv = csv.replace("0.01, 0.02", "5, 9");
        assert!(same(&sounds(folder.path(), "m.csv", &csv, &config).unwrap()[0], expected(2, 5..9)));
    }
}
