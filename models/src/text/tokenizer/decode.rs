//! Token numbers to text, at once and one after another.

use std::sync::Arc;

use super::{Kind, Tokenizer, WORD_BOUNDARY};
use crate::Result;
use crate::streaming::Streaming;

impl Tokenizer {
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

    /// A decoder for tokens that come one after another.
    pub fn stream(self: &Arc<Self>) -> TokenStream {
        TokenStream { tokenizer: Arc::clone(self), state: DecodeState::default() }
    }
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
        } else if kind.is_text() {
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
