//! The most probable pieces of a text.

use super::{Kind, Tokenizer};
use crate::{Error, Result};

/// How much less probable than the least probable piece a character is that the vocabulary lacks, as a logarithm.
const UNKNOWN_PENALTY: f32 = 10.0;
/// So much more probable than the best pieces of its length is one that is always a piece of its own.
const WHOLE_MARGIN: f32 = 0.1;

/// The probabilities of a unigram vocabulary (Kudo 2018, <https://arxiv.org/abs/1804.10959>).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Unigram {
    /// The logarithm of each piece's probability.
    scores: Vec<f32>,
    unknown: f32,
    most: f32,
    /// Bytes of the longest piece.
    longest: usize,
}

impl Unigram {
    pub(super) fn new(tokenizer: &Tokenizer, scores: Vec<f32>) -> Result<Self> {
        if let Some((id, score)) = scores.iter().enumerate().find(|(_, score)| !score.is_finite()) {
            return Err(Error::invalid(format!("score of piece {id}"), "a number", score));
        }
        let kinds = tokenizer.kinds.iter().zip(&scores);
        let normal = || kinds.clone().filter(|(kind, _)| **kind == Kind::Normal).map(|(_, score)| *score);
        let (least, most) = (normal().fold(0.0, f32::min), normal().fold(f32::NEG_INFINITY, f32::max));
        let longest = tokenizer.pieces.iter().map(String::len).max().unwrap_or(0);
        Ok(Self { unknown: least - UNKNOWN_PENALTY, most: most.max(f32::MIN), longest, scores })
    }

    pub(super) fn score(&self, id: usize) -> f32 {
        self.scores[id]
    }

    pub(super) fn scores(&self) -> &[f32] {
        &self.scores
    }

    /// The pieces of a text whose probabilities have the greatest product (Viterbi, as SentencePiece's
    /// `unigram_model.cc`: of equal ways the one with the longest last piece), with the text of each; no number for a
    /// character that is no piece.
    pub(super) fn best<'t>(&self, tokenizer: &Tokenizer, text: &'t str) -> Vec<(Option<u32>, &'t str)> {
        // Of the best way to each byte: its score, where its last piece begins, and that piece.
        let mut best: Vec<Option<(f32, usize, Option<u32>)>> = vec![None; text.len() + 1];
        best[0] = Some((0.0, 0, None));
        for (start, first) in text.char_indices() {
            let Some((before, ..)) = best[start] else { continue };
            let mut single = false;
            let mut offer = |end: usize, score: f32, id| {
                if best[end].is_none_or(|(old, ..)| before + score > old) {
                    best[end] = Some((before + score, start, id));
                }
            };
            let rest = &text[start..];
            let lengths = rest.char_indices().map(|(at, c)| at + c.len_utf8());
            for length in lengths.take_while(|length| *length <= self.longest) {
                let Some(&id) = tokenizer.ids.get(&rest[..length]) else { continue };
                let score = match tokenizer.kinds[id as usize] {
                    Kind::Normal => self.scores[id as usize],
                    Kind::Whole => length as f32 * self.most - WHOLE_MARGIN,
                    _ => continue,
                };
                single |= length == first.len_utf8();
                offer(start + length, score, Some(id));
            }
            if !single {
                offer(start + first.len_utf8(), self.unknown, None);
            }
        }
        let (mut pieces, mut end) = (Vec::new(), text.len());
        while let Some((_, start, id)) = best[end].filter(|_| end > 0) {
            pieces.push((id, &text[start..end]));
            end = start;
        }
        pieces.reverse();
        pieces
    }
}
