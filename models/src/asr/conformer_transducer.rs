//! Our streaming Conformer transducer, in three ONNX files as sherpa-onnx has them.
//!
//! The main file is the encoder: `x` and the state tensors of the card to `encoder_out` (1, frames, joint). The file
//! `decoder`, the prediction net, takes the last tokens `y` (N, context) and its own state tensors, if it has any, and
//! gives `decoder_out` (N, joint). The file `joiner` takes `encoder_out` (N, joint) and `decoder_out` (N, joint) and
//! gives `logit` (N, vocabulary), not normalised. Before the first token stand blanks.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::chunked_stream::{ChunkSearch, ChunkedStream};
use super::decoding::Decoding;
use super::encoder::{Encoder, leading};
use super::transducer_nets::{Nets, Parts, Predicted};
use super::words::{FrameClock, transcript};
use super::{Recognizer, RecognizerStream, Transcript};
use crate::card::{Bundle, LM_ROLE, MODEL_ROLE, TOKENS_ROLE};
use crate::decode::ctc::{CtcConfig, Hypothesis, LmUnit};
use crate::decode::ngram::Ngram;
use crate::decode::transducer::{TransducerDecoder, TransducerSearch};
use crate::runtime::{Runtime, Tensor};
use crate::text::Tokenizer;
use crate::{Error, Result};

/// The family's name in a card.
pub const FAMILY: &str = "conformer-transducer";

const ENCODER_OUTPUT: &str = "encoder_out";

/// What a card of this family says in its `params`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TransducerParams {
    /// The number of the blank.
    pub blank: u32,
    /// The tokens that the prediction net takes. Default: 1.
    pub context: usize,
    /// The most tokens of a frame. Default: 4.
    pub max_symbols: usize,
    /// The search; its blank counts for nothing. Default: greedy.
    pub search: CtcConfig,
    /// What the words of the language model in the bundle are.
    pub lm_unit: LmUnit,
}

impl Default for TransducerParams {
    fn default() -> Self {
        Self { blank: 0, context: 1, max_symbols: 4, search: CtcConfig::greedy(), lm_unit: LmUnit::Word }
    }
}

/// A streaming Conformer transducer: immutable and shared.
#[derive(Clone)]
pub struct ConformerTransducer {
    shared: Arc<Shared>,
}

#[derive(Clone)]
struct Shared {
    name: String,
    encoder: Arc<Encoder>,
    parts: Arc<Parts>,
    tokenizer: Arc<Tokenizer>,
    decoder: Arc<TransducerDecoder>,
    path: PathBuf,
}

impl ConformerTransducer {
    /// Opens a bundle and runs its nets once, so that the first chunk of a stream is as fast as the others.
    ///
    /// # Errors
    /// [`Error::Model`] when card and files do not fit each other, naming the key or the tensor.
    pub fn open(bundle: &Bundle, runtime: &dyn Runtime, decoding: &Decoding) -> Result<Self> {
        let (card, path) = (bundle.card(), bundle.path(MODEL_ROLE)?);
        let params: TransducerParams = card.params(&path)?;
        let encoder = Encoder::new(card, runtime.open(&path)?, &path, &[ENCODER_OUTPUT])?;
        let tokenizer = Tokenizer::parse(&bundle.text(TOKENS_ROLE)?).map_err(|e| Error::model(&path, e.to_string()))?;
        let tokenizer = Arc::new(tokenizer);
        let parts = Parts::open(bundle, runtime, &params, tokenizer.len())?;
        encoder.check_head(ENCODER_OUTPUT, parts.joint())?;
        let decoder = Arc::new(decoder(bundle, &params, tokenizer.clone(), decoding)?);
        let name = card.name.clone();
        let shared = Shared { name, encoder: Arc::new(encoder), parts, tokenizer, decoder, path };
        shared.encoder.stream()?.warm_up()?;
        shared.parts.warm_up(shared.decoder.beam())?;
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The same nets, not opened again, with another way to decode. `bundle` is the one that they were opened from.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn with_decoding(&self, bundle: &Bundle, decoding: &Decoding) -> Result<Self> {
        let params: TransducerParams = bundle.card().params(&bundle.path(MODEL_ROLE)?)?;
        let decoder = Arc::new(decoder(bundle, &params, self.shared.tokenizer.clone(), decoding)?);
        self.shared.parts.warm_up(decoder.beam())?;
        Ok(Self { shared: Arc::new(Shared { decoder, ..self.shared.as_ref().clone() }) })
    }
}

/// The search that is asked for, else the card's; with the language model, which a beam of 1 has no use for.
fn decoder(
    bundle: &Bundle,
    params: &TransducerParams,
    tokenizer: Arc<Tokenizer>,
    wish: &Decoding,
) -> Result<TransducerDecoder> {
    let search = CtcConfig { blank: params.blank, ..wish.search.clone().unwrap_or_else(|| params.search.clone()) };
    let path = bundle.path(MODEL_ROLE)?;
    let with_lm = wish.lm && search.beam > 1 && bundle.has(LM_ROLE);
    let decoder = TransducerDecoder::new(search, params.max_symbols, tokenizer);
    let decoder = decoder.map_err(|e| Error::model(&path, e.to_string()))?;
    let decoder = match with_lm {
        true => decoder.with_lm(Arc::new(Ngram::read(bundle.path(LM_ROLE)?)?), params.lm_unit),
        false => decoder,
    };
    decoder.with_hotwords(&wish.hotwords)
}

impl Shared {
    fn transcript(&self, hypothesis: &Hypothesis) -> Transcript {
        let clock = FrameClock { frame_samples: self.encoder.frame_samples(), rate: self.encoder.rate() };
        transcript(hypothesis.words(&self.tokenizer), clock, self.decoder.word_model())
    }
}

impl Recognizer for ConformerTransducer {
    fn name(&self) -> &str {
        &self.shared.name
    }

    fn stream(&self) -> Result<Box<dyn RecognizerStream>> {
        let shared = self.shared.clone();
        let mut nets = shared.parts.nets()?;
        let search = shared.decoder.search(&mut nets)?;
        let encoder = shared.encoder.stream()?;
        let search = FrameSearch { nets, fresh: search.clone(), search, shared };
        Ok(Box::new(ChunkedStream::new(encoder, search)))
    }
}

struct FrameSearch {
    shared: Arc<Shared>,
    nets: Nets,
    search: TransducerSearch<Predicted>,
    /// The search of a stream that has heard nothing.
    fresh: TransducerSearch<Predicted>,
}

impl ChunkSearch for FrameSearch {
    type State = TransducerSearch<Predicted>;

    fn push(&mut self, heads: Vec<Tensor>) -> Result<bool> {
        let (shared, width) = (&self.shared, self.shared.parts.joint());
        let output = heads.into_iter().next();
        let frames = leading(output, ENCODER_OUTPUT, shared.encoder.frames(), width, &shared.path)?;
        let mut changed = false;
        for frame in frames.chunks_exact(width) {
            changed |= self.search.push(frame, &shared.decoder, &mut self.nets)?;
        }
        Ok(changed)
    }

    fn partial(&self) -> Transcript {
        self.shared.transcript(&self.search.partial())
    }

    fn finish(&mut self) -> Result<Transcript> {
        Ok(self.shared.transcript(&self.search.finish(&self.shared.decoder)))
    }

    fn save(&self) -> Self::State {
        self.search.clone()
    }

    fn restore(&mut self, search: Self::State) {
        self.search = search;
    }

    fn reset(&mut self) {
        self.search = self.fresh.clone();
    }
}
