//! Manifests in both of SpeechBrain's forms (`dataio/dataio.py`): CSV with a row for each clip, and JSON with an entry for
//! each.

mod config;
mod csv;
mod json;
mod recording;
mod rows;

use std::path::{Path, PathBuf};

use super::table::TableWriter;
use crate::{Error, Result};

pub use config::{Columns, ManifestConfig, SegmentUnit};
pub use json::JsonWriter;
pub use recording::Recording;
pub use rows::ManifestForm;
pub(crate) use rows::RowWriter;

/// The columns of a manifest, in order.
pub const COLUMNS: [&str; 5] = ["ID", "duration", "wav", "spk_id", "wrd"];

/// What stands in `wav` of a CSV manifest for the folder that holds the unpacked sets.
pub const DATA_ROOT: &str = "$data_root";

/// The names of a manifest in its folder, the first that is there first.
const NAMES: [&str; 2] = ["manifest.csv", "manifest.json"];

/// One clip.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Item {
    /// Unique name, `set/id`.
    pub id: String,
    /// Length in seconds.
    pub duration_s: f64,
    /// Where its sound is, as written.
    pub wav: Recording,
    /// Who speaks; empty where unknown.
    pub speaker: String,
    /// What is said, in words; empty where unknown.
    pub words: String,
    /// When somebody speaks, in seconds from the beginning of the clip, where a manifest in JSON says so in `speech`: pairs
    /// of beginning and end, as in SpeechBrain's for LibriParty.
    pub speech: Option<Vec<[f64; 2]>>,
    /// How often the clip is drawn beside others, where the configuration names a column for that.
    pub weight: Option<f64>,
}

impl Item {
    /// The values of [`COLUMNS`].
    pub(super) fn row(&self) -> [String; COLUMNS.len()] {
        let duration = format!("{:.3}", self.duration_s);
        [self.id.clone(), duration, self.wav.to_string(), self.speaker.clone(), self.words.clone()]
    }
}

/// The clips of one split.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// The clips, in file order.
    pub items: Vec<Item>,
}

impl Manifest {
    /// Reads a manifest whose columns have the usual names: [`Manifest::read_with`] the default.
    ///
    /// # Errors
    /// As [`Manifest::read_with`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        Self::read_with(path, &ManifestConfig::default())
    }

    /// Reads a manifest: JSON where its name ends with `.json`, else CSV. Further columns are ignored.
    ///
    /// # Errors
    /// A missing file or column, a duration that is no positive number, a part that ends before it begins, or an id that
    /// stands twice, with its line or entry.
    pub fn read_with(path: impl AsRef<Path>, config: &ManifestConfig) -> Result<Self> {
        let path = path.as_ref();
        if !path.exists() {
            let reason = "there is no such file: `prepare` makes it, where [data] names a folder of it";
            return Err(Error::data(path.display().to_string(), reason));
        }
        let items = if is_json(path) { json::read(path, config)? } else { csv::read(path, config)? };
        Ok(Self { items })
    }

    /// Writes the manifest as CSV. Parts of recordings are not written.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let mut writer = TableWriter::create(path.as_ref(), &COLUMNS)?;
        self.items.iter().try_for_each(|item| writer.append(&item.row()))?;
        writer.flush()
    }

    /// The sum of all durations in hours.
    pub fn hours(&self) -> f64 {
        self.items.iter().map(|item| item.duration_s).sum::<f64>() / 3600.0
    }
}

/// Whether a file is a manifest in JSON, by its name.
pub(crate) fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

/// Whether a recipe's path is that of a manifest itself, not of its folder.
pub(crate) fn is_manifest(path: &Path) -> bool {
    is_json(path) || path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"))
}

/// The manifest that a recipe names: a file, or `manifest.csv` or `manifest.json` in a folder.
pub(crate) fn locate(path: &Path) -> PathBuf {
    if is_manifest(path) {
        return path.to_owned();
    }
    let [csv, json] = NAMES.map(|name| path.join(name));
    if !csv.exists() && json.exists() { json } else { csv }
}

/// What tables call the folder or manifest that a recipe names.
pub(crate) fn title(path: &Path) -> String {
    let named = match path.parent() {
        Some(folder) if path.file_stem().is_some_and(|stem| stem == "manifest") => folder.file_name(),
        _ if is_manifest(path) => path.file_stem(),
        _ => path.file_name(),
    };
    named.unwrap_or_default().to_string_lossy().into_owned()
}

/// As [`title`], apart from those of `all` others: where two have one, with the folder that they are in before it.
pub(crate) fn title_among<'a>(path: &Path, all: impl IntoIterator<Item = &'a PathBuf>) -> String {
    let own = title(path);
    if all.into_iter().filter(|other| title(other) == own).count() < 2 {
        return own;
    }
    let above = path.parent().and_then(|above| if above.ends_with(&own) { above.parent() } else { Some(above) });
    let above = above.and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    format!("{above}-{own}")
}

#[cfg(test)]
mod tests;
