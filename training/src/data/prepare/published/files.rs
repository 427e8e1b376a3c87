//! What several layouts are made of: folders in order, and lines of a name and what belongs to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// What lies in a folder, in the order of the names, but for what is hidden, such as a desktop's notes (`._NAME`).
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))?;
    let paths: std::io::Result<Vec<PathBuf>> = read.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(|e| Error::io(folder, e))?;
    paths.retain(|path| !name(path).starts_with('.'));
    paths.sort();
    Ok(paths)
}

/// The folders in a folder, in the order of their names. Others' files between them, such as a desktop's, do not count.
pub(super) fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = entries(folder)?;
    paths.retain(|path| path.is_dir());
    Ok(paths)
}

/// The files of a folder with an extension, whatever its case, in the order of the names.
pub(super) fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut paths = entries(folder)?;
    paths.retain(|path| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension)));
    Ok(paths)
}

/// The name of a file without its extension, or of a folder.
pub(super) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The name of a file or folder.
pub(super) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

pub(super) fn text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| Error::io(path, e))
}

/// Lines of a key, white space, and the rest (Kaldi's `text`, `wav.scp`, `utt2spk`). Empty lines do not count.
pub(super) fn keyed_lines(path: &Path) -> Result<Vec<(String, String)>> {
    let text = text(path)?;
    let pair = |line: &str| {
        let (key, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        (key.to_owned(), rest.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(pair).collect())
}

/// [`keyed_lines`] by their keys.
pub(super) fn table(path: &Path) -> Result<BTreeMap<String, String>> {
    Ok(keyed_lines(path)?.into_iter().collect())
}

/// What a table says of `key`.
pub(super) fn look_up<'a>(table: &'a BTreeMap<String, String>, path: &Path, key: &str) -> Result<&'a str> {
    let missing = || Error::data(path.display().to_string(), format!("expected a line for `{key}`, found none"));
    table.get(key).map(String::as_str).ok_or_else(missing)
}
