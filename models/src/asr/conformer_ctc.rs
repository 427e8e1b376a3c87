//! Our streaming Conformer with a CTC head.
//!
//! The ONNX file takes `x` (1, left + chunk + right, bins) and the state tensors of the card, and gives `log_probs`
//! (1, chunk / subsampling, vocabulary) and the next states. Every size comes from the card.

use std::path::PathBuf;
use std::sync::Arc;

use super::carry::{Carry, Contract, missing};
use super::chunker::{Chunk, Chunker};
use super::decoding::{Decoding, ctc_decoder};
use super::words::{FrameClock, transcript};
use super::{Recognizer, RecognizerStream, Transcript};
use crate::card::{Bundle, Chunking, MODEL_ROLE, Normalization, TOKENS_ROLE};
use crate::decode::ctc::{CtcDecoder, CtcStream};
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
    decoder: Arc<CtcDecoder>,
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
        let decoder = ctc_decoder(bundle, tokenizer.clone(), decoding)?;
        let chunking = card.required_chunking(&path)?.clone();
        let contract = Contract::of(&card.states, &chunking, model.as_ref(), &path)?;
        let shared = Shared {
            name: card.name.clone(),
            model,
            fbank,
            tokenizer,
            decoder,
            chunking,
            normalization: card.normalization.clone(),
            contract,
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
        let decoder = ctc_decoder(bundle, self.shared.tokenizer.clone(), decoding)?;
        Ok(Self { shared: Arc::new(Shared { decoder, ..self.shared.as_ref().clone() }) })
    }

    /// What the net says of a whole clip: natural log probabilities, (frames, tokens) row by row.
    ///
    /// # Errors
    /// As [`RecognizerStream::push`].
    pub fn log_probs(&self, samples: &[f32]) -> Result<Vec<f32>> {
        let mut stream = self.new_stream()?;
        stream.features.push(samples, &mut stream.frames)?;
        stream.features.flush(&mut stream.frames)?;
        stream.chunker.push(&stream.frames);
        let mut all = Vec::new();
        while let Some(chunk) = stream.chunker.next().or_else(|| stream.chunker.next_padded()) {
            all.extend(stream.log_probs(chunk)?);
        }
        Ok(all)
    }

    /// The transcript of a clip whose [`log_probs`](Self::log_probs) are given.
    ///
    /// # Errors
    /// [`Error::Invalid`] when they are none.
    pub fn decode(&self, log_probs: &[f32]) -> Result<Transcript> {
        let hypothesis = self.shared.decoder.decode(log_probs)?;
        Ok(transcript(&self.shared.tokenizer, &hypothesis, self.shared.clock()))
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
        Ok(())
    }

    fn clock(&self) -> FrameClock {
        let frame_samples = self.fbank.hop().0 * self.chunking.subsampling as u64;
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
    search: CtcStream,
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
    fn log_probs(&mut self, chunk: Chunk) -> Result<Vec<f32>> {
        let vocab = self.shared.tokenizer.len();
        let log_probs = self.run(chunk.frames)?;
        let values = log_probs.as_slice().and_then(|values| values.get(..chunk.outputs * vocab));
        values.map(<[f32]>::to_vec).ok_or_else(|| {
            let expected = format!("at least {} frames of {vocab}", chunk.outputs);
            Error::invalid(format!("output `{LOG_PROBS_OUTPUT}`"), expected, format!("{:?}", log_probs.shape()))
        })
    }

    fn run(&mut self, frames: Vec<f32>) -> Result<ndarray::ArrayD<f32>> {
        let x = Tensor::f32(&[1, self.chunker.piece_frames(), self.shared.fbank.bins()], frames)?;
        let wanted: Vec<&str> = std::iter::once(LOG_PROBS_OUTPUT).chain(self.shared.contract.outputs()).collect();
        let session = &mut self.session;
        let own = self.carry.step(|mut inputs| {
            inputs.push((FEATURES_INPUT, x));
            session.run(inputs, &wanted)
        })?;
        let log_probs = own.into_iter().next();
        log_probs.ok_or_else(|| missing(&self.shared.path, "output", LOG_PROBS_OUTPUT))?.into_f32(LOG_PROBS_OUTPUT)
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
        Ok(transcript(&self.shared.tokenizer, &self.search.finish(), self.shared.clock()))
    }
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
        transcript(&self.shared.tokenizer, &self.search.partial(), self.shared.clock())
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
