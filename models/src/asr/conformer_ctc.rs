//! Our streaming Conformer with a CTC head.
//!
//! The ONNX file takes `x` (1, left + chunk + right, bins) and the state tensors of the card, and gives `log_probs`
//! (1, chunk / subsampling, vocabulary) and the next states. Every size comes from the card. A file whose net knows
//! phones gives `phones` as well, (1, frames, phones), with a whole number of frames for each of `log_probs`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::carry::{Carry, Contract, missing};
use super::chunker::{Chunk, Chunker};
use super::decoding::{Decoder, DecoderStream, Decoding, LogProbs};
use super::words::{FrameClock, transcript};
use super::{Recognizer, RecognizerStream, Transcript};
use crate::card::{Bundle, Chunking, MODEL_ROLE, Normalization, TOKENS_ROLE};
use crate::decode::ctc::CtcWord;
use crate::decode::lexicon::LexiconConfig;
use crate::features::{Fbank, FbankStream};
use crate::runtime::{ElementType, Model, Runtime, Session, Tensor};
use crate::streaming::Streaming;
use crate::text::Tokenizer;
use crate::units::{SampleRate, Samples};
use crate::{Error, Result};

/// The family's name in a card.
pub const FAMILY: &str = "conformer-ctc";

const FEATURES_INPUT: &str = "x";
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
    model: Arc<dyn Model>,
    fbank: Fbank,
    tokenizer: Arc<Tokenizer>,
    decoder: Decoder,
    /// Frames of phones in a chunk, and phones in a frame, where the net knows any.
    phones: Option<(usize, usize)>,
    chunking: Chunking,
    normalization: Option<Normalization>,
    contract: Arc<Contract>,
    path: PathBuf,
}

impl ConformerCtc {
    /// Opens a bundle and runs the net once, so that the first chunk of a stream is as fast as the others.
    ///
    /// # Errors
    /// [`Error::Model`] when card and file do not fit each other, naming the key or the tensor.
    pub fn open(bundle: &Bundle, runtime: &dyn Runtime, decoding: &Decoding) -> Result<Self> {
        let path = bundle.path(MODEL_ROLE)?;
        Self::of_model(bundle, runtime.open(&path)?, decoding)
    }

    /// As [`open`](Self::open), from a model that is open.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn of_model(bundle: &Bundle, model: Arc<dyn Model>, decoding: &Decoding) -> Result<Self> {
        let (card, path) = (bundle.card(), bundle.path(MODEL_ROLE)?);
        let fbank =
            Fbank::new(card.required_features(&path)?.clone()).map_err(|e| Error::model(&path, e.to_string()))?;
        let rate = card.required_sample_rate(&path)?;
        if rate != fbank.rate() {
            return Err(Error::model(
                &path,
                format!("the card says sample_rate {rate}, but its features take {}", fbank.rate()),
            ));
        }
        let tokenizer = Tokenizer::parse(&bundle.text(TOKENS_ROLE)?).map_err(|e| Error::model(&path, e.to_string()))?;
        let tokenizer = Arc::new(tokenizer);
        let decoder = Decoder::open(bundle, tokenizer.clone(), decoding)?;
        let chunking = card.required_chunking(&path)?.clone();
        let contract = Contract::of(&card.states, &chunking, model.as_ref(), &path)?;
        let shared = Shared {
            name: card.name.clone(),
            fbank,
            tokenizer,
            decoder,
            phones: phones(model.as_ref(), &chunking),
            chunking,
            normalization: card.normalization.clone(),
            contract,
            model,
            path,
        };
        shared.check_ports()?;
        let recognizer = Self { shared: Arc::new(shared) };
        recognizer.new_stream()?.warm_up()?;
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
        let mut stream = self.new_stream()?;
        stream.features.push(samples, &mut stream.frames)?;
        stream.features.flush(&mut stream.frames)?;
        stream.chunker.push(&stream.frames);
        let mut all = LogProbs::default();
        while let Some(chunk) = stream.chunker.next().or_else(|| stream.chunker.next_padded()) {
            all.append(stream.log_probs(chunk)?);
        }
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

    fn new_stream(&self) -> Result<ConformerStream> {
        let shared = self.shared.clone();
        let chunker = Chunker::new(shared.chunking.clone(), shared.normalization.clone(), shared.fbank.bins())
            .map_err(|e| Error::model(&shared.path, e.to_string()))?;
        Ok(ConformerStream {
            features: shared.fbank.stream()?,
            chunker,
            session: shared.model.session()?,
            carry: Carry::new(shared.contract.clone()),
            search: shared.decoder.stream(),
            frames: Vec::new(),
            shared,
        })
    }
}

impl Shared {
    fn check_ports(&self) -> Result<()> {
        let Chunking { left_frames, chunk_frames, right_frames, subsampling, .. } = self.chunking;
        let x = [1, left_frames + chunk_frames + right_frames, self.fbank.bins()];
        let log_probs = [1, chunk_frames / subsampling, self.tokenizer.len()];
        let input = self.model.input(FEATURES_INPUT).ok_or_else(|| missing(&self.path, "input", FEATURES_INPUT))?;
        let output =
            self.model.output(LOG_PROBS_OUTPUT).ok_or_else(|| missing(&self.path, "output", LOG_PROBS_OUTPUT))?;
        for (port, expected) in [(input, x), (output, log_probs)] {
            let fits = port.shape.len() == 3
                && port.shape.iter().zip(expected).all(|(have, want)| have.is_none_or(|n| n == want));
            if !fits || port.element != ElementType::F32 {
                let found =
                    port.shape.iter().map(|axis| axis.map_or("?".to_owned(), |n| n.to_string())).collect::<Vec<_>>();
                let reason = format!(
                    "`{}`: card and tokens ask for f32 of shape {expected:?}, the file has {} of shape [{}]",
                    port.name,
                    port.element,
                    found.join(", ")
                );
                return Err(Error::model(&self.path, reason));
            }
        }
        self.check_phones()
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
        let frames = self.chunking.chunk_frames / self.chunking.subsampling;
        let split = match (&self.decoder, self.phones) {
            (Decoder::Words(_), Some((phone_frames, _))) => phone_frames / frames.max(1),
            _ => 1,
        };
        let frame_samples = self.fbank.hop().0 * self.chunking.subsampling as u64 / split.max(1) as u64;
        FrameClock { frame_samples, rate: self.fbank.rate() }
    }
}

impl Recognizer for ConformerCtc {
    fn name(&self) -> &str {
        &self.shared.name
    }

    fn stream(&self) -> Result<Box<dyn RecognizerStream>> {
        Ok(Box::new(self.new_stream()?))
    }
}

struct ConformerStream {
    shared: Arc<Shared>,
    features: FbankStream,
    chunker: Chunker,
    session: Box<dyn Session>,
    carry: Carry,
    search: DecoderStream,
    /// Feature frames on their way to the chunker.
    frames: Vec<f32>,
}

impl ConformerStream {
    /// Runs the net on one piece and the decoder on what it gives. Returns whether the best hypothesis has changed.
    fn step(&mut self, chunk: Chunk) -> Result<bool> {
        let log_probs = self.log_probs(chunk)?;
        self.search.push(&log_probs)
    }

    /// What the net says of one piece, without the frames that only pad it.
    fn log_probs(&mut self, chunk: Chunk) -> Result<LogProbs> {
        let (vocab, frames) = (self.shared.tokenizer.len(), chunk.outputs);
        let mut outputs = self.run(chunk.frames)?.into_iter();
        let mut take = |name, frames, width| leading(outputs.next(), name, frames, width, &self.shared.path);
        let tokens = take(LOG_PROBS_OUTPUT, frames, vocab)?;
        let Chunking { chunk_frames, subsampling, .. } = self.shared.chunking;
        let phones = match self.shared.phones {
            Some((in_chunk, phones)) => take(PHONES_OUTPUT, frames * in_chunk * subsampling / chunk_frames, phones)?,
            None => Vec::new(),
        };
        Ok(LogProbs { tokens, phones })
    }

    /// The outputs that are no states.
    fn run(&mut self, frames: Vec<f32>) -> Result<Vec<Tensor>> {
        let x = Tensor::f32(&[1, self.chunker.piece_frames(), self.shared.fbank.bins()], frames)?;
        let heads = std::iter::once(LOG_PROBS_OUTPUT).chain(self.shared.phones.map(|_| PHONES_OUTPUT));
        let wanted: Vec<&str> = heads.chain(self.shared.contract.outputs()).collect();
        let session = &mut self.session;
        self.carry.step(|mut inputs| {
            inputs.push((FEATURES_INPUT, x));
            session.run(inputs, &wanted)
        })
    }

    /// Lets the engine plan for the shapes of this stream.
    fn warm_up(&mut self) -> Result<()> {
        let shared = self.shared.clone();
        let x = Tensor::zeros(ElementType::F32, &[1, self.chunker.piece_frames(), shared.fbank.bins()]);
        let contract = self.shared.contract.clone();
        self.carry.step(|mut inputs| {
            inputs.push((FEATURES_INPUT, x));
            shared.model.warm_up(inputs)?;
            Ok(contract.outputs().map(|_| Tensor::zeros(ElementType::F32, &[0])).collect())
        })?;
        self.carry.reset();
        Ok(())
    }

    fn take_frames(&mut self) -> Result<bool> {
        self.chunker.push(&self.frames);
        self.frames.clear();
        let mut changed = false;
        while let Some(chunk) = self.chunker.next() {
            changed |= self.step(chunk)?;
        }
        Ok(changed)
    }

    fn finish(&mut self) -> Result<Transcript> {
        self.features.flush(&mut self.frames)?;
        self.take_frames()?;
        while let Some(chunk) = self.chunker.next_padded() {
            self.step(chunk)?;
        }
        Ok(self.shared.transcript(self.search.finish(&self.shared.tokenizer)))
    }
}

/// Frames of phones in a chunk, and phones in a frame, where the net gives them in whole frames.
fn phones(model: &dyn Model, chunking: &Chunking) -> Option<(usize, usize)> {
    let frames = chunking.chunk_frames / chunking.subsampling.max(1);
    match model.output(PHONES_OUTPUT)?.shape.as_slice() {
        [_, Some(in_chunk), Some(phones)] if in_chunk.is_multiple_of(frames.max(1)) => Some((*in_chunk, *phones)),
        _ => None,
    }
}

/// The first frames of an output.
fn leading(output: Option<Tensor>, name: &str, frames: usize, width: usize, path: &Path) -> Result<Vec<f32>> {
    let output = output.ok_or_else(|| missing(path, "output", name))?.into_f32(name)?;
    let values = output.as_slice().and_then(|values| values.get(..frames * width));
    values.map(<[f32]>::to_vec).ok_or_else(|| {
        let expected = format!("at least {frames} frames of {width}");
        Error::invalid(format!("output `{name}`"), expected, format!("{:?}", output.shape()))
    })
}

impl RecognizerStream for ConformerStream {
    fn sample_rate(&self) -> SampleRate {
        self.shared.fbank.rate()
    }

    fn push(&mut self, samples: &[f32]) -> Result<bool> {
        self.features.push(samples, &mut self.frames)?;
        self.take_frames()
    }

    fn partial(&self) -> Transcript {
        self.shared.transcript(self.search.partial(&self.shared.tokenizer))
    }

    fn preview(&mut self) -> Result<Transcript> {
        let features = self.features.clone();
        let (chunker, carry, search) = (self.chunker.clone(), self.carry.clone(), self.search.clone());
        let transcript = self.finish();
        (self.features, self.chunker, self.carry, self.search) = (features, chunker, carry, search);
        self.frames.clear();
        transcript
    }

    fn flush(&mut self) -> Result<Transcript> {
        let transcript = self.finish();
        self.reset();
        transcript
    }

    fn reset(&mut self) {
        self.features.reset();
        self.chunker.reset();
        self.carry.reset();
        self.search.reset();
        self.frames.clear();
    }

    fn delay(&self) -> Samples {
        let Chunking { chunk_frames, right_frames, .. } = self.shared.chunking;
        let frames = (chunk_frames + right_frames) as u64 * self.shared.fbank.hop().0;
        Samples(self.features.delay() as u64 + frames).convert(self.shared.fbank.rate(), SampleRate::INTERNAL)
    }
}
