//! A pronouncing dictionary in a compact file: sorted words, each written as what it adds to the word before.

use std::path::Path;

use super::phones;
use crate::{Error, Result};

const MAGIC: &[u8; 4] = b"RJL1";
const BLOCK: usize = 32;

/// A dictionary from lower-case words to phones.
#[derive(Clone, Debug, Default)]
pub struct Lexicon {
    entries: Vec<u8>,
    blocks: Vec<u32>,
    len: usize,
}

struct Entry<'a> {
    shared: usize,
    suffix: &'a [u8],
    phones: &'a [u8],
    next: usize,
}

impl Lexicon {
    /// Packs a dictionary. Of several entries for a word, the first stays; words longer than 255 bytes and entries
    /// without phones are left out.
    pub fn pack<'a>(entries: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut sorted: Vec<(&str, &[u8])> =
            entries.into_iter().filter(|(w, p)| w.len() < 256 && !p.is_empty() && p.len() < 256).collect();
        sorted.sort_by_key(|(word, _)| *word);
        sorted.dedup_by_key(|(word, _)| *word);
        let mut lexicon = Self { len: sorted.len(), ..Self::default() };
        let mut previous = "";
        for (i, (word, phones)) in sorted.iter().enumerate() {
            if i % BLOCK == 0 {
                lexicon.blocks.push(lexicon.entries.len() as u32);
                previous = "";
            }
            let shared = previous.bytes().zip(word.bytes()).take_while(|(a, b)| a == b).count();
            lexicon.entries.extend([shared as u8, (word.len() - shared) as u8, phones.len() as u8]);
            lexicon.entries.extend(&word.as_bytes()[shared..]);
            lexicon.entries.extend(*phones);
            previous = word;
        }
        lexicon
    }

    /// The number of words.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no words.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The phones of a lower-case word, as [`phones`] numbers them.
    pub fn get(&self, word: &str) -> Option<&[u8]> {
        let block = self.blocks.partition_point(|&at| self.first_word(at as usize) <= word.as_bytes());
        let mut at = *self.blocks.get(block.checked_sub(1)?)? as usize;
        let mut current = Vec::new();
        for _ in 0..BLOCK {
            let entry = self.entry(at)?;
            current.truncate(entry.shared);
            current.extend_from_slice(entry.suffix);
            match current.as_slice().cmp(word.as_bytes()) {
                std::cmp::Ordering::Less => at = entry.next,
                std::cmp::Ordering::Equal => return Some(entry.phones),
                std::cmp::Ordering::Greater => return None,
            }
        }
        None
    }

    fn first_word(&self, at: usize) -> &[u8] {
        self.entry(at).map_or(&[], |e| e.suffix)
    }

    fn entry(&self, at: usize) -> Option<Entry<'_>> {
        let head = self.entries.get(at..at + 3)?;
        let (suffix, phones) = (usize::from(head[1]), usize::from(head[2]));
        let middle = at + 3 + suffix;
        Some(Entry {
            shared: usize::from(head[0]),
            suffix: self.entries.get(at + 3..middle)?,
            phones: self.entries.get(middle..middle + phones)?,
            next: middle + phones,
        })
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend((self.len as u32).to_le_bytes());
        bytes.extend(&self.entries);
        bytes
    }

    /// Reads a file that [`to_bytes`](Self::to_bytes) made.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::Model`] when it is damaged.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        Self::from_bytes(&bytes).ok_or_else(|| Error::model(path, "damaged lexicon, or not a lexicon (RJL1)"))
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let body = bytes.strip_prefix(MAGIC)?;
        let len = u32::from_le_bytes(body.get(..4)?.try_into().ok()?) as usize;
        let mut lexicon = Self { entries: body[4..].to_vec(), blocks: Vec::with_capacity(len / BLOCK + 1), len };
        let (mut at, mut word) = (0, 0);
        for i in 0..len {
            let entry = lexicon.entry(at)?;
            let starts_block = i % BLOCK == 0;
            let sound = entry.shared <= word && entry.phones.iter().all(|&p| phones::is_phone(p));
            if !sound || (starts_block && entry.shared != 0) {
                return None;
            }
            word = entry.shared + entry.suffix.len();
            let next = entry.next;
            if starts_block {
                lexicon.blocks.push(at as u32);
            }
            at = next;
        }
        (at == lexicon.entries.len()).then_some(lexicon)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_packed_is_found_again(
            words in proptest::collection::btree_map("[a-z']{1,12}", proptest::collection::vec(7u8..70, 1..9), 0..200),
        ) {
            let packed = Lexicon::pack(words.iter().map(|(w, p)| (w.as_str(), p.as_slice())));
            let read = Lexicon::from_bytes(&packed.to_bytes()).unwrap();
            prop_assert_eq!(read.len(), words.len());
            for (word, phones) in &words {
                prop_assert_eq!(read.get(word), Some(phones.as_slice()));
            }
            prop_assert_eq!(read.get("zzzzzzzzzzzzzz"), None);
            prop_assert_eq!(read.get(""), None);
        }
    }

    #[test]
    fn damage_is_noticed() {
        let bytes = Lexicon::pack([("one", &[30u8, 20][..]), ("two", &[21, 22])]).to_bytes();
        assert!(Lexicon::from_bytes(&bytes).is_some());
        assert!(Lexicon::from_bytes(&bytes[..bytes.len() - 1]).is_none());
        assert!(Lexicon::from_bytes(b"RJL1").is_none());
        assert!(Lexicon::from_bytes(b"RIFF").is_none());
    }
}
