//! ARPA files, the exchange form of n-gram models (SRILM `ngram-format(5)`): logarithms to base 10.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::{Error, Result};

use super::{Entry, Gram, MAX_ORDER, Ngram, SENTENCE_BEGIN, SENTENCE_END, UNKNOWN_WORD};

const LN_10: f64 = std::f64::consts::LN_10;

impl Ngram {
    /// The text of an ARPA file.
    pub fn to_arpa(&self) -> String {
        let mut text = String::from("\\data\\\n");
        let levels = self.entries();
        // Writing to a string cannot fail.
        for (below, level) in levels.iter().enumerate() {
            let _ = writeln!(text, "ngram {}={}", below + 1, level.len());
        }
        for (below, level) in levels.iter().enumerate() {
            let _ = writeln!(text, "\n\\{}-grams:", below + 1);
            for entry in level {
                let _ = write!(text, "{:.6}\t", f64::from(entry.log_prob) / LN_10);
                for (at, &id) in entry.gram[..=below].iter().enumerate() {
                    text.push_str(if at > 0 { " " } else { "" });
                    text.push_str(&self.vocabulary()[id as usize]);
                }
                let _ = match below + 1 < levels.len() {
                    true => writeln!(text, "\t{:.6}", f64::from(entry.backoff) / LN_10),
                    false => writeln!(text),
                };
            }
        }
        text.push_str("\n\\end\\\n");
        text
    }

    /// Writes an ARPA file.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written.
    pub fn write_arpa(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        std::fs::write(path, self.to_arpa()).map_err(|e| Error::io(path, e))
    }

    /// Reads an ARPA file, ours or another tool's.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::Model`] when it breaks the form.
    pub fn read_arpa(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        Self::parse_arpa(&text).map_err(|e| Error::model(path, e.to_string()))
    }

    /// Reads the text of an ARPA file. A model without `<unk>` gives unknown words the smallest probability.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the line that breaks the form.
    pub fn parse_arpa(text: &str) -> Result<Self> {
        let mut vocabulary: Vec<String> = [UNKNOWN_WORD, SENTENCE_BEGIN, SENTENCE_END].map(str::to_owned).to_vec();
        let mut ids: HashMap<String, u32> = vocabulary.iter().cloned().zip(0..).collect();
        let mut levels: Vec<Vec<Entry>> = Vec::new();
        let mut ended = false;
        for (at, line) in text.lines().enumerate() {
            let wrong = |expected: &str| Error::invalid(format!("line {}", at + 1), expected, line.trim());
            let line = line.trim();
            if line.is_empty() || ended {
                continue;
            }
            if line.starts_with('\\') {
                ended = line == "\\end\\";
                if let Some(n) = line.strip_prefix('\\').and_then(|l| l.strip_suffix("-grams:")) {
                    if n.parse() != Ok(levels.len() + 1) || levels.len() >= MAX_ORDER {
                        return Err(wrong("n-grams of lengths 1 to 5, in order"));
                    }
                    levels.push(Vec::new());
                }
                continue;
            }
            let n = levels.len();
            let Some(level) = levels.last_mut() else { continue };
            let mut fields = line.split_whitespace();
            let number = |field: &str| field.parse().ok().filter(|x: &f64| !x.is_nan());
            let log_prob = fields.next().and_then(number).ok_or_else(|| wrong("a logarithm first"))?;
            let mut gram = Gram::default();
            for slot in &mut gram[..n] {
                let word = fields.next().ok_or_else(|| wrong(&format!("{n} words")))?;
                let word = if word == "<UNK>" { UNKNOWN_WORD } else { word };
                *slot = match ids.get(word) {
                    Some(&id) => id,
                    None if n > 1 => return Err(wrong("words that are among the unigrams")),
                    None => {
                        vocabulary.push(word.to_owned());
                        ids.insert(word.to_owned(), vocabulary.len() as u32 - 1);
                        vocabulary.len() as u32 - 1
                    }
                };
            }
            let backoff = match fields.next() {
                None => 0.0,
                Some(field) => number(field).ok_or_else(|| wrong("a logarithm last"))?,
            };
            level.push(Entry { gram, log_prob: natural(log_prob), backoff: natural(backoff) });
        }
        if !ended {
            return Err(Error::invalid("ARPA text", "\\end\\ on its last line", "an earlier end"));
        }
        complete(&mut levels)?;
        Self::from_entries(vocabulary, &levels)
    }
}

fn natural(log10: f64) -> f32 {
    (log10.max(-99.0) * LN_10) as f32
}

/// Adds the control words that are missing and puts all n-grams in order.
fn complete(levels: &mut [Vec<Entry>]) -> Result<()> {
    let Some(unigrams) = levels.first_mut() else {
        return Err(Error::invalid("ARPA text", "a section of 1-grams", "none"));
    };
    for id in 0..3 {
        if !unigrams.iter().any(|entry| entry.gram[0] == id) {
            let mut gram = Gram::default();
            gram[0] = id;
            unigrams.push(Entry { gram, log_prob: natural(-99.0), backoff: 0.0 });
        }
    }
    for level in levels {
        level.sort_unstable_by_key(|entry| entry.gram);
    }
    Ok(())
}
