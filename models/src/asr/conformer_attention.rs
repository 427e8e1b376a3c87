//! Our streaming Conformer with CTC and an attention decoder, in two passes.
//!
//! Zhang et al., "Unified streaming and non-streaming two-pass end-to-end model for speech recognition", 2020: CTC says
//! what was heard so far while the sound comes; when it ends, the decoder is searched jointly with CTC over all frames
//! ([`decode::attention`](crate::decode::attention)).
//!
//! The main file is the encoder: `x` and the state tensors of the card to `log_probs` (1, frames, vocabulary) and `memory`
//! (1, frames, width). The file `decoder` says one token after another, and so does `token_lm`, a language model over the
//! same tokens, which a bundle may lack. Number 0 is CTC's blank, and for both the beginning and the end of a sentence.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::chunked_stream::{ChunkSearch, ChunkedStream};
use super::decoding::Decoding;
use super::encoder::{Encoder, leading};
use super::step_model::{EngineNet, StepModel};
use super::words::{FrameClock, transcript};
use super::{Recognizer, RecognizerStream, Transcript};
use crate::card::{Bundle, DECODER_ROLE, LM_ROLE, MODEL_ROLE, TOKEN_LM_ROLE, TOKENS_ROLE};
use crate::decode::attention::{
    AttentionConfig, BOUNDARY, CtcPrefixScorer, FusionScorer, NetScorer, Reading, Weighted, search,
};
use crate::decode::ctc::{CtcConfig, CtcDecoder, CtcStream, Hypothesis, LmUnit, align};
use crate::decode::ngram::Ngram;
use crate::runtime::{Runtime, Tensor};
use crate::text::Tokenizer;
use crate::{Error, Result};

/// The family's name in a card.
pub const FAMILY: &str = "conformer-attention";

const LOG_PROBS_OUTPUT: &str = "log_probs";
const MEMORY_OUTPUT: &str = "memory";

/// What a card of this family says in its `params`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AttentionParams {
    /// The first pass, with what the n-gram model and hotwords count in both; its blank counts for nothing. Default:
    /// greedy.
    pub search: CtcConfig,
    /// The second pass.
    pub attention: AttentionConfig,
    /// What the words of the n-gram model in the bundle are.
    pub lm_unit: LmUnit,
}

impl Default for AttentionParams {
    fn default() -> Self {
        Self { search: CtcConfig::greedy(), attention: AttentionConfig::default(), lm_unit: LmUnit::Word }
    }
}

/// A streaming Conformer with an attention decoder: immutable and shared.
#[derive(Clone)]
pub struct ConformerAttention {
    shared: Arc<Shared>,
}

#[derive(Clone)]
struct Shared {
    name: String,
    encoder: Arc<Encoder>,
    decoder: Arc<StepModel>,
    token_lm: Option<Arc<StepModel>>,
    /// The width of what the encoder gives the decoder for a frame.
    memory: usize,
    tokenizer: Arc<Tokenizer>,
    first: Arc<CtcDecoder>,
    second: AttentionConfig,
    path: PathBuf,
}

impl ConformerAttention {
    /// Opens a bundle and runs its nets once, so that the first chunk of a stream is as fast as the others.
    ///
    /// # Errors
    /// [`Error::Model`] when card and files do not fit each other, naming the key or the tensor.
    pub fn open(bundle: &Bundle, runtime: &dyn Runtime, decoding: &Decoding) -> Result<Self> {
        let (card, path) = (bundle.card(), bundle.path(MODEL_ROLE)?);
        let encoder = Encoder::new(card, runtime.open(&path)?, &path, &[LOG_PROBS_OUTPUT, MEMORY_OUTPUT])?;
        let tokenizer = Tokenizer::parse(&bundle.text(TOKENS_ROLE)?).map_err(|e| Error::model(&path, e.to_string()))?;
        let tokenizer = Arc::new(tokenizer);
        let decoder = StepModel::open(runtime, &bundle.path(DECODER_ROLE)?, tokenizer.len())?;
        let memory = decoder.memory()?;
        encoder.check_head(LOG_PROBS_OUTPUT, tokenizer.len())?;
        encoder.check_head(MEMORY_OUTPUT, memory)?;
        let token_lm = match bundle.has(TOKEN_LM_ROLE) {
            true => Some(StepModel::open(runtime, &bundle.path(TOKEN_LM_ROLE)?, tokenizer.len())?),
            false => None,
        };
        if token_lm.as_ref().is_some_and(|lm| lm.memory().is_ok()) {
            return Err(Error::model(&bundle.path(TOKEN_LM_ROLE)?, "expected a language model, found a decoder"));
        }
        let (first, second) = passes(bundle, &tokenizer, decoding)?;
        let (name, encoder) = (card.name.clone(), Arc::new(encoder));
        encoder.stream()?.warm_up()?;
        let shared = Shared { name, encoder, decoder, token_lm, memory, tokenizer, first, second, path };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The same nets, not opened again, with another way to decode. `bundle` is the one that they were opened from.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn with_decoding(&self, bundle: &Bundle, decoding: &Decoding) -> Result<Self> {
        let (first, second) = passes(bundle, &self.shared.tokenizer, decoding)?;
        let shared = Shared { first, second, ..self.shared.as_ref().clone() };
        Ok(Self { shared: Arc::new(shared) })
    }
}

/// The searches that are asked for, else the card's. The n-gram model has its say in both, in the first pass also where
/// that follows one text only.
fn passes(bundle: &Bundle, tokenizer: &Arc<Tokenizer>, wish: &Decoding) -> Result<(Arc<CtcDecoder>, AttentionConfig)> {
    let path = bundle.path(MODEL_ROLE)?;
    let broken = |e: Error| Error::model(&path, e.to_string());
    let params: AttentionParams = bundle.card().params(&path)?;
    let search = CtcConfig { blank: BOUNDARY, ..wish.search.clone().unwrap_or(params.search) };
    let decoder = CtcDecoder::new(search, tokenizer.clone()).map_err(broken)?;
    let decoder = match wish.lm && bundle.has(LM_ROLE) {
        true => decoder.with_lm(Arc::new(Ngram::read(bundle.path(LM_ROLE)?)?), params.lm_unit),
        false => decoder,
    };
    let mut second = wish.attention.clone().unwrap_or(params.attention);
    second.check().map_err(broken)?;
    if !wish.lm {
        second.lm_weight = 0.0;
    }
    Ok((Arc::new(decoder.with_hotwords(&wish.hotwords)?), second))
}

impl Shared {
    fn nets(&self) -> Result<Nets> {
        let token_lm = self.token_lm.as_ref().filter(|_| self.second.lm_weight != 0.0);
        Ok(Nets { decoder: self.decoder.net()?, token_lm: token_lm.map(StepModel::net).transpose()? })
    }

    /// What the joint search makes of an utterance; what CTC has found where there is nothing to search: a decoder makes
    /// words of silence too.
    fn second_pass(&self, first: Hypothesis, heard: &Heard, nets: &mut Nets) -> Result<Hypothesis> {
        let frames = heard.log_probs.len() / self.tokenizer.len();
        if self.second.beam == 0 || heard.frames > frames || first.tokens.is_empty() {
            return Ok(first);
        }
        let ctc = CtcPrefixScorer::new(&heard.log_probs, self.tokenizer.len())?;
        let fusion = FusionScorer::new(self.first.clone());
        let mut scorers = vec![
            Weighted { scorer: Box::new(fusion), weight: self.second.fusion_weight, full: false },
            Weighted { scorer: Box::new(ctc), weight: self.second.ctc_weight, full: false },
        ];
        if let Some(lm) = &mut nets.token_lm {
            let scorer = Box::new(NetScorer::new(lm, self.second.lm_temperature));
            scorers.push(Weighted { scorer, weight: self.second.lm_weight, full: true });
        }
        nets.decoder.listen(&heard.memory)?;
        let readings = search(&self.second, frames, &mut nets.decoder, &mut scorers)?;
        let Some(Reading { tokens, score }) = readings.into_iter().next() else { return Ok(first) };
        let tokens = align(&heard.log_probs, self.tokenizer.len(), BOUNDARY, &tokens);
        Ok(Hypothesis { log_prob: tokens.iter().map(|token| f64::from(token.log_prob)).sum(), tokens, score })
    }

    fn transcript(&self, hypothesis: &Hypothesis) -> Transcript {
        let clock = FrameClock { frame_samples: self.encoder.frame_samples(), rate: self.encoder.rate() };
        transcript(hypothesis.words(&self.tokenizer), clock, self.first.word_model())
    }
}

impl Recognizer for ConformerAttention {
    fn name(&self) -> &str {
        &self.shared.name
    }

    fn stream(&self) -> Result<Box<dyn RecognizerStream>> {
        let shared = self.shared.clone();
        let (encoder, search, nets) = (shared.encoder.stream()?, shared.first.stream(), shared.nets()?);
        Ok(Box::new(ChunkedStream::new(encoder, TwoPasses { search, nets, heard: Heard::default(), shared })))
    }
}

struct Nets {
    decoder: EngineNet,
    token_lm: Option<EngineNet>,
}

/// What the second pass needs of an utterance; no more than its longest.
#[derive(Default)]
struct Heard {
    /// CTC's, (frames, vocabulary) row by row.
    log_probs: Vec<f32>,
    /// (frames, width) row by row.
    memory: Vec<f32>,
    /// All frames.
    frames: usize,
}

struct TwoPasses {
    shared: Arc<Shared>,
    search: CtcStream,
    nets: Nets,
    heard: Heard,
}

/// The first pass, and how much of the utterance is kept for the second: values of `log_probs`, values of `memory`, and
/// frames.
struct FirstPass {
    search: CtcStream,
    lengths: [usize; 3],
}

impl ChunkSearch for TwoPasses {
    type State = FirstPass;

    fn push(&mut self, heads: Vec<Tensor>) -> Result<bool> {
        let (shared, heard) = (&self.shared, &mut self.heard);
        let (frames, mut heads) = (shared.encoder.frames(), heads.into_iter());
        let log_probs = leading(heads.next(), LOG_PROBS_OUTPUT, frames, shared.tokenizer.len(), &shared.path)?;
        let memory = leading(heads.next(), MEMORY_OUTPUT, frames, shared.memory, &shared.path)?;
        heard.frames += frames;
        if heard.frames <= shared.second.max_frames {
            heard.log_probs.extend_from_slice(&log_probs);
            heard.memory.extend(memory);
        }
        self.search.push(&log_probs)
    }

    fn partial(&self) -> Transcript {
        self.shared.transcript(&self.search.partial())
    }

    fn finish(&mut self) -> Result<Transcript> {
        let found = self.shared.second_pass(self.search.finish(), &self.heard, &mut self.nets)?;
        Ok(self.shared.transcript(&found))
    }

    fn save(&self) -> FirstPass {
        let Heard { log_probs, memory, frames } = &self.heard;
        FirstPass { search: self.search.clone(), lengths: [log_probs.len(), memory.len(), *frames] }
    }

    fn restore(&mut self, FirstPass { search, lengths: [log_probs, memory, frames] }: FirstPass) {
        self.search = search;
        self.heard.log_probs.truncate(log_probs);
        self.heard.memory.truncate(memory);
        self.heard.frames = frames;
    }

    fn reset(&mut self) {
        self.search.reset();
        self.heard = Heard::default();
    }
}
