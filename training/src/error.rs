use std::path::{Path, PathBuf};

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, with what was expected, what was found, and where.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A recipe, manifest or override with a mistake in it.
    #[error("{place}: {reason}")]
    Config {
        /// The file, and the key or line where there is one.
        place: String,
        /// What is wrong and what would be accepted.
        reason: String,
    },
    /// Data that a recipe cannot train on.
    #[error("{place}: {reason}")]
    Data {
        /// The file or item.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint that is missing, damaged or of another net.
    #[error("{}: {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Training that cannot go on.
    #[error("{0}")]
    Training(String),
    /// Ctrl-C: where training was under way, its checkpoint is written, from which `--resume` goes on.
    #[error("interrupted; `train` goes on with --resume, other steps begin again")]
    Interrupted,
    /// A net that cannot be exported, or an export that does not agree with it.
    #[error(transparent)]
    Export(#[from] crate::export::ExportError),
    /// An error of the layer below.
    #[error(transparent)]
    Models(#[from] rejoinder_models::Error),
}

impl Error {
    /// A file error with its place.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { path: path.as_ref().to_owned(), source }
    }

    /// A mistake in a recipe or an override.
    pub fn config(place: impl Into<String>, reason: impl ToString) -> Self {
        Self::Config { place: place.into(), reason: reason.to_string() }
    }

    /// A mistake in the data.
    pub fn data(place: impl Into<String>, reason: impl ToString) -> Self {
        Self::Data { place: place.into(), reason: reason.to_string() }
    }

    /// A checkpoint that cannot be used.
    pub fn checkpoint(path: impl AsRef<Path>, reason: impl ToString) -> Self {
        Self::Checkpoint { path: path.as_ref().to_owned(), reason: reason.to_string() }
    }
}
