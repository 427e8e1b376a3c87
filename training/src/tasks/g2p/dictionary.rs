use std::collections::BTreeMap;
use std::path::Path;

use rejoinder_models::tts::phones;

use crate::data::text;
use crate::{Error, Result};

/// A pronouncing dictionary.
#[derive(Clone, Debug, Default)]
pub struct Dictionary {
    /// Its words, in order.
    pub words: Vec<Word>,
    /// The names of letters, under `a.` to `z.`.
    pub letters: Vec<(String, Vec<u8>)>,
}

/// A word of letters and apostrophes.
#[derive(Clone, Debug)]
pub struct Word {
    /// Lower case.
    pub spelling: String,
    /// At least one, the commonest first, in tokens of [`phones`].
    pub pronunciations: Vec<Vec<u8>>,
}

impl Word {
    /// Whether the word is kept out of training, by a hash of its spelling: one in `every`, none when `every` is 0.
    pub fn is_held_out(&self, every: u64) -> bool {
        every > 0 && (text::hash(&self.spelling) >> 20).is_multiple_of(every)
    }
}

/// Reads a dictionary in the form of the CMU pronouncing dictionary: `word PH ON1 EM0`, variants as `word(2)`,
/// comments after `#` or `;;;`; plain or gzipped. Words with other characters than letters and apostrophes are left out.
///
/// # Errors
/// [`Error::Io`]; [`Error::Data`] for a phone that is not of the set, or a dictionary without words.
pub fn read_dictionary(path: &Path) -> Result<Dictionary> {
    let text = text::read(path)?;
    let mut words: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    let mut letters = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split(" #").next().unwrap_or_default();
        let mut fields = line.split_whitespace();
        let Some(head) = fields.next().filter(|head| !head.starts_with(";;;")) else { continue };
        let spelling = head.split('(').next().unwrap_or_default().to_lowercase();
        let tokens: Option<Vec<u8>> = fields.map(phones::id).collect();
        let place = || format!("{}:{}", path.display(), number + 1);
        let tokens = tokens.ok_or_else(|| Error::data(place(), format!("a phone outside ARPAbet in `{line}`")))?;
        if spelling.len() == 2 && spelling.ends_with('.') && !head.contains('(') {
            letters.push((spelling, tokens));
        } else if !tokens.is_empty() && spelling.bytes().all(|b| b.is_ascii_lowercase() || b == b'\'') {
            words.entry(spelling).or_default().push(tokens);
        }
    }
    if words.is_empty() {
        return Err(Error::data(path.display().to_string(), "no words; expected lines such as `cat K AE1 T`"));
    }
    let words = words.into_iter().map(|(spelling, pronunciations)| Word { spelling, pronunciations }).collect();
    Ok(Dictionary { words, letters })
}
