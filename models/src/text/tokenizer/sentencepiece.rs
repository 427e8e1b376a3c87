//! What SentencePiece writes: `.model` (`sentencepiece_model.proto`) and `.vocab`.

use std::borrow::Cow;
use std::path::Path;

use prost::Message;
use unicode_normalization::UnicodeNormalization;

use super::unigram::Unigram;
use super::{Kind, Tokenizer, is_special_form, kind_of};
use crate::{Error, Result};

/// What a SentencePiece model says of a text beside its pieces.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Form {
    /// Whether spaces stay as they are.
    pub(super) keeps_spaces: bool,
    /// The pieces that are always one where their text stands.
    pub(super) whole: Vec<u32>,
    /// Unicode's NFKC.
    compose: bool,
    /// Control characters go, and marks without width are spaces, as translation systems want it.
    tidy: bool,
    /// Case does not count.
    fold: bool,
}

impl Form {
    pub(super) fn normalise<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !self.compose {
            return Cow::Borrowed(text);
        }
        let blank = |c: char| matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}' | '\u{2029}' | '\u{2581}' | '\u{FEFF}');
        let tidied = text.chars().filter(|c| !self.tidy || !c.is_control() || c.is_whitespace());
        let composed = tidied.map(|c| if self.tidy && blank(c) { ' ' } else { c }).nfkc();
        let text: String = composed.collect();
        Cow::Owned(if self.fold { text.to_lowercase() } else { text })
    }
}

#[derive(Clone, PartialEq, Message)]
struct ModelProto {
    #[prost(message, repeated, tag = "1")]
    pieces: Vec<PieceProto>,
    #[prost(message, optional, tag = "2")]
    trainer: Option<TrainerProto>,
    #[prost(message, optional, tag = "3")]
    normalizer: Option<NormalizerProto>,
}

#[derive(Clone, PartialEq, Message)]
struct PieceProto {
    #[prost(string, optional, tag = "1")]
    piece: Option<String>,
    #[prost(float, optional, tag = "2")]
    score: Option<f32>,
    #[prost(int32, optional, tag = "3")]
    kind: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
struct TrainerProto {
    #[prost(int32, optional, tag = "3")]
    model: Option<i32>,
    #[prost(bool, optional, tag = "24")]
    space_as_suffix: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
struct NormalizerProto {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(bytes = "vec", optional, tag = "2")]
    table: Option<Vec<u8>>,
    #[prost(bool, optional, tag = "3")]
    add_dummy_prefix: Option<bool>,
    #[prost(bool, optional, tag = "4")]
    remove_extra_whitespaces: Option<bool>,
}

/// `SentencePiece.Type`.
const UNKNOWN_TYPE: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;
const BYTE: i32 = 6;
/// `TrainerSpec.ModelType`.
const UNIGRAM: i32 = 1;
const BPE: i32 = 2;
const CHARACTERS: i32 = 4;

impl Tokenizer {
    /// Reads a model of SentencePiece, of the kind unigram or BPE. Its rules of normalisation go by their names: those
    /// of Unicode are applied as `unicode-normalization` has them, others are left to the caller, with a warning.
    ///
    /// A `tokens.txt` that is written of it has the pieces and scores, but neither the normalisation nor which pieces
    /// are always pieces of their own.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, [`Error::Model`] when it is damaged or of another kind.
    pub fn read_sentencepiece(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        let model = ModelProto::decode(&*bytes)
            .map_err(|e| Error::model(path, format!("expected a SentencePiece model: {e}")))?;
        Self::of_model(model).map_err(|e| Error::model(path, e.to_string()))
    }

    fn of_model(model: ModelProto) -> Result<Self> {
        let trainer = model.trainer.unwrap_or_default();
        let kind = trainer.model.unwrap_or(UNIGRAM);
        if ![UNIGRAM, BPE, CHARACTERS].contains(&kind) || trainer.space_as_suffix == Some(true) {
            let found = format!("model type {kind}, spaces as suffixes: {}", trainer.space_as_suffix == Some(true));
            return Err(Error::invalid(
                "SentencePiece model",
                "unigram (1), BPE (2) or characters (4), spaces before words",
                found,
            ));
        }
        let (mut pieces, mut kinds, mut scores, mut unknown) = (Vec::new(), Vec::new(), Vec::new(), None);
        for (id, proto) in model.pieces.into_iter().enumerate() {
            let piece = proto.piece.unwrap_or_default();
            kinds.push(match proto.kind {
                Some(UNKNOWN_TYPE) => {
                    unknown = Some(id as u32);
                    Kind::Special
                }
                Some(CONTROL | UNUSED) => Kind::Special,
                Some(USER_DEFINED) => Kind::Whole,
                Some(BYTE) => byte_of(&piece).map_or(Kind::Special, Kind::Byte),
                _ => Kind::Normal,
            });
            pieces.push(piece);
            scores.push(proto.score.unwrap_or(0.0));
        }
        let normalizer = model.normalizer.unwrap_or_default();
        let mut tokenizer = Self::of_kinds(pieces, kinds)?;
        tokenizer.unknown = unknown;
        tokenizer.word_prefix = normalizer.add_dummy_prefix.unwrap_or(true);
        tokenizer.form = form(&normalizer, &tokenizer.kinds);
        tokenizer.scored(scores, kind == UNIGRAM)
    }

    /// With scores, which count in a unigram vocabulary, and in BPE have to be in the order of the pieces.
    fn scored(mut self, scores: Vec<f32>, unigram: bool) -> Result<Self> {
        if unigram {
            self.unigram = Some(Unigram::new(&self, scores)?);
            return Ok(self);
        }
        let ranks: Vec<f32> =
            self.kinds.iter().zip(scores).filter(|(kind, _)| **kind == Kind::Normal).map(|(_, score)| score).collect();
        match ranks.windows(2).position(|pair| pair[0] < pair[1]) {
            Some(at) => Err(Error::invalid(
                format!("score of text piece {}", at + 1),
                "at most that of the piece before",
                ranks[at + 1],
            )),
            None => Ok(self),
        }
    }

    /// Reads a vocabulary as SentencePiece writes it beside a model: a piece, a tab and its score on each line. Whole
    /// numbers are those of BPE. Pieces in `<>` are special, and of a unigram vocabulary those with a score of 0 are
    /// always pieces of their own. What the model says of normalisation is not in it.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, [`Error::Model`] when it breaks the form.
    pub fn read_vocab(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        Self::parse_vocab(&text).map_err(|e| Error::model(path, e.to_string()))
    }

    fn parse_vocab(text: &str) -> Result<Self> {
        let (mut pieces, mut scores) = (Vec::new(), Vec::new());
        for (at, line) in text.lines().enumerate() {
            let wrong =
                || Error::invalid(format!("line {} of the vocabulary", at + 1), "a piece, a tab, a score", line);
            let (piece, score) = line.rsplit_once('\t').ok_or_else(wrong)?;
            scores.push(score.parse::<f32>().map_err(|_| wrong())?);
            pieces.push(piece.to_owned());
        }
        let unigram = scores.iter().any(|score| score.fract() != 0.0);
        let kind = |(piece, score): (&String, &f32)| match byte_of(piece) {
            Some(byte) => Kind::Byte(byte),
            None if is_special_form(piece) => Kind::Special,
            None if unigram && *score == 0.0 => Kind::Whole,
            None => Kind::Normal,
        };
        let kinds = pieces.iter().zip(&scores).map(kind).collect();
        let mut tokenizer = Self::of_kinds(pieces, kinds)?;
        tokenizer.word_prefix = true;
        tokenizer.form.whole = whole(&tokenizer.kinds);
        tokenizer.scored(scores, unigram)
    }
}

fn form(normalizer: &NormalizerProto, kinds: &[Kind]) -> Form {
    let name = normalizer.name.as_deref().unwrap_or("");
    let compose = ["nfkc", "nfkc_cf", "nmt_nfkc", "nmt_nfkc_cf"].contains(&name);
    if !compose && normalizer.table.as_ref().is_some_and(|table| !table.is_empty()) {
        tracing::warn!("the normalisation `{name}` of a SentencePiece model is not known: texts are taken as they are");
    }
    Form {
        keeps_spaces: normalizer.remove_extra_whitespaces == Some(false),
        whole: whole(kinds),
        compose,
        tidy: name.starts_with("nmt"),
        fold: name.ends_with("_cf"),
    }
}

fn whole(kinds: &[Kind]) -> Vec<u32> {
    (0..).zip(kinds).filter(|(_, kind)| **kind == Kind::Whole).map(|(id, _)| id).collect()
}

fn byte_of(piece: &str) -> Option<u8> {
    match kind_of(piece) {
        Kind::Byte(byte) => Some(byte),
        _ => None,
    }
}
