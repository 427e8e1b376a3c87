//! Sets as they are published. A file for each says where its recordings lie and what is told of them, a [`Layout`]; one
//! writer makes prepared folders or lists of all.
//!
//! Columns have the names and the meaning of SpeechBrain's `*_prepare.py` for the set.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::folder::FolderWriter;
use super::{SAMPLE_RATE_HZ, decode};
use crate::data::manifest::{COLUMNS, ManifestForm, RowWriter};
use crate::{Error, Result};

mod aishell;
mod common_voice;
mod files;
mod fsdd;
mod librispeech;
mod ljspeech;
mod speech_commands;
mod speechocean762;
mod timit;
mod timit_phones;
mod voicebank;
mod voxceleb;

pub use aishell::AishellConfig;
pub use common_voice::{CommonVoiceConfig, CommonVoiceSplit};
pub use fsdd::FsddConfig;
pub use librispeech::{LibrispeechConfig, MiniLibrispeechConfig};
pub use ljspeech::LjspeechConfig;
pub use speech_commands::SpeechCommandsConfig;
pub use speechocean762::Speechocean762Config;
pub use timit::{PhoneSet, TimitConfig};
pub use voicebank::VoicebankConfig;
pub use voxceleb::VoxcelebConfig;

/// A recording, or a piece of one, and what the set tells of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Clip {
    /// Unique within its split.
    pub(super) id: String,
    /// The recording.
    pub(super) path: PathBuf,
    /// The piece of it, in samples at 16 kHz. `None` for all.
    pub(super) span: Option<Range<usize>>,
    /// Values by column; a column that is not among them stays empty.
    pub(super) fields: Vec<(&'static str, String)>,
}

/// In which form the splits of a layout are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A prepared folder each, with the audio packed. The columns begin with those of a manifest.
    Folders,
    /// A list of sound files each, `SPLIT.csv` or `SPLIT.json`.
    Lists,
}

/// What a recipe says of how a set is prepared.
pub(super) trait Settings {
    /// As TOML.
    ///
    /// # Errors
    /// Settings that TOML cannot say.
    fn settings(&self) -> Result<String>;
}

impl<T: Serialize> Settings for T {
    fn settings(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::config("[prepare]", e))
    }
}

/// How a published set lies on a disk.
pub(super) trait Layout: Settings {
    /// What is written of it.
    fn form(&self) -> Form {
        Form::Folders
    }

    /// The columns. `ID`, `duration` or `length` in seconds, and in folders `wav`, are the writer's.
    fn columns(&self) -> &'static [&'static str] {
        &COLUMNS
    }

    /// The folder that [`DATA_ROOT`](crate::data::manifest::DATA_ROOT) stands for in manifests.
    fn root(&self) -> &Path;

    /// The names of the splits.
    fn splits(&self) -> Vec<String>;

    /// The clips of a split, in an order that does not depend on the disk.
    ///
    /// # Errors
    /// Metadata that is missing or malformed.
    fn clips(&self, split: &str) -> Result<Vec<Clip>>;

    /// The rows of a recording, once its samples are known: as a rule one.
    fn rows(&self, clip: &Clip, _samples: &[f32]) -> Vec<Clip> {
        vec![clip.clone()]
    }

    /// Whether rows depend on the samples.
    fn rows_go_by_sound(&self) -> bool {
        false
    }
}

/// Writes the splits that are not there yet below `out`, and goes on with a folder that was begun by the same settings.
/// `progress` is told a split, how much of it is done, and how much there is.
///
/// # Errors
/// As [`Layout::clips`]; a split without clips; recordings that are missing or cannot be decoded, once all others are packed;
/// failed writes.
pub(super) fn write(
    layout: &dyn Layout,
    out: &Path,
    manifests: ManifestForm,
    progress: &mut dyn FnMut(&str, usize, usize),
) -> Result<()> {
    for split in layout.splits() {
        let Some(mut writer) = Writer::open(layout, out, manifests, &split)? else { continue };
        let clips = layout.clips(&split)?;
        if clips.is_empty() {
            let reason = format!("expected recordings of the split `{split}`, found none");
            return Err(Error::data(layout.root().display().to_string(), reason));
        }
        let mut bad = Vec::new();
        for (number, clip) in clips.iter().enumerate() {
            let packed = writer.packed(&clip.id).filter(|_| !layout.rows_go_by_sound());
            match packed.map_or_else(|| decode(&clip.path).map(Sound::Samples), |samples| Ok(Sound::Packed(samples))) {
                Ok(Sound::Packed(samples)) => writer.append_packed(clip, samples)?,
                Ok(Sound::Samples(samples)) => {
                    for row in layout.rows(clip, &samples) {
                        writer.append(&row, &samples)?;
                    }
                }
                Err(error) => bad.push(error),
            }
            if bad.len() > BAD {
                break;
            }
            progress(&split, number + 1, clips.len());
        }
        refuse(&mut writer, &split, bad)?;
        writer.finish()?;
    }
    Ok(())
}

/// Recordings that cannot be read, after which nothing more is tried: the set itself may be elsewhere.
const BAD: usize = 20;

/// What is known of a clip's sound.
enum Sound {
    /// All of the recording.
    Samples(Vec<f32>),
    /// It is in the pack already, so many samples.
    Packed(usize),
}

/// Refuses a split of which recordings cannot be read; what was packed of it stays.
fn refuse(writer: &mut Writer<'_>, split: &str, bad: Vec<Error>) -> Result<()> {
    let count = bad.len();
    let Some(first) = bad.first() else { return Ok(()) };
    writer.flush()?;
    let all: Vec<String> = bad.iter().map(ToString::to_string).collect();
    let count = if count > BAD { format!("more than {BAD}") } else { count.to_string() };
    let reason = match bad.len() {
        1 => format!("{first}; put it right, and run this again: what is packed already is kept"),
        _ => format!(
            "{count} recordings cannot be read:\n  {}\nPut them right, and run this again: what is packed already is kept",
            all.join("\n  ")
        ),
    };
    Err(Error::data(format!("split `{split}`"), reason))
}

/// A split in the making.
struct Writer<'a> {
    columns: &'static [&'static str],
    root: &'a Path,
    manifests: ManifestForm,
    place: Place,
}

enum Place {
    Folder(Box<FolderWriter>),
    List { rows: Box<RowWriter>, partial: PathBuf, path: PathBuf },
}

impl<'a> Writer<'a> {
    /// Nothing where the split is done.
    fn open(layout: &'a dyn Layout, out: &Path, manifests: ManifestForm, split: &str) -> Result<Option<Self>> {
        let columns = layout.columns();
        let place = match layout.form() {
            Form::Folders => {
                let folder = out.join(split);
                let (note, settings) = (folder.join(SOURCE), layout.settings()?);
                let goes_on = std::fs::read_to_string(&note).is_ok_and(|known| known == settings);
                let writer = FolderWriter::open_with(&folder, manifests, columns, goes_on)?;
                keep_apart(&folder, &note, &settings, writer.is_none())?;
                writer.map(|folder| Place::Folder(Box::new(folder)))
            }
            Form::Lists => {
                let name = format!("{split}.{}", manifests.extension());
                let (path, partial) = (out.join(&name), out.join(format!("{name}.tmp")));
                std::fs::create_dir_all(out).map_err(|e| Error::io(out, e))?;
                keep_apart(&path, &out.join(format!("{split}.{SOURCE}")), &layout.settings()?, path.exists())?;
                match path.exists() {
                    true => None,
                    false => Some(Place::List {
                        rows: Box::new(RowWriter::create(&partial, manifests, columns)?),
                        partial,
                        path,
                    }),
                }
            }
        };
        Ok(place.map(|place| Self { columns, root: layout.root(), manifests, place }))
    }

    /// How many samples of a clip are packed already.
    fn packed(&self, id: &str) -> Option<usize> {
        match &self.place {
            Place::Folder(folder) => folder.packed(id),
            Place::List { .. } => None,
        }
    }

    fn append_packed(&mut self, clip: &Clip, samples: usize) -> Result<()> {
        let (root, form, columns) = (self.root, self.manifests, self.columns);
        let Place::Folder(folder) = &mut self.place else { return Ok(()) };
        folder.append_row(&clip.id, &packed_values(columns, clip, samples, root, form), &[])
    }

    fn flush(&mut self) -> Result<()> {
        match &mut self.place {
            Place::Folder(folder) => folder.flush(),
            Place::List { .. } => Ok(()),
        }
    }

    /// The duration in a folder is that of the piece that is packed, in a list that of the whole file.
    fn append(&mut self, clip: &Clip, samples: &[f32]) -> Result<()> {
        let (root, form, columns) = (self.root, self.manifests, self.columns);
        match &mut self.place {
            Place::Folder(folder) => {
                let end = clip.span.as_ref().map_or(samples.len(), |span| span.end.min(samples.len()));
                let piece = &samples[clip.span.as_ref().map_or(0, |span| span.start.min(end))..end];
                folder.append_row(&clip.id, &packed_values(columns, clip, piece.len(), root, form), piece)
            }
            Place::List { rows, .. } => {
                let wav = std::path::absolute(&clip.path).map_err(|e| Error::io(&clip.path, e))?;
                rows.append(&values(columns, clip, seconds(samples.len()), &wav.display().to_string()))
            }
        }
    }

    fn finish(self) -> Result<()> {
        match self.place {
            Place::Folder(folder) => folder.finish(),
            Place::List { rows, partial, path } => {
                rows.finish()?;
                std::fs::rename(partial, &path).map_err(|e| Error::io(&path, e))
            }
        }
    }
}

/// The file that tells how a folder or list was prepared.
const SOURCE: &str = "source.toml";

/// The setting that only adds splits, each of which is prepared by itself.
const MORE_SPLITS: &str = "other_splits";

/// Refuses a folder or list that is done and was prepared by other settings; of one that is not, it notes them.
fn keep_apart(prepared: &Path, note: &Path, settings: &str, done: bool) -> Result<()> {
    if !done {
        return std::fs::write(note, settings).map_err(|e| Error::io(note, e));
    }
    let parsed = |text: &str| text.parse::<toml::Table>().ok();
    let known = std::fs::read_to_string(note).ok();
    let (Some(known), Some(now)) = (known.as_deref().and_then(parsed), parsed(settings)) else { return Ok(()) };
    // A setting that either does not have was not there yet, or is no more.
    let both = known.iter().filter_map(|(key, then)| Some((key, then, now.get(key)?)));
    match both.filter(|(key, ..)| *key != MORE_SPLITS).find(|(_, then, now)| then != now) {
        None => Ok(()),
        Some((key, then, now)) => {
            let reason = format!(
                "it was prepared by other settings ({key} = {then}, now {now}); remove it, or have it written elsewhere"
            );
            Err(Error::data(prepared.display().to_string(), reason))
        }
    }
}

fn seconds(samples: usize) -> f64 {
    samples as f64 / f64::from(SAMPLE_RATE_HZ)
}

/// The row of a clip with so many samples in a pack.
fn packed_values(columns: &[&str], clip: &Clip, samples: usize, root: &Path, form: ManifestForm) -> Vec<String> {
    let below = clip.path.strip_prefix(root).unwrap_or(&clip.path).display();
    values(columns, clip, seconds(samples), &format!("{}/{below}", form.data_root()))
}

fn values(columns: &[&str], clip: &Clip, seconds: f64, wav: &str) -> Vec<String> {
    let value = |column: &&str| match *column {
        "ID" => clip.id.clone(),
        // As Python writes a float.
        "duration" | "length" => format!("{seconds:?}"),
        "wav" => wav.to_owned(),
        name => {
            clip.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value.clone()).unwrap_or_default()
        }
    };
    columns.iter().map(value).collect()
}
