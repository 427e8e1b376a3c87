//! Sets that come as tar files.

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The folder of the set `name`: `sets/name`, or `sets/name.tar` unpacked to `work/unpacked/name`.
///
/// # Errors
/// When neither is there, or the tar file is damaged.
pub(crate) fn locate(sets: &Path, work: &Path, name: &str) -> Result<PathBuf> {
    let folder = sets.join(name);
    if folder.join("manifest.csv").exists() || (folder.is_dir() && !has_tar(sets, name)) {
        return Ok(folder);
    }
    let unpacked = work.join("unpacked").join(name);
    if unpacked.is_dir() {
        return Ok(unpacked);
    }
    if !has_tar(sets, name) {
        return Err(Error::data(sets.display().to_string(), format!("expected a folder `{name}` or `{name}.tar`")));
    }
    let tar = sets.join(format!("{name}.tar"));
    let partial = work.join("unpacked").join(format!("{name}.tmp"));
    if partial.exists() {
        std::fs::remove_dir_all(&partial).map_err(|e| Error::io(&partial, e))?;
    }
    let file = std::fs::File::open(&tar).map_err(|e| Error::io(&tar, e))?;
    tar::Archive::new(std::io::BufReader::new(file)).unpack(&partial).map_err(|e| Error::io(&tar, e))?;
    let inner = partial.join(name);
    let root = if inner.is_dir() { &inner } else { &partial };
    std::fs::rename(root, &unpacked).map_err(|e| Error::io(&unpacked, e))?;
    if partial.exists() {
        std::fs::remove_dir_all(&partial).map_err(|e| Error::io(&partial, e))?;
    }
    Ok(unpacked)
}

fn has_tar(sets: &Path, name: &str) -> bool {
    sets.join(format!("{name}.tar")).is_file()
}
