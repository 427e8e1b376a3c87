//! Our streaming Conformer with a CTC head.
//!
//! The ONNX file takes `x` (1, left + chunk + right, bins) and the state tensors of the card, and gives `log_probs`
//! (1, chunk / subsampling, vocabulary) and the next states. Every size comes from the card. A file whose net knows
//! phones gives `phones` as well, (1, frames, phones), with a whole number of frames for each of `log_probs`. Ours give
//! `states` besides, what [`finality`](super::finality) learns from.

use std::path::PathBuf;
use std::sync::Arc;

use super::chunked_stream::{ChunkSearch, ChunkedStream};
use super::decoding::{CtcParams, Decoder, DecoderStream, Decoding, LogProbs};
use super::encoder::{Encoder, leading};
use super::finality::{Finality, FinalityStream, Recent, STATES};
use super::words::{FrameClock, transcript};
use super::{Recognizer, RecognizerStream, Transcript};
use crate::card::{Bundle, MODEL_ROLE, TOKENS_ROLE};
use crate::decode::ctc::CtcWord;
use crate::decode::lexicon::LexiconConfig;
use crate::runtime::{Model, Runtime, Tensor};
use crate::text::Tokenizer;
use crate::{Error, Result};

/// The family's name in a card.
pub const FAMILY: &str = "conformer-ctc";

const LOG_PROBS_OUTPUT: &str = "log_probs";
const PHONES_OUTPUT: &str = "phones";

/// A streaming Conformer-CTC: immutable and shared.
#[derive(Clone)]
pub struct ConformerCtc {
    shared: Arc<Shared>,
}

#[derive(Clone)]
struct Shared {
    name: String,
    encoder: Arc<Encoder>,
    tokenizer: Arc<Tokenizer>,
    decoder: Decoder,
    /// Frames of phones in a chunk, and phones in a frame, where the net knows any.
    phones: Option<(usize, usize)>,
    /// What tells whether somebody has said all, where the bundle has it.
    finality: Option<Arc<Finality>>,
    path: PathBuf,
}

impl ConformerCtc {
    /// Opens a bundle and runs the net once, so that the first chunk of a stream is as fast as the others.
    ///
    /// # Errors
    /// [`Error::Model`] when card and file do not fit each other, naming the key or the tensor.
    pub fn open(bundle: &Bundle, runtime: &dyn Runtime, decoding: &Decoding) -> Result<Self> {
        let path = bundle.path(MODEL_ROLE)?;
        Self::of_model(bundle, runtime.open(&path)?, runtime, decoding)
    }

    /// As [`open`](Self::open), from a model that is open.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn of_model(
        bundle: &Bundle,
        model: Arc<dyn Model>,
        runtime: &dyn Runtime,
        decoding: &Decoding,
    ) -> Result<Self> {
        let (card, path) = (bundle.card(), bundle.path(MODEL_ROLE)?);
        let phones = phone_frames(model.as_ref());
        let finality = Finality::open(bundle, model.as_ref(), runtime)?;
        let heads = [Some(LOG_PROBS_OUTPUT), phones.map(|_| PHONES_OUTPUT), finality.as_ref().map(|_| STATES)];
        let heads: Vec<&str> = heads.into_iter().flatten().collect();
        let params: CtcParams = card.params(&path)?;
        let encoder = Encoder::new(card, model, &path, &heads)?;
        let tokenizer = Tokenizer::parse(&bundle.text(TOKENS_ROLE)?).map_err(|e| Error::model(&path, e.to_string()))?;
        let tokenizer = Arc::new(tokenizer);
        let decoder = Decoder::open(bundle, tokenizer.clone(), decoding)?;
        encoder.check_head(LOG_PROBS_OUTPUT, tokenizer.len())?;
        let whole = |(in_chunk, _): &(usize, usize)| in_chunk.is_multiple_of(encoder.frames().max(1));
        let open = params.phone_frames * encoder.frames();
        let phones = phones.map(|(in_chunk, phones)| (in_chunk.unwrap_or(open), phones)).filter(whole);
        let (name, encoder, finality) = (card.name.clone(), Arc::new(encoder), finality.map(Arc::new));
        let shared = Shared { name, encoder, tokenizer, decoder, phones, finality, path };
        shared.check_phones()?;
        let recognizer = Self { shared: Arc::new(shared) };
        recognizer.shared.encoder.stream()?.warm_up()?;
        Ok(recognizer)
    }

    /// The same net, not opened again, with another way to decode. `bundle` is the one that it was opened from.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn with_decoding(&self, bundle: &Bundle, decoding: &Decoding) -> Result<Self> {
        self.with_decoder(Decoder::open(bundle, self.shared.tokenizer.clone(), decoding)?)
    }

    /// The same net, lexicon and language model with another search over words; none where it searches for tokens.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the config is out of range.
    pub fn with_lexicon(&self, config: LexiconConfig) -> Option<Result<Self>> {
        Some(self.shared.decoder.with_lexicon(config)?.and_then(|decoder| self.with_decoder(decoder)))
    }

    fn with_decoder(&self, decoder: Decoder) -> Result<Self> {
        let shared = Shared { decoder, ..self.shared.as_ref().clone() };
        shared.check_phones()?;
        Ok(Self { shared: Arc::new(shared) })
    }

    /// What the net says of a whole clip.
    ///
    /// # Errors
    /// As [`RecognizerStream::push`].
    pub fn log_probs(&self, samples: &[f32]) -> Result<LogProbs> {
        let mut stream = self.shared.encoder.stream()?;
        let mut all = LogProbs::default();
        let mut take = |outputs| self.shared.split(outputs).map(|(more, _)| all.append(more));
        stream.push(samples, &mut take)?;
        stream.finish(&mut take)?;
        Ok(all)
    }

    /// The transcript of a clip whose [`log_probs`](Self::log_probs) are given.
    ///
    /// # Errors
    /// [`Error::Invalid`] when they are none.
    pub fn decode(&self, log_probs: &LogProbs) -> Result<Transcript> {
        let mut stream = self.shared.decoder.stream();
        stream.push(log_probs)?;
        Ok(self.shared.transcript(stream.finish(&self.shared.tokenizer)))
    }
}

impl Shared {
    /// What the net says of one chunk, and its states, where they are asked for.
    fn split(&self, outputs: Vec<Tensor>) -> Result<(LogProbs, Option<Tensor>)> {
        let (frames, mut outputs) = (self.encoder.frames(), outputs.into_iter());
        let mut take = |name, frames, width| leading(outputs.next(), name, frames, width, &self.path);
        let tokens = take(LOG_PROBS_OUTPUT, frames, self.tokenizer.len())?;
        let phones = self.phones.map(|(frames, phones)| take(PHONES_OUTPUT, frames, phones));
        let log_probs = LogProbs { tokens, phones: phones.transpose()?.unwrap_or_default() };
        Ok((log_probs, outputs.next()))
    }

    /// A search over words needs phones from the net, as many as its list names.
    fn check_phones(&self) -> Result<()> {
        let (Some(wanted), found) = (self.decoder.phones(), self.phones) else { return Ok(()) };
        match found {
            Some((_, phones)) if phones == wanted => Ok(()),
            _ => {
                let found = found.map_or("no such output".to_owned(), |(_, phones)| format!("{phones} phones"));
                let reason =
                    format!("`{PHONES_OUTPUT}`: the phone list asks for {wanted} phones, the file has {found}");
                Err(Error::model(&self.path, reason))
            }
        }
    }

    fn transcript(&self, words: Vec<CtcWord>) -> Transcript {
        transcript(words, self.clock(), self.decoder.word_model())
    }

    fn clock(&self) -> FrameClock {
        let split = match (&self.decoder, self.phones) {
            (Decoder::Words(_), Some((phone_frames, _))) => phone_frames / self.encoder.frames().max(1),
            _ => 1,
        };
        let frame_samples = self.encoder.frame_samples() / split.max(1) as u64;
        FrameClock { frame_samples, rate: self.encoder.rate() }
    }
}

impl Recognizer for ConformerCtc {
    fn name(&self) -> &str {
        &self.shared.name
    }

    fn stream(&self) -> Result<Box<dyn RecognizerStream>> {
        let shared = self.shared.clone();
        let encoder = shared.encoder.stream()?;
        let finality = shared.finality.as_ref().map(|finality| finality.stream()).transpose()?;
        Ok(Box::new(ChunkedStream::new(encoder, CtcSearch { search: shared.decoder.stream(), finality, shared })))
    }
}

/// Frames of phones in a chunk, where the file fixes them, and phones in a frame, where the net gives any.
fn phone_frames(model: &dyn Model) -> Option<(Option<usize>, usize)> {
    match model.output(PHONES_OUTPUT)?.shape.as_slice() {
        [_, in_chunk, Some(phones)] => Some((*in_chunk, *phones)),
        _ => None,
    }
}

struct CtcSearch {
    shared: Arc<Shared>,
    search: DecoderStream,
    finality: Option<FinalityStream>,
}

impl ChunkSearch for CtcSearch {
    type State = (DecoderStream, Option<Recent>);

    fn push(&mut self, heads: Vec<Tensor>) -> Result<bool> {
        let (log_probs, states) = self.shared.split(heads)?;
        if let Some(FinalityStream { states: recent, .. }) = &mut self.finality {
            let frames = self.shared.encoder.frames();
            recent.push(&leading(states, STATES, frames, recent.width(), &self.shared.path)?);
        }
        self.search.push(&log_probs)
    }

    fn partial(&self) -> Transcript {
        self.shared.transcript(self.search.partial(&self.shared.tokenizer))
    }

    fn finish(&mut self) -> Result<Transcript> {
        let transcript = self.shared.transcript(self.search.finish(&self.shared.tokenizer));
        // A sign that fails must not cost the words.
        let finality = self.finality.as_mut().map(FinalityStream::log_odds).transpose().unwrap_or_else(|error| {
            tracing::warn!("{error}");
            None
        });
        Ok(Transcript { finality, ..transcript })
    }

    fn save(&self) -> Self::State {
        (self.search.clone(), self.finality.as_ref().map(|finality| finality.states.clone()))
    }

    fn restore(&mut self, (search, states): Self::State) {
        self.search = search;
        if let Some((finality, states)) = self.finality.as_mut().zip(states) {
            finality.states = states;
        }
    }

    fn reset(&mut self) {
        self.search.reset();
        if let Some(finality) = &mut self.finality {
            finality.states.reset();
        }
    }
}
