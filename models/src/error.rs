use std::path::{Path, PathBuf};

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, with what was expected, what was found, and where.
///
/// A caller may retry [`Error::Io`]; every other kind is final for the same input.
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
    /// Audio that cannot be decoded, or is of a kind that is not supported.
    #[error("{}: {reason}", path.display())]
    Audio {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what is supported.
        reason: String,
    },
    /// A model bundle, or a published model, that does not keep its contract.
    #[error("{}: {reason}", path.display())]
    Model {
        /// The bundle or file.
        path: PathBuf,
        /// The key, tensor or file that is missing or wrong.
        reason: String,
    },
    /// An inference engine refused a model or failed in a run.
    #[error("{engine}: {reason}")]
    Engine {
        /// `onnxruntime`, `tract` or `llama.cpp`.
        engine: &'static str,
        /// What the engine said.
        reason: String,
    },
    /// A value outside what a function accepts.
    #[error("{what}: expected {expected}, found {found}")]
    Invalid {
        /// The name of the value.
        what: String,
        /// What would be accepted.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The caller asked for the work to stop.
    #[error("cancelled")]
    Cancelled,
}

/// An error and its causes in one line: what a program writes for a person. A cause that the line ends with already is
/// not said again.
pub fn one_line(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = String::new();
    for cause in std::iter::successors(Some(error), |error| error.source()) {
        let cause = in_one_line(cause);
        if !line.ends_with(&cause) {
            line = if line.is_empty() { cause } else { format!("{line}: {cause}") };
        }
    }
    line
}

/// A message in one line, with one space where there was any white space.
pub fn in_one_line(message: impl std::fmt::Display) -> String {
    message.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Error {
    pub(crate) fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { path: path.as_ref().to_owned(), source }
    }

    pub(crate) fn audio(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::Audio { path: path.as_ref().to_owned(), reason: reason.into() }
    }

    pub(crate) fn model(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::Model { path: path.as_ref().to_owned(), reason: reason.into() }
    }

    pub(crate) fn engine(engine: &'static str, reason: impl ToString) -> Self {
        Self::Engine { engine, reason: reason.to_string() }
    }

    pub(crate) fn invalid(what: impl Into<String>, expected: impl Into<String>, found: impl ToString) -> Self {
        Self::Invalid { what: what.into(), expected: expected.into(), found: found.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_follow_in_one_line_and_none_is_said_twice() {
        #[derive(Debug, thiserror::Error)]
        #[error("the session\nends")]
        struct Outer(#[source] Error);

        let cause = || std::io::Error::other("no  such file");
        assert_eq!(one_line(&Error::io("a.wav", cause())), "a.wav: no such file");
        assert_eq!(one_line(&Outer(Error::io("a.wav", cause()))), "the session ends: a.wav: no such file");
    }
}
