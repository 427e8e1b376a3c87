//! The small form that a bundle holds: a trie with coded differences and logarithms of 8 bits.
//!
//! `RJNG`, version 1, order; the words, each with its length; then for each level the number of its entries, the code
//! book of its probabilities and that of its backoffs, and for each entry: its word as the difference from the word
//! before it under the same parent (levels above the first), the number of its probability, and, below the highest
//! level, the number of its backoff and how many entries go on from it. Numbers are LEB128, floats little-endian f32.

use std::path::Path;

use crate::{Error, Result};

use super::{Level, MAX_ORDER, Ngram};

const MAGIC: &[u8; 4] = b"RJNG";
const VERSION: u8 = 1;
const CODES: usize = 256;

impl Ngram {
    /// The bytes of the small form. Logarithms become the nearest of 256 values for each length of n-gram.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend([VERSION, self.order() as u8]);
        put(&mut out, self.vocabulary().len() as u64);
        for word in self.vocabulary() {
            put(&mut out, word.len() as u64);
            out.extend(word.bytes());
        }
        let levels = self.levels();
        for (at, level) in levels.iter().enumerate() {
            let last = at + 1 == levels.len();
            put(&mut out, level.words.len() as u64);
            let probabilities = CodeBook::of(&level.log_prob);
            probabilities.put(&mut out);
            let backoffs = CodeBook::of(if last { &[] } else { &level.backoff });
            backoffs.put(&mut out);
            let parents = at.checked_sub(1).map(|below| levels[below].children.as_slice());
            let mut starts = parents.unwrap_or_default().iter().copied().peekable();
            let mut before = 0;
            for (entry, &word) in level.words.iter().enumerate() {
                if parents.is_some() {
                    while starts.next_if(|&start| start as usize <= entry).is_some() {
                        before = 0;
                    }
                    put(&mut out, u64::from(word - before));
                    before = word;
                }
                out.push(probabilities.code(level.log_prob[entry]));
                if !last {
                    out.push(backoffs.code(level.backoff[entry]));
                    put(&mut out, u64::from(level.children[entry + 1] - level.children[entry]));
                }
            }
        }
        out
    }

    /// Writes the small form.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        std::fs::write(path, self.to_bytes()).map_err(|e| Error::io(path, e))
    }

    /// Reads the small form.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::Model`] when it is damaged or something else.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        Self::from_bytes(&bytes).map_err(|e| Error::model(path, e.to_string()))
    }

    /// Reads the bytes of the small form.
    ///
    /// # Errors
    /// [`Error::Invalid`] when they are damaged or something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader { bytes, at: 0 };
        if reader.take(4)? != MAGIC {
            return Err(Error::invalid("language model", "a file that begins with RJNG", "another"));
        }
        let (version, order) = (reader.byte()?, usize::from(reader.byte()?));
        if version != VERSION || !(1..=MAX_ORDER).contains(&order) {
            let found = format!("version {version}, order {order}");
            return Err(Error::invalid("language model", "version 1 and an order of 1 to 5", found));
        }
        let mut vocabulary = Vec::new();
        for _ in 0..reader.count()? {
            let length = reader.count()?;
            let word = std::str::from_utf8(reader.take(length)?).map_err(|_| reader.damaged())?;
            vocabulary.push(word.to_owned());
        }
        let mut levels: Vec<Level> = Vec::with_capacity(order);
        for at in 0..order {
            let level = reader.level(levels.last(), at + 1 == order, vocabulary.len())?;
            levels.push(level);
        }
        if reader.at != bytes.len() {
            return Err(reader.damaged());
        }
        Self::from_levels(vocabulary, levels)
    }
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The values that stand for all others, in rising order. Zero, the backoff of what nothing goes on from, and the
/// smallest value, the mark of the impossible, are kept exactly.
struct CodeBook(Vec<f32>);

impl CodeBook {
    fn of(values: &[f32]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f32::total_cmp);
        let mut distinct = sorted.clone();
        distinct.dedup();
        if distinct.len() <= CODES {
            return Self(distinct);
        }
        let kept: Vec<f32> = distinct.iter().copied().filter(|&value| value == distinct[0] || value == 0.0).collect();
        sorted.retain(|value| !kept.contains(value));
        let means = Self::means(&sorted, CODES - kept.len());
        let mut codes: Vec<f32> = means.into_iter().chain(kept).collect();
        codes.sort_unstable_by(f32::total_cmp);
        codes.dedup();
        Self(codes)
    }

    /// At most so many values from which sorted ones are little apart, whether they are among many or lie alone, as the
    /// probability of the most frequent word does: half of them begin at equal distances and half with equally many
    /// values each, and all move by Lloyd's rule ("Least squares quantization in PCM", 1982, method I).
    fn means(sorted: &[f32], codes: usize) -> Vec<f32> {
        const ROUNDS: usize = 12;
        let mean = |cell: &[f32]| (cell.iter().map(|&x| f64::from(x)).sum::<f64>() / cell.len() as f64) as f32;
        let (half, first, last) = (codes / 2, sorted[0], sorted[sorted.len() - 1]);
        let apart = (0..half).map(|i| first + (last - first) * i as f32 / (half - 1) as f32);
        let full = (0..half).map(|i| &sorted[i * sorted.len() / half..(i + 1) * sorted.len() / half]);
        let mut means: Vec<f32> = apart.chain(full.filter(|cell| !cell.is_empty()).map(mean)).collect();
        for _ in 0..ROUNDS {
            means.sort_unstable_by(f32::total_cmp);
            let (mut rest, mut moved) = (sorted, Vec::with_capacity(means.len()));
            for (i, &code) in means.iter().enumerate() {
                let to = means.get(i + 1).map_or(f32::INFINITY, |next| f32::midpoint(code, *next));
                let (cell, after) = rest.split_at(rest.partition_point(|&value| value <= to));
                moved.extend((!cell.is_empty()).then(|| mean(cell)));
                rest = after;
            }
            means = moved;
        }
        means
    }

    fn put(&self, out: &mut Vec<u8>) {
        put(out, self.0.len() as u64);
        out.extend(self.0.iter().flat_map(|value| value.to_le_bytes()));
    }

    fn code(&self, value: f32) -> u8 {
        let above = self.0.partition_point(|&code| code < value).min(self.0.len() - 1);
        let below = above.saturating_sub(1);
        (if (self.0[above] - value).abs() <= (value - self.0[below]).abs() { above } else { below }) as u8
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn damaged(&self) -> Error {
        Error::invalid("language model", "a whole file", format!("damage at byte {}", self.at))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(length).filter(|&end| end <= self.bytes.len()).ok_or_else(|| self.damaged())?;
        let bytes = &self.bytes[self.at..end];
        self.at = end;
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn number(&mut self) -> Result<u64> {
        let mut number = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.damaged())
    }

    /// A number of things that take at least a byte each.
    fn count(&mut self) -> Result<usize> {
        let number = self.number()?;
        usize::try_from(number).ok().filter(|&n| n <= self.bytes.len() - self.at).ok_or_else(|| self.damaged())
    }

    fn code_book(&mut self) -> Result<Vec<f32>> {
        let length = self.count()?;
        let bytes = self.take(length.checked_mul(4).ok_or_else(|| self.damaged())?)?;
        Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }

    fn coded(&mut self, book: &[f32]) -> Result<f32> {
        let code = usize::from(self.byte()?);
        book.get(code).copied().ok_or_else(|| self.damaged())
    }

    fn level(&mut self, parents: Option<&Level>, last: bool, words: usize) -> Result<Level> {
        let count = self.count()?;
        let (probabilities, backoffs) = (self.code_book()?, self.code_book()?);
        let mut level = Level::default();
        let groups: Vec<usize> = match parents {
            None => vec![count],
            Some(parents) => parents.children.windows(2).map(|w| (w[1] - w[0]) as usize).collect(),
        };
        if groups.iter().sum::<usize>() != count || parents.is_none() && count != words {
            return Err(self.damaged());
        }
        let mut children = 0u64;
        for group in groups {
            let mut word = 0;
            for at in 0..group {
                let step = if parents.is_none() { u64::from(at > 0) } else { self.number()? };
                word = u64::checked_add(word, step).filter(|&w| w < words as u64).ok_or_else(|| self.damaged())?;
                if at > 0 && step == 0 {
                    return Err(self.damaged());
                }
                level.words.push(word as u32);
                level.log_prob.push(self.coded(&probabilities)?);
                level.backoff.push(if last { 0.0 } else { self.coded(&backoffs)? });
                if !last {
                    level.children.push(u32::try_from(children).map_err(|_| self.damaged())?);
                    children = children.saturating_add(self.number()?);
                }
            }
        }
        if !last {
            level.children.push(u32::try_from(children).map_err(|_| self.damaged())?);
        }
        Ok(level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_lies_alone_keeps_its_place() {
        let rare = (0..50_000).map(|i| -16.0 + 9.0 * (f32::from(i as u16) / 50_000.0).powi(2));
        let values: Vec<f32> = rare.chain([-228.0, -3.1, -2.4, -1.2]).collect();
        let codes = CodeBook::of(&values);
        assert!(codes.0.len() <= CODES);
        let error = |value: f32| (codes.0[usize::from(codes.code(value))] - value).abs();
        assert_eq!(error(-228.0), 0.0);
        let largest = values.iter().map(|&value| error(value)).fold(0.0, f32::max);
        assert!(largest < 0.06, "{largest}");

        let backoffs: Vec<f32> = (0..2_000).map(|i| -(i as f32) / 500.0).chain([0.0; 900]).collect();
        let codes = CodeBook::of(&backoffs);
        assert_eq!(codes.0[usize::from(codes.code(0.0))], 0.0, "what nothing goes on from stays exact");
    }
}
