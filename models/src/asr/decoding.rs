use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::card::{Bundle, LM_ROLE};
use crate::decode::ctc::{CtcConfig, CtcDecoder, Hotword, LmUnit};
use crate::decode::ngram::Ngram;
use crate::text::Tokenizer;
use crate::{Error, Result};

/// How a recogniser's probabilities become text, where the card's own way is not wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Decoding {
    /// The search; the card's where it is missing.
    pub search: Option<CtcConfig>,
    /// Whether the bundle's language model is used, when it has one. A greedy search that the card does not ask for
    /// has no use for one.
    pub lm: bool,
    /// Words and phrases to be preferred.
    pub hotwords: Vec<Hotword>,
}

impl Default for Decoding {
    fn default() -> Self {
        Self { search: None, lm: true, hotwords: Vec::new() }
    }
}

impl Decoding {
    /// The best token of each frame, nothing else.
    pub fn greedy() -> Self {
        Self { search: Some(CtcConfig::greedy()), lm: false, hotwords: Vec::new() }
    }
}

/// The search that a card proposes for a CTC family, in its `params`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CtcParams {
    /// The number of the blank.
    pub blank: u32,
    /// The search; its blank counts for nothing.
    pub search: CtcConfig,
    /// What the words of the language model in the bundle are.
    pub lm_unit: LmUnit,
}

impl Default for CtcParams {
    fn default() -> Self {
        Self { blank: 0, search: CtcConfig::greedy(), lm_unit: LmUnit::Word }
    }
}

/// The decoder of a bundle.
pub(super) fn ctc_decoder(bundle: &Bundle, tokenizer: Arc<Tokenizer>, wish: &Decoding) -> Result<Arc<CtcDecoder>> {
    let path = bundle.path(crate::card::MODEL_ROLE)?;
    let params: CtcParams = bundle.card().params(&path)?;
    let search = CtcConfig { blank: params.blank, ..wish.search.clone().unwrap_or(params.search) };
    let decoder = CtcDecoder::new(search, tokenizer).map_err(|e| Error::model(&path, e.to_string()))?;
    let decoder = match wish.lm && bundle.has(LM_ROLE) {
        true => decoder.with_lm(Arc::new(Ngram::read(bundle.path(LM_ROLE)?)?), params.lm_unit),
        false => decoder,
    };
    Ok(Arc::new(decoder.with_hotwords(&wish.hotwords)?))
}
