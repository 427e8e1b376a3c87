use std::path::{Path, PathBuf};

use rejoinder_models::variant::VariantError;

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, with what was expected, what was found, and where. Every message is one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A model, an audio file or an engine: see [`rejoinder_models::Error`].
    #[error(transparent)]
    Models(#[from] rejoinder_models::Error),
    /// A configuration that cannot run.
    #[error("{}: {reason}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The key, what was found and what is allowed.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A microphone or loudspeaker that is missing, busy or refuses the format.
    #[error("audio device: {0}")]
    Device(String),
    /// The conversation cannot be put together, or a thread of it is gone.
    #[error("{0}")]
    Session(String),
}

impl From<VariantError> for Error {
    fn from(error: VariantError) -> Self {
        match error {
            VariantError::Io { path, source } => Self::Io { path, source },
            VariantError::Toml { path, reason } => Self::Config { path, reason },
        }
    }
}

impl Error {
    pub(crate) fn config(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::Config { path: path.as_ref().to_owned(), reason: reason.into() }
    }

    pub(crate) fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { path: path.as_ref().to_owned(), source }
    }
}
