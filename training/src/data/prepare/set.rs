//! The sets' own manifests: `id,path,duration,speaker,transcript` and further columns.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::unpack;
use crate::data::table::Table;
use crate::{Error, Result};

/// An unpacked set.
#[derive(Clone, Debug)]
pub struct Set {
    /// Its name, such as `speechocean762`.
    pub name: String,
    /// Where its files lie.
    pub folder: PathBuf,
    /// The clips, in file order.
    pub clips: Vec<SetClip>,
}

/// One clip of a set.
#[derive(Clone, Debug, Default)]
pub struct SetClip {
    /// Name, unique in the set.
    pub id: String,
    /// Path below the set's folder.
    pub path: String,
    /// Length in seconds.
    pub duration_s: f64,
    /// Who speaks; empty where unknown.
    pub speaker: String,
    /// What is said; empty where unknown.
    pub transcript: String,
    extra: HashMap<String, String>,
}

impl Set {
    /// Opens the set `name` in `sets`. A tar file is unpacked to `work/unpacked` first.
    ///
    /// # Errors
    /// When there is neither a folder nor a tar file, or the manifest is malformed.
    pub fn open(sets: &Path, work: &Path, name: &str) -> Result<Self> {
        let folder = unpack::locate(sets, work, name)?;
        let table = Table::read(&folder.join("manifest.csv"))?;
        let columns = ["id", "path", "duration", "speaker", "transcript"].map(|column| table.column(column));
        let [id, path, duration, speaker, transcript] = columns;
        let (id, path, duration, speaker, transcript) = (id?, path?, duration?, speaker?, transcript?);
        let mut clips = Vec::with_capacity(table.rows.len());
        for row in &table.rows {
            let pairs = table.header.iter().zip(row.fields.iter());
            clips.push(SetClip {
                id: row.fields[id].to_owned(),
                path: row.fields[path].to_owned(),
                duration_s: table.seconds(row, duration)?,
                speaker: row.fields[speaker].to_owned(),
                transcript: row.fields[transcript].to_owned(),
                extra: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            });
        }
        Ok(Self { name: name.to_owned(), folder, clips })
    }
}

impl SetClip {
    /// The value of any column.
    ///
    /// # Errors
    /// When the set's manifest lacks the column.
    pub fn get(&self, column: &str) -> Result<&str> {
        self.extra
            .get(column)
            .map(String::as_str)
            .ok_or_else(|| Error::data(format!("clip `{}`", self.id), format!("expected a column `{column}`")))
    }
}
