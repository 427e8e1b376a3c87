//! Text to token numbers and back.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::streaming::Streaming;
use crate::{Error, Result};

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
    /// `<...>`: never met in text, dropped in decoding.
    Special,
    /// `<0x41>`: one byte of a character that the vocabulary lacks.
    Byte(u8),
}

/// A vocabulary of pieces with the rule that cuts a text into them.
///
/// The whole tokenizer is its list of pieces, written as a `tokens.txt` with one `piece id` a line, the form that
/// sherpa-onnx and icefall use. Encoding follows SentencePiece's BPE (`bpe_model.cc`): beginning with single
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
}

impl Tokenizer {
    /// A tokenizer of `pieces`, numbered in order.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a piece is empty, holds white space or occurs twice.
    pub fn new(pieces: Vec<String>) -> Result<Self> {
        let mut ids = HashMap::with_capacity(pieces.len());
        for (id, piece) in pieces.iter().enumerate() {
            if piece.is_empty() || piece.contains(char::is_whitespace) {
                return Err(Error::invalid(format!("piece {id}"), "a text without white space", format!("{piece:?}")));
            }
            if let Some(earlier) = ids.insert(piece.clone(), id as u32) {
                return Err(Error::invalid(
                    format!("piece {id}"),
                    "a piece of its own",
                    format!("{piece:?} again, after piece {earlier}"),
                ));
            }
        }
        let kinds: Vec<Kind> = pieces.iter().map(|piece| kind_of(piece)).collect();
        let normal = || pieces.iter().zip(&kinds).filter(|(_, kind)| **kind == Kind::Normal).map(|(piece, _)| piece);
        let word_prefix = normal().any(|piece| piece.chars().count() > 1);
        let pieces_span_words = normal().any(|piece| piece.chars().skip(1).any(|c| c == WORD_BOUNDARY));
        let bytes = (0..=255u8).map(|byte| ids.get(&byte_piece(byte)).copied()).collect();
        let unknown = ids.get(UNKNOWN).copied();
        Ok(Self { pieces, kinds, ids, unknown, bytes, word_prefix, pieces_span_words })
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
    pub fn encode(&self, text: &str) -> Vec<u32> {
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
        if self.pieces_span_words {
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
        let rank = |piece: &str| self.ids.get(piece).copied().filter(|&id| self.kinds[id as usize] == Kind::Normal);
        for piece in merge_pieces(segment, rank) {
            if let Some(id) = rank(piece) {
                ids.push(id);
            } else if let Some(bytes) = &self.bytes {
                ids.extend(piece.bytes().map(|byte| bytes[usize::from(byte)]));
            } else if let Some(unknown) = self.unknown
                && ids.last() != Some(&unknown)
            {
                ids.push(unknown);
            }
        }
    }

    /// The text of token numbers. Special pieces and numbers outside the vocabulary are left out, unknown pieces
    /// become `⁇`, and one leading space is dropped.
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut out = String::new();
        let mut state = DecodeState::default();
        for &id in ids {
            state.push(self, id, &mut out);
        }
        state.flush(&mut out);
        out
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

    /// A decoder for tokens that come one after another.
    pub fn stream(self: &Arc<Self>) -> TokenStream {
        TokenStream { tokenizer: Arc::clone(self), state: DecodeState::default() }
    }
}

/// More pieces than any tokenizer has: a larger number in a file is a mistake, not a reason to take memory.
const MOST_PIECES: usize = 2_000_000;

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

#[derive(Clone, Debug, Default)]
struct DecodeState {
    started: bool,
    bytes: Vec<u8>,
}

impl DecodeState {
    fn push(&mut self, tokenizer: &Tokenizer, id: u32, out: &mut String) {
        let Some(piece) = tokenizer.piece(id) else { return };
        let kind = tokenizer.kinds[id as usize];
        if let Kind::Byte(byte) = kind {
            self.started = true;
            self.bytes.push(byte);
            self.drain(out, false);
            return;
        }
        self.drain(out, true);
        if Some(id) == tokenizer.unknown {
            out.push('⁇');
        } else if kind == Kind::Normal {
            let piece = if self.started { piece } else { piece.strip_prefix(WORD_BOUNDARY).unwrap_or(piece) };
            out.extend(piece.chars().map(|c| if c == WORD_BOUNDARY { ' ' } else { c }));
        } else {
            return;
        }
        self.started = true;
    }

    /// Moves whole characters from the bytes to `out`; with `all`, what can become no character as U+FFFD.
    fn drain(&mut self, out: &mut String, all: bool) {
        while !self.bytes.is_empty() {
            let (valid, broken) = match std::str::from_utf8(&self.bytes) {
                Ok(_) => (self.bytes.len(), Some(0)),
                Err(e) => (e.valid_up_to(), e.error_len()),
            };
            out.push_str(&String::from_utf8_lossy(&self.bytes[..valid]));
            self.bytes.drain(..valid);
            match broken {
                Some(0) => {}
                Some(length) => {
                    out.push(char::REPLACEMENT_CHARACTER);
                    self.bytes.drain(..length);
                }
                None if all => {
                    out.push(char::REPLACEMENT_CHARACTER);
                    self.bytes.clear();
                }
                None => return,
            }
        }
    }

    fn flush(&mut self, out: &mut String) {
        self.drain(out, true);
        *self = Self::default();
    }
}

/// Decodes tokens as they come: spaces stand where [`Tokenizer::decode`] of the whole puts them, and a character
/// comes out only when its last byte is there.
#[derive(Clone, Debug)]
pub struct TokenStream {
    tokenizer: Arc<Tokenizer>,
    state: DecodeState,
}

impl Streaming for TokenStream {
    type Input = [u32];
    type Output = String;

    fn push(&mut self, input: &[u32], out: &mut String) -> Result<()> {
        for &id in input {
            self.state.push(&self.tokenizer, id, out);
        }
        Ok(())
    }

    fn flush(&mut self, out: &mut String) -> Result<()> {
        self.state.flush(out);
        Ok(())
    }

    fn reset(&mut self) {
        self.state = DecodeState::default();
    }

    /// Three byte pieces may wait for the fourth byte of a character.
    fn delay(&self) -> usize {
        3
    }
}
