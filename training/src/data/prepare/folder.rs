//! A prepared folder in the making. Its manifest gets its name when all is there, so that a folder is done or not.

use std::path::{Path, PathBuf};

use super::{MANIFEST, PACK, SAMPLE_RATE_HZ};
use crate::data::manifest::{Item, ManifestWriter};
use crate::data::pack::PackWriter;
use crate::{Error, Result};

pub(crate) struct FolderWriter {
    manifest: PathBuf,
    partial: PathBuf,
    rows: ManifestWriter,
    pack: PackWriter,
    clips: usize,
}

impl FolderWriter {
    /// Nothing where the folder is done.
    pub(crate) fn open(folder: &Path) -> Result<Option<Self>> {
        let (manifest, partial) = (folder.join(MANIFEST), folder.join("manifest.csv.tmp"));
        if manifest.exists() {
            return Ok(None);
        }
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        let pack = PackWriter::create(folder.join(PACK), SAMPLE_RATE_HZ)?;
        let rows = ManifestWriter::create(&partial)?;
        Ok(Some(Self { manifest, partial, rows, pack, clips: 0 }))
    }

    /// Adds a clip; its duration is that of the samples.
    pub(crate) fn append(&mut self, item: Item, samples: &[f32]) -> Result<()> {
        self.pack.append(&item.id, samples)?;
        self.clips += 1;
        let duration_s = samples.len() as f64 / f64::from(SAMPLE_RATE_HZ);
        self.rows.append(&Item { duration_s, ..item })
    }

    pub(crate) fn clips(&self) -> usize {
        self.clips
    }

    pub(crate) fn finish(mut self) -> Result<()> {
        self.pack.flush()?;
        self.rows.flush()?;
        std::fs::rename(&self.partial, &self.manifest).map_err(|e| Error::io(&self.manifest, e))
    }
}
