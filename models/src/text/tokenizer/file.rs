//! `tokens.txt`: a piece, a space and its number on each line; in a unigram vocabulary a space and its score behind.

use std::fmt::Write as _;
use std::path::Path;

use super::Tokenizer;
use crate::{Error, Result};

/// More pieces than any tokenizer has: a larger number in a file is a mistake, not a reason to take memory.
const MOST_PIECES: usize = 2_000_000;

impl Tokenizer {
    /// Reads `tokens.txt`, or what SentencePiece writes: a model, whose name ends with `.model`, or its `.vocab`.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, [`Error::Model`] when it breaks the form.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("model") => return Self::read_sentencepiece(path),
            Some("vocab") => return Self::read_vocab(path),
            _ => {}
        }
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        Self::parse(&text).map_err(|e| Error::model(path, e.to_string()))
    }

    /// Reads the text of a `tokens.txt`: a piece, a space and its number on each line, and a space and its score, where it
    /// is that of a unigram vocabulary.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a line breaks the form, the numbers are not 0, 1, 2 and so on in some order, or some
    /// pieces alone have scores.
    pub fn parse(text: &str) -> Result<Self> {
        let mut pieces: Vec<Option<String>> = Vec::new();
        let mut scores: Vec<(usize, f32)> = Vec::new();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = || Error::invalid(format!("line {} of tokens", at + 1), "a piece and its number", line);
            let (mut piece, mut number) = last_field(line).ok_or_else(wrong)?;
            let score = number.parse::<usize>().is_err().then(|| number.parse::<f32>()).transpose();
            let score = score.map_err(|_| wrong())?;
            if score.is_some() {
                (piece, number) = last_field(piece).ok_or_else(wrong)?;
            }
            let id: usize = number.parse().map_err(|_| wrong())?;
            if id > MOST_PIECES {
                return Err(wrong());
            }
            if pieces.len() <= id {
                pieces.resize(id + 1, None);
            }
            if let Some(earlier) = pieces[id].replace(piece.to_owned()) {
                return Err(Error::invalid(format!("token {id}"), "one piece", format!("{earlier:?} and {piece:?}")));
            }
            scores.extend(score.map(|score| (id, score)));
        }
        let missing = |id| Error::invalid(format!("token {id}"), "a piece for every number", "none");
        let pieces = pieces.into_iter().enumerate().map(|(id, piece)| piece.ok_or_else(|| missing(id)));
        let pieces: Vec<String> = pieces.collect::<Result<_>>()?;
        if scores.is_empty() {
            return Self::new(pieces);
        }
        if scores.len() != pieces.len() {
            let found = format!("{} of {}", scores.len(), pieces.len());
            return Err(Error::invalid("the scores of tokens", "one for each piece, or none at all", found));
        }
        scores.sort_unstable_by_key(|(id, _)| *id);
        Self::unigram(pieces.into_iter().zip(scores).map(|(piece, (_, score))| (piece, score)).collect())
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
            let _ = match &self.unigram {
                Some(unigram) => writeln!(text, "{piece} {id} {:?}", unigram.score(id)),
                None => writeln!(text, "{piece} {id}"),
            };
        }
        text
    }
}

/// What stands in the last field of a line, and what before it.
fn last_field(line: &str) -> Option<(&str, &str)> {
    line.trim_end().rsplit_once([' ', '\t'])
}
