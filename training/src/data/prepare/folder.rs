//! A prepared folder in the making. Its manifest gets its name when all is there, so that a folder is done or not.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{PACK, SAMPLE_RATE_HZ};
use crate::data::manifest::{self, COLUMNS, Item, ManifestForm, RowWriter};
use crate::data::pack::PackWriter;
use crate::{Error, Result};

pub(crate) struct FolderWriter {
    manifest: PathBuf,
    partial: PathBuf,
    rows: RowWriter,
    pack: PackWriter,
    /// The samples of clips that were packed before, until their row is written.
    packed: HashMap<String, usize>,
    clips: usize,
}

/// Clips after which sound is brought to the disk.
const FLUSHED: usize = 64;

impl FolderWriter {
    /// Nothing where the folder is done.
    pub(crate) fn open(folder: &Path) -> Result<Option<Self>> {
        Self::open_with(folder, ManifestForm::Csv, &COLUMNS, false)
    }

    /// As [`FolderWriter::open`], with columns that begin with those of a manifest. Sound that is packed already is kept where
    /// that is said.
    pub(crate) fn open_with(
        folder: &Path,
        form: ManifestForm,
        columns: &[&str],
        goes_on: bool,
    ) -> Result<Option<Self>> {
        if manifest::locate(folder).exists() {
            return Ok(None);
        }
        let manifest = folder.join("manifest").with_extension(form.extension());
        let partial = folder.join(format!("manifest.{}.tmp", form.extension()));
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        let pack = if goes_on { PackWriter::resume } else { PackWriter::create };
        let pack = pack(&folder.join(PACK), SAMPLE_RATE_HZ)?;
        let packed = pack.spans().map(|(id, span)| (id.to_owned(), span.samples as usize)).collect();
        let rows = RowWriter::create(&partial, form, columns)?;
        Ok(Some(Self { manifest, partial, rows, pack, packed, clips: 0 }))
    }

    /// Adds a clip; its duration is that of the samples.
    pub(crate) fn append(&mut self, item: Item, samples: &[f32]) -> Result<()> {
        let duration_s = samples.len() as f64 / f64::from(SAMPLE_RATE_HZ);
        let id = item.id.clone();
        self.append_row(&id, &Item { duration_s, ..item }.row(), samples)
    }

    /// Adds a clip with the values of all columns.
    pub(crate) fn append_row(&mut self, id: &str, row: &[String], samples: &[f32]) -> Result<()> {
        if self.packed.remove(id).is_none() {
            self.pack.append(id, samples)?;
        }
        self.clips += 1;
        if self.clips.is_multiple_of(FLUSHED) {
            self.pack.flush()?;
        }
        self.rows.append(row)
    }

    /// How many samples a clip has that was packed before.
    pub(crate) fn packed(&self, id: &str) -> Option<usize> {
        self.packed.get(id).copied()
    }

    /// Brings what was packed to the disk, so that it can be gone on with.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.pack.flush()
    }

    pub(crate) fn clips(&self) -> usize {
        self.clips
    }

    pub(crate) fn finish(mut self) -> Result<()> {
        self.pack.flush()?;
        self.rows.finish()?;
        std::fs::rename(&self.partial, &self.manifest).map_err(|e| Error::io(&self.manifest, e))
    }
}
