//! A prepared folder in the making. Its manifest gets its name when all is there, so that a folder is done or not.

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
    clips: usize,
}

impl FolderWriter {
    /// Nothing where the folder is done.
    pub(crate) fn open(folder: &Path) -> Result<Option<Self>> {
        Self::open_with(folder, ManifestForm::Csv, &COLUMNS)
    }

    /// As [`FolderWriter::open`], with columns that begin with those of a manifest.
    pub(crate) fn open_with(folder: &Path, form: ManifestForm, columns: &[&str]) -> Result<Option<Self>> {
        if manifest::locate(folder).exists() {
            return Ok(None);
        }
        let manifest = folder.join("manifest").with_extension(form.extension());
        let partial = folder.join(format!("manifest.{}.tmp", form.extension()));
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        let pack = PackWriter::create(folder.join(PACK), SAMPLE_RATE_HZ)?;
        let rows = RowWriter::create(&partial, form, columns)?;
        Ok(Some(Self { manifest, partial, rows, pack, clips: 0 }))
    }

    /// Adds a clip; its duration is that of the samples.
    pub(crate) fn append(&mut self, item: Item, samples: &[f32]) -> Result<()> {
        let duration_s = samples.len() as f64 / f64::from(SAMPLE_RATE_HZ);
        let id = item.id.clone();
        self.append_row(&id, &Item { duration_s, ..item }.row(), samples)
    }

    /// Adds a clip with the values of all columns.
    pub(crate) fn append_row(&mut self, id: &str, row: &[String], samples: &[f32]) -> Result<()> {
        self.pack.append(id, samples)?;
        self.clips += 1;
        self.rows.append(row)
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
