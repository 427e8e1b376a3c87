//! What a vocabulary that is learnt from texts is to be like, and the words that it is learnt from.

use std::collections::BTreeMap;

use super::tokenizer::{BLANK, UNKNOWN, WORD_BOUNDARY, byte_piece, is_special_form};

/// What a vocabulary that is learnt from texts is to be like. The defaults are those of SentencePiece's
/// trainer, with the CTC blank first.
#[derive(Clone, Debug, PartialEq)]
pub struct VocabularyConfig {
    /// The number of pieces in all, 64 to 8192 as a rule. Fewer come out when the text has no more to offer.
    pub vocab_size: usize,
    /// The control pieces that come first, such as `<blk>`.
    pub specials: Vec<String>,
    /// Whether all 256 byte pieces are there, so that any text can be encoded.
    pub byte_fallback: bool,
    /// The most characters of a piece.
    pub max_piece_chars: usize,
    /// Whether a piece keeps to letters or to other characters (SentencePiece `split_by_unicode_script`).
    pub split_classes: bool,
    /// Whether each digit is a piece of its own.
    pub split_digits: bool,
}

impl Default for VocabularyConfig {
    fn default() -> Self {
        Self {
            vocab_size: 512,
            specials: vec![BLANK.to_owned(), UNKNOWN.to_owned()],
            byte_fallback: false,
            max_piece_chars: 16,
            split_classes: true,
            split_digits: false,
        }
    }
}

impl VocabularyConfig {
    /// The pieces that are there whatever the text: specials and bytes.
    pub(super) fn fixed(&self) -> Vec<String> {
        let bytes = (0..=255).map(byte_piece).filter(|_| self.byte_fallback);
        self.specials.iter().cloned().chain(bytes).collect()
    }

    /// Whether a text of several characters may be a piece.
    pub(super) fn allows(&self, piece: &str) -> bool {
        let body = piece.strip_prefix(WORD_BOUNDARY).unwrap_or(piece);
        let digits = self.split_digits && body.contains(|c: char| c.is_ascii_digit());
        let mut classes = body.chars().map(char::is_alphabetic);
        let first = classes.next();
        let mixed = self.split_classes && classes.any(|class| Some(class) != first);
        let whole = !body.contains(WORD_BOUNDARY) && !is_special_form(piece);
        whole && !digits && !mixed && piece.chars().count() <= self.max_piece_chars
    }
}

/// How often each word of the texts occurs; words are what white space separates.
pub fn count_words<'a>(texts: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for word in texts.into_iter().flat_map(str::split_whitespace) {
        match counts.get_mut(word) {
            Some(count) => *count += 1,
            None => {
                counts.insert(word.to_owned(), 1);
            }
        }
    }
    counts
}
