//! Text to token numbers and back.

mod decode;
mod file;
mod sentencepiece;
mod unigram;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;

use crate::{Error, Result};

pub use decode::TokenStream;
use sentencepiece::Form;
use unigram::Unigram;

use super::merge::merge_pieces;

/// Stands for the space before a word, as in SentencePiece.
pub const WORD_BOUNDARY: char = '▁';

/// The piece of the CTC blank.
pub const BLANK: &str = "<blk>";

/// The piece of everything that the vocabulary lacks.
pub const UNKNOWN: &str = "<unk>";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Normal,
    /// Text that is always a piece of its own where it stands.
    Whole,
    /// `<...>`: never met in text, dropped in decoding.
    Special,
    /// `<0x41>`: one byte of a character that the vocabulary lacks.
    Byte(u8),
}

impl Kind {
    /// Whether the piece stands for its own text.
    fn is_text(self) -> bool {
        matches!(self, Self::Normal | Self::Whole)
    }
}

/// A vocabulary of pieces with the rule that cuts a text into them.
///
/// The whole tokenizer is its list of pieces, written as a `tokens.txt` with one `piece id` a line, the form that
/// sherpa-onnx and icefall use; in a unigram vocabulary the logarithm of each piece's probability stands behind. Such a
/// text is cut into the pieces that are together the most probable. Else encoding follows SentencePiece's BPE (`bpe_model.cc`): beginning with single
/// characters, the two neighbours whose union is the piece with the lowest number are joined, leftmost first, until
/// no union is a piece. A vocabulary of single characters is the case without unions; its spaces are pieces of
/// their own and stand only between words.
#[derive(Clone, Debug, PartialEq)]
pub struct Tokenizer {
    pieces: Vec<String>,
    kinds: Vec<Kind>,
    ids: HashMap<String, u32>,
    unknown: Option<u32>,
    bytes: Option<Vec<u32>>,
    word_prefix: bool,
    pieces_span_words: bool,
    unigram: Option<Unigram>,
    form: Form,
}

impl Tokenizer {
    /// A tokenizer of `pieces`, numbered in order.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a piece is empty, holds white space or occurs twice.
    pub fn new(pieces: Vec<String>) -> Result<Self> {
        if let Some((id, piece)) = pieces.iter().enumerate().find(|(_, piece)| piece.contains(char::is_whitespace)) {
            return Err(Error::invalid(format!("piece {id}"), "a text without white space", format!("{piece:?}")));
        }
        let kinds = pieces.iter().map(|piece| kind_of(piece)).collect();
        Self::of_kinds(pieces, kinds)
    }

    /// A tokenizer of pieces with the logarithm of each one's probability; that of special and byte pieces counts for
    /// nothing.
    ///
    /// # Errors
    /// As [`Tokenizer::new`]; [`Error::Invalid`] when a logarithm is no number.
    pub fn unigram(scored: Vec<(String, f32)>) -> Result<Self> {
        let (pieces, scores) = scored.into_iter().unzip();
        let tokenizer = Self::new(pieces)?;
        let unigram = Unigram::new(&tokenizer, scores)?;
        Ok(Self { unigram: Some(unigram), ..tokenizer })
    }

    /// The same with a special piece before all others, whose numbers grow by one.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there is such a piece.
    pub fn with_first(&self, special: &str) -> Result<Self> {
        let pieces = std::iter::once(special.to_owned()).chain(self.pieces.iter().cloned()).collect();
        let kinds = std::iter::once(Kind::Special).chain(self.kinds.iter().copied()).collect();
        let mut tokenizer = Self::of_kinds(pieces, kinds)?;
        tokenizer.unknown = self.unknown.map(|id| id + 1);
        tokenizer.word_prefix = self.word_prefix;
        tokenizer.form = self.form.clone();
        tokenizer.form.whole.iter_mut().for_each(|id| *id += 1);
        let scores = self.unigram.as_ref().map(|unigram| std::iter::once(0.0).chain(unigram.scores().iter().copied()));
        tokenizer.unigram = scores.map(|scores| Unigram::new(&tokenizer, scores.collect())).transpose()?;
        Ok(tokenizer)
    }

    /// The same in small letters, where all of its letters are capitals: so transcripts are written here.
    ///
    /// # Errors
    /// [`Error::Invalid`] when two pieces become one.
    pub fn in_small_letters(self) -> Result<Self> {
        let text = || self.pieces.iter().zip(&self.kinds).filter(|(_, kind)| kind.is_text()).map(|(piece, _)| piece);
        if text().any(|piece| piece.contains(char::is_lowercase))
            || !text().any(|piece| piece.contains(char::is_uppercase))
        {
            return Ok(self);
        }
        let small = |(piece, kind): (&String, &Kind)| if kind.is_text() { piece.to_lowercase() } else { piece.clone() };
        let pieces = self.pieces.iter().zip(&self.kinds).map(small).collect();
        let mut tokenizer = Self::of_kinds(pieces, self.kinds.clone())?;
        tokenizer.unknown = self.unknown;
        tokenizer.word_prefix = self.word_prefix;
        tokenizer.form = self.form.clone();
        let scores = self.unigram.as_ref().map(|unigram| unigram.scores().to_vec());
        tokenizer.unigram = scores.map(|scores| Unigram::new(&tokenizer, scores)).transpose()?;
        Ok(tokenizer)
    }

    fn of_kinds(pieces: Vec<String>, kinds: Vec<Kind>) -> Result<Self> {
        let mut ids = HashMap::with_capacity(pieces.len());
        for (id, piece) in pieces.iter().enumerate() {
            if piece.is_empty() {
                return Err(Error::invalid(format!("piece {id}"), "a text", "none"));
            }
            if let Some(earlier) = ids.insert(piece.clone(), id as u32) {
                return Err(Error::invalid(
                    format!("piece {id}"),
                    "a piece of its own",
                    format!("{piece:?} again, after piece {earlier}"),
                ));
            }
        }
        let normal = || pieces.iter().zip(&kinds).filter(|(_, kind)| kind.is_text()).map(|(piece, _)| piece);
        let word_prefix = normal().any(|piece| piece.chars().count() > 1);
        let pieces_span_words = normal().any(|piece| piece.chars().skip(1).any(|c| c == WORD_BOUNDARY));
        let bytes = (0..=255u8).map(|byte| ids.get(&byte_piece(byte)).copied()).collect();
        let unknown = ids.get(UNKNOWN).copied();
        let (unigram, form) = (None, Form::default());
        Ok(Self { pieces, kinds, ids, unknown, bytes, word_prefix, pieces_span_words, unigram, form })
    }

    /// A tokenizer of single characters: blank, unknown, the space, then `characters` in order of their code.
    ///
    /// # Errors
    /// [`Error::Invalid`] when `characters` holds white space other than the space.
    pub fn characters(characters: impl IntoIterator<Item = char>) -> Result<Self> {
        let mut sorted: Vec<char> = characters.into_iter().filter(|&c| c != ' ' && c != WORD_BOUNDARY).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let mut pieces = vec![BLANK.to_owned(), UNKNOWN.to_owned(), WORD_BOUNDARY.to_string()];
        pieces.extend(sorted.into_iter().map(String::from));
        Self::new(pieces)
    }

    /// The number of pieces.
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Whether there is no piece at all.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The piece of a number.
    pub fn piece(&self, id: u32) -> Option<&str> {
        self.pieces.get(id as usize).map(String::as_str)
    }

    /// All pieces, in the order of their numbers.
    pub fn pieces(&self) -> &[String] {
        &self.pieces
    }

    /// The number of a piece.
    pub fn id(&self, piece: &str) -> Option<u32> {
        self.ids.get(piece).copied()
    }

    /// The logarithm of a piece's probability, in a unigram vocabulary.
    pub fn score(&self, id: u32) -> Option<f32> {
        self.unigram.as_ref().filter(|_| (id as usize) < self.len()).map(|unigram| unigram.score(id as usize))
    }

    /// Whether a piece is a control piece such as `<blk>`, which stands for no text.
    pub fn is_special(&self, id: u32) -> bool {
        self.kinds.get(id as usize) == Some(&Kind::Special)
    }

    /// Whether a piece begins a word.
    pub fn begins_word(&self, id: u32) -> bool {
        self.piece(id).is_some_and(|piece| piece.starts_with(WORD_BOUNDARY))
    }

    /// The token numbers of `text`. White space at the ends is dropped, and between words counts as one space.
    ///
    /// A character that is no piece becomes its UTF-8 bytes where the vocabulary has all byte pieces, else one
    /// `<unk>` for each run of such characters, as in SentencePiece; without `<unk>` it is left out.
    ///
    /// Where a SentencePiece model says that a text is normalised first, or keeps all its spaces, that is done.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let text = &*self.form.normalise(text);
        if self.form.keeps_spaces {
            return self.encode_verbatim(text, self.word_prefix);
        }
        let mut joined = String::with_capacity(text.len() + 1);
        for word in text.split_whitespace() {
            if self.word_prefix || !joined.is_empty() {
                joined.push(WORD_BOUNDARY);
            }
            joined.push_str(word);
        }
        self.encode_marked(&joined)
    }

    /// The token numbers of `text` with every space and line break kept, as llama.cpp encodes; a space is put
    /// before the text when `prefix_space` is set and the text is not empty.
    pub fn encode_verbatim(&self, text: &str, prefix_space: bool) -> Vec<u32> {
        let mut marked = String::with_capacity(text.len() + 3);
        if prefix_space && !text.is_empty() {
            marked.push(WORD_BOUNDARY);
        }
        marked.extend(text.chars().map(|c| if c == ' ' { WORD_BOUNDARY } else { c }));
        self.encode_marked(&marked)
    }

    fn encode_marked(&self, marked: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        if self.pieces_span_words || self.unigram.is_some() {
            self.encode_segment(marked, &mut ids);
            return ids;
        }
        // No piece reaches across a word boundary, so words can be cut one by one.
        let mut start = 0;
        for (at, _) in marked.match_indices(WORD_BOUNDARY).filter(|(at, _)| *at > 0) {
            self.encode_segment(&marked[start..at], &mut ids);
            start = at;
        }
        self.encode_segment(&marked[start..], &mut ids);
        ids
    }

    fn encode_segment(&self, segment: &str, ids: &mut Vec<u32>) {
        if let Some(unigram) = &self.unigram {
            unigram.best(self, segment).into_iter().for_each(|(id, piece)| self.push(id, piece, ids));
            return;
        }
        let rank = |piece: &str| self.ids.get(piece).copied().filter(|&id| self.kinds[id as usize] == Kind::Normal);
        let mut rest = segment;
        while let Some((before, id, after)) = self.first_whole(rest) {
            merge_pieces(before, rank).into_iter().for_each(|piece| self.push(rank(piece), piece, ids));
            ids.push(id);
            rest = after;
        }
        merge_pieces(rest, rank).into_iter().for_each(|piece| self.push(rank(piece), piece, ids));
    }

    /// The first piece of a text that is always one, the longest of those, with what stands before and after it.
    fn first_whole<'t>(&self, text: &'t str) -> Option<(&'t str, u32, &'t str)> {
        let whole = self.form.whole.iter().map(|id| (*id, &*self.pieces[*id as usize]));
        let found = whole.filter_map(|(id, piece)| text.find(piece).map(|at| (at, Reverse(piece.len()), id)));
        let (at, Reverse(length), id) = found.min()?;
        Some((&text[..at], id, &text[at + length..]))
    }

    /// Appends a piece that the vocabulary has, or what stands for one that it lacks.
    fn push(&self, id: Option<u32>, piece: &str, ids: &mut Vec<u32>) {
        if let Some(id) = id {
            ids.push(id);
        } else if let Some(bytes) = &self.bytes {
            ids.extend(piece.bytes().map(|byte| bytes[usize::from(byte)]));
        } else if let Some(unknown) = self.unknown
            && ids.last() != Some(&unknown)
        {
            ids.push(unknown);
        }
    }

    /// The words of token numbers, each with the tokens that it is made of. Special pieces belong to no word.
    pub fn words(&self, ids: &[u32]) -> Vec<TokenWord> {
        let mut words: Vec<TokenWord> = Vec::new();
        let mut open = false;
        for (at, &id) in ids.iter().enumerate() {
            let special = self.is_special(id) && Some(id) != self.unknown;
            if special || self.piece(id).is_none() {
                continue;
            }
            open &= !self.begins_word(id);
            if self.piece(id).is_some_and(|piece| piece.chars().eq([WORD_BOUNDARY])) && !self.word_prefix {
                continue;
            }
            match words.last_mut() {
                Some(word) if open => word.tokens.end = at + 1,
                _ => words.push(TokenWord { text: String::new(), tokens: at..at + 1 }),
            }
            open = true;
        }
        for word in &mut words {
            word.text = self.decode(&ids[word.tokens.clone()]);
        }
        words.retain(|word| !word.text.is_empty());
        words
    }
}

/// A word within a list of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenWord {
    /// The word, without its space.
    pub text: String,
    /// Where its tokens stand in the list.
    pub tokens: Range<usize>,
}

/// The piece of a byte: `<0x0A>`.
pub(crate) fn byte_piece(byte: u8) -> String {
    format!("<0x{byte:02X}>")
}

fn kind_of(piece: &str) -> Kind {
    let byte = piece.strip_prefix("<0x").and_then(|p| p.strip_suffix('>')).filter(|hex| hex.len() == 2);
    if let Some(byte) = byte.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
        Kind::Byte(byte)
    } else if is_special_form(piece) {
        Kind::Special
    } else {
        Kind::Normal
    }
}

pub(crate) fn is_special_form(piece: &str) -> bool {
    piece.len() > 2 && piece.starts_with('<') && piece.ends_with('>')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vocabulary_of_capitals_is_read_in_small_letters() {
        let pieces = |list: &[&str]| list.iter().map(|piece| (*piece).to_owned()).collect::<Vec<_>>();
        let capitals = Tokenizer::new(pieces(&[BLANK, UNKNOWN, "▁H", "▁HE", "H", "E", "▁"])).unwrap();
        let small = capitals.in_small_letters().unwrap();
        assert_eq!(small.encode("he"), [3]);
        assert_eq!((small.piece(1), small.decode(&[3])), (Some(UNKNOWN), "he".to_owned()));
        let mixed = Tokenizer::new(pieces(&[BLANK, "▁H", "e"])).unwrap();
        assert_eq!(mixed.clone().in_small_letters().unwrap(), mixed);
        let scored = [(BLANK, 0.0), (UNKNOWN, 0.0), ("▁A", -1.0), ("▁", -2.0), ("B", -1.5)];
        let unigram = Tokenizer::unigram(scored.map(|(piece, score)| (piece.to_owned(), score)).to_vec()).unwrap();
        assert_eq!(unigram.in_small_letters().unwrap().encode("a b"), [2, 3, 4]);
    }
}
