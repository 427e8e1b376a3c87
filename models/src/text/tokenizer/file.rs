//! `tokens.txt`: a piece, a space and its number on each line.

use std::fmt::Write as _;
use std::path::Path;

use super::Tokenizer;
use crate::{Error, Result};

/// More pieces than any tokenizer has: a larger number in a file is a mistake, not a reason to take memory.
const MOST_PIECES: usize = 2_000_000;

impl Tokenizer {
    /// Reads `tokens.txt`.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, [`Error::Model`] when it breaks the form.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        Self::parse(&text).map_err(|e| Error::model(path, e.to_string()))
    }

    /// Reads the text of a `tokens.txt`: a piece, a space and its number on each line.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a line breaks the form, or the numbers are not 0, 1, 2 and so on in some order.
    pub fn parse(text: &str) -> Result<Self> {
        let mut pieces: Vec<Option<String>> = Vec::new();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = || Error::invalid(format!("line {} of tokens", at + 1), "a piece and its number", line);
            let (piece, id) = line.trim_end().rsplit_once([' ', '\t']).ok_or_else(wrong)?;
            let id: usize = id.parse().map_err(|_| wrong())?;
            if id > MOST_PIECES {
                return Err(wrong());
            }
            if pieces.len() <= id {
                pieces.resize(id + 1, None);
            }
            if let Some(earlier) = pieces[id].replace(piece.to_owned()) {
                return Err(Error::invalid(format!("token {id}"), "one piece", format!("{earlier:?} and {piece:?}")));
            }
        }
        let missing = |id| Error::invalid(format!("token {id}"), "a piece for every number", "none");
        let pieces = pieces.into_iter().enumerate().map(|(id, piece)| piece.ok_or_else(|| missing(id)));
        Self::new(pieces.collect::<Result<_>>()?)
    }

    /// Writes `tokens.txt`.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        std::fs::write(path, self.to_text()).map_err(|e| Error::io(path, e))
    }

    /// The text of `tokens.txt`.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (id, piece) in self.pieces.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{piece} {id}");
        }
        text
    }
}
