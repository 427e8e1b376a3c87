//! The streaming encoder of a recogniser: from audio to what its net gives for each chunk.
//!
//! The ONNX file takes `x` (1, left + chunk + right, bins) and the state tensors of the card, and gives (1, frames,
//! width) for each of its heads, and the next states. Every size comes from the card; those that follow from the latency
//! may be left open in the file, and are then the card's present ones.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::carry::{Carry, Contract, missing};
use super::chunker::Chunker;
use crate::card::{Chunking, MODEL_ROLE, ModelCard, Normalization, StateTensor};
use crate::features::{Fbank, FbankStream};
use crate::runtime::{ElementType, Model, Port, Session, Tensor};
use crate::streaming::Streaming;
use crate::units::{SampleRate, Samples};
use crate::{Error, Result};

const FEATURES_INPUT: &str = "x";

/// The net and all that comes before it: immutable and shared.
pub(super) struct Encoder {
    model: Arc<dyn Model>,
    fbank: Fbank,
    chunking: Chunking,
    normalization: Option<Normalization>,
    contract: Arc<Contract>,
    /// The outputs that are no states.
    heads: Vec<String>,
    path: PathBuf,
}

impl Encoder {
    /// An encoder of whose outputs `heads` are wanted. `path` stands in the errors.
    pub(super) fn new(card: &ModelCard, model: Arc<dyn Model>, path: &Path, heads: &[&str]) -> Result<Self> {
        let fbank = Fbank::new(card.required_features(path)?.clone()).map_err(|e| Error::model(path, e.to_string()))?;
        let rate = card.required_sample_rate(path)?;
        if rate != fbank.rate() {
            return Err(Error::model(
                path,
                format!("the card says sample_rate {rate}, but its features take {}", fbank.rate()),
            ));
        }
        let chunking = card.required_chunking(path)?.clone();
        let own = |state: &&StateTensor| state.file == MODEL_ROLE;
        let states: Vec<StateTensor> = card.states.iter().filter(own).cloned().collect();
        let contract = Contract::of(&states, &chunking, model.as_ref(), path)?;
        let heads = heads.iter().map(|head| (*head).to_owned()).collect();
        let normalization = card.normalization.clone();
        let encoder = Self { model, fbank, chunking, normalization, contract, heads, path: path.to_owned() };
        let x = [1, encoder.chunking.left_frames + encoder.new_frames(), encoder.fbank.bins()];
        let input = encoder.model.input(FEATURES_INPUT).ok_or_else(|| missing(path, "input", FEATURES_INPUT))?;
        check_port(input, &x, "card and tokens ask", path)?;
        Ok(encoder)
    }

    /// Checks that an output of the net is there, with this width for each frame of a chunk.
    pub(super) fn check_head(&self, name: &str, width: usize) -> Result<()> {
        let output = self.model.output(name).ok_or_else(|| missing(&self.path, "output", name))?;
        check_port(output, &[1, self.frames(), width], "card and tokens ask", &self.path)
    }

    fn new_frames(&self) -> usize {
        self.chunking.chunk_frames + self.chunking.right_frames
    }

    /// Frames that the net gives for a chunk.
    pub(super) fn frames(&self) -> usize {
        self.chunking.chunk_frames / self.chunking.subsampling
    }

    /// Samples from one of these frames to the next.
    pub(super) fn frame_samples(&self) -> u64 {
        self.fbank.hop().0 * self.chunking.subsampling as u64
    }

    pub(super) fn rate(&self) -> SampleRate {
        self.fbank.rate()
    }

    pub(super) fn stream(self: &Arc<Self>) -> Result<EncoderStream> {
        let chunker = Chunker::new(self.chunking.clone(), self.normalization.clone(), self.fbank.bins())
            .map_err(|e| Error::model(&self.path, e.to_string()))?;
        Ok(EncoderStream {
            features: self.fbank.stream()?,
            chunker,
            session: self.model.session()?,
            carry: Carry::new(self.contract.clone()),
            frames: Vec::new(),
            encoder: self.clone(),
        })
    }
}

/// An encoder's state for one stream of audio.
pub(super) struct EncoderStream {
    encoder: Arc<Encoder>,
    features: FbankStream,
    chunker: Chunker,
    session: Box<dyn Session>,
    carry: Carry,
    /// Feature frames on their way to the chunker.
    frames: Vec<f32>,
}

/// What a stream needs to go on from where it was.
pub(super) struct Saved(FbankStream, Chunker, Carry);

impl EncoderStream {
    /// Takes samples, and hands what the net gives for each chunk that they complete to `take`, head by head.
    pub(super) fn push(&mut self, samples: &[f32], take: impl FnMut(Vec<Tensor>) -> Result<()>) -> Result<()> {
        self.features.push(samples, &mut self.frames)?;
        self.take_frames(take)
    }

    /// Ends the samples: as [`push`](Self::push), for the chunks that are left.
    pub(super) fn finish(&mut self, mut take: impl FnMut(Vec<Tensor>) -> Result<()>) -> Result<()> {
        self.features.flush(&mut self.frames)?;
        self.take_frames(&mut take)?;
        while let Some(chunk) = self.chunker.next_padded() {
            take(self.run(chunk)?)?;
        }
        Ok(())
    }

    fn take_frames(&mut self, mut take: impl FnMut(Vec<Tensor>) -> Result<()>) -> Result<()> {
        self.chunker.push(&self.frames);
        self.frames.clear();
        while let Some(chunk) = self.chunker.next() {
            take(self.run(chunk)?)?;
        }
        Ok(())
    }

    fn run(&mut self, chunk: Vec<f32>) -> Result<Vec<Tensor>> {
        let x = Tensor::f32(&[1, self.chunker.piece_frames(), self.encoder.fbank.bins()], chunk)?;
        let heads = self.encoder.heads.iter().map(String::as_str);
        let wanted: Vec<&str> = heads.chain(self.encoder.contract.outputs()).collect();
        let session = &mut self.session;
        self.carry.step(|mut inputs| {
            inputs.push((FEATURES_INPUT, x));
            session.run(inputs, &wanted)
        })
    }

    /// Lets the engine plan for the shapes of this stream.
    pub(super) fn warm_up(&mut self) -> Result<()> {
        let encoder = self.encoder.clone();
        let x = Tensor::zeros(ElementType::F32, &[1, self.chunker.piece_frames(), encoder.fbank.bins()]);
        self.carry.step(|mut inputs| {
            inputs.push((FEATURES_INPUT, x));
            encoder.model.warm_up(inputs)?;
            Ok(encoder.contract.outputs().map(|_| Tensor::zeros(ElementType::F32, &[0])).collect())
        })?;
        self.carry.reset();
        Ok(())
    }

    pub(super) fn save(&self) -> Saved {
        Saved(self.features.clone(), self.chunker.clone(), self.carry.clone())
    }

    pub(super) fn restore(&mut self, saved: Saved) {
        Saved(self.features, self.chunker, self.carry) = saved;
        self.frames.clear();
    }

    pub(super) fn reset(&mut self) {
        self.features.reset();
        self.chunker.reset();
        self.carry.reset();
        self.frames.clear();
    }

    pub(super) fn rate(&self) -> SampleRate {
        self.encoder.rate()
    }

    pub(super) fn delay(&self) -> Samples {
        let frames = self.encoder.new_frames() as u64 * self.encoder.fbank.hop().0;
        Samples(self.features.delay() as u64 + frames).convert(self.rate(), SampleRate::INTERNAL)
    }
}

/// Checks that a port has floats of this shape, where its sizes are fixed. `who` says who expects them.
pub(super) fn check_port(port: &Port, expected: &[usize], who: &str, path: &Path) -> Result<()> {
    let fits = port.shape.len() == expected.len()
        && port.shape.iter().zip(expected).all(|(have, want)| have.is_none_or(|n| n == *want));
    if fits && port.element == ElementType::F32 {
        return Ok(());
    }
    let found: Vec<_> = port.shape.iter().map(|axis| axis.map_or("?".to_owned(), |n| n.to_string())).collect();
    let (element, found) = (port.element, found.join(", "));
    let reason =
        format!("`{}`: {who} for f32 of shape {expected:?}, the file has {element} of shape [{found}]", port.name);
    Err(Error::model(path, reason))
}

/// The first frames of an output of the encoder.
pub(super) fn leading(
    output: Option<Tensor>,
    name: &str,
    frames: usize,
    width: usize,
    path: &Path,
) -> Result<Vec<f32>> {
    let output = output.ok_or_else(|| missing(path, "output", name))?.into_f32(name)?;
    let values = output.as_slice().and_then(|values| values.get(..frames * width));
    values.map(<[f32]>::to_vec).ok_or_else(|| {
        let expected = format!("at least {frames} frames of {width}");
        Error::invalid(format!("output `{name}`"), expected, format!("{:?}", output.shape()))
    })
}
