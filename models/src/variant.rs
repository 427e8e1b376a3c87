//! TOML files that say how they differ from another.
//!
//! A file with `include = "other.toml"`, a path relative to its own, is a variant of that one. What it says goes before
//! what the other says: key by key in tables, as a whole elsewhere. The other may include a further one.

use std::path::{Path, PathBuf};

use thiserror::Error;
use toml::{Table, Value};

use crate::in_one_line;

/// Why a file, or one that it includes, could not be read.
#[derive(Debug, Error)]
pub enum VariantError {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// It is no TOML, or its `include` leads nowhere.
    #[error("{}: {reason}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// What is wrong, in one line.
        reason: String,
    },
}

/// What a file says, with those that it includes.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// All that is said.
    pub table: Table,
    /// The file, then those that it includes, nearest first.
    pub files: Vec<PathBuf>,
}

/// The table of a file, with those that it includes. Of a table named in `whole` nothing is taken over where the variant
/// gives it another `kind`: the keys of one kind mean nothing to another.
///
/// # Errors
/// [`VariantError`] naming the file: it cannot be read, is no TOML, or includes itself.
pub fn read(path: &Path, whole: &[&str]) -> Result<Variant, VariantError> {
    let text = std::fs::read_to_string(path).map_err(|source| VariantError::Io { path: path.to_owned(), source })?;
    parse(&text, path, whole)
}

/// As [`read`], for the text of the file at `path`.
///
/// # Errors
/// As [`read`].
pub fn parse(text: &str, path: &Path, whole: &[&str]) -> Result<Variant, VariantError> {
    let mut files = vec![path.to_owned()];
    let (mut table, mut include) = parted(text, path)?;
    while let Some(name) = include {
        let including = files[files.len() - 1].clone();
        let path = including.with_file_name(&name);
        let same = |file: &PathBuf| {
            *file == path || file.canonicalize().is_ok_and(|file| Some(file) == path.canonicalize().ok())
        };
        if files.iter().any(same) {
            let reason = format!("include: {name} includes this file in turn; take one of them out");
            return Err(VariantError::Toml { path: including, reason });
        }
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|source| {
            let reason = format!("include: {}: {source}", path.display());
            VariantError::Toml { path: including.clone(), reason }
        })?;
        let (mut under, next) = parted(&text, &path)?;
        lay_over(&mut under, table, whole);
        (table, include) = (under, next);
        files.push(path);
    }
    Ok(Variant { table, files })
}

/// What a file says itself, and the name of the one that it includes.
fn parted(text: &str, path: &Path) -> Result<(Table, Option<String>), VariantError> {
    let wrong = |reason: String| VariantError::Toml { path: path.to_owned(), reason };
    let mut table: Table = text.parse().map_err(|error: toml::de::Error| wrong(in_one_line(error)))?;
    match table.remove("include") {
        None => Ok((table, None)),
        Some(Value::String(name)) => Ok((table, Some(name))),
        Some(other) => Err(wrong(format!("include: expected the path of a file, found {other}"))),
    }
}

fn lay_over(under: &mut Table, over: Table, whole: &[&str]) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(under)), Value::Table(over))
                if !(whole.contains(&key.as_str()) && differ(under, &over)) =>
            {
                lay_over(under, over, &[]);
            }
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

/// Whether two tables are of two kinds.
fn differ(under: &Table, over: &Table) -> bool {
    over.get("kind").is_some_and(|kind| under.get("kind") != Some(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_says_what_differs() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        write("base.toml", "list = [1, 2]\n[net]\nkind = \"one\"\ndim = 4\n");
        write("middle.toml", "include = \"base.toml\"\nlist = [3]\n");
        let path = write("variant.toml", "include = \"middle.toml\"\n[net]\nkind = \"two\"\n");
        let expected = |text: &str| text.parse::<Table>().unwrap();
        assert_eq!(read(&path, &[]).unwrap().table, expected("list = [3]\n[net]\nkind = \"two\"\ndim = 4\n"));
        let Variant { table, files } = read(&path, &["net"]).unwrap();
        assert_eq!(table, expected("list = [3]\n[net]\nkind = \"two\"\n"));
        assert_eq!(files, ["variant.toml", "middle.toml", "base.toml"].map(|name| folder.path().join(name)));
        write("base.toml", "include = \"variant.toml\"\n");
        let message = read(&path, &[]).unwrap_err().to_string();
        assert!(message.contains("base.toml: include: variant.toml"), "{message}");
        write("base.toml", "include = 3\n");
        let message = read(&path, &[]).unwrap_err().to_string();
        assert!(message.ends_with("base.toml: include: expected the path of a file, found 3"), "{message}");
    }
}
