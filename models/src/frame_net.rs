//! A net that says something of each frame of a stream: features in, a row of probabilities for each frame out, and
//! states that are carried from run to run. Every size comes from the card.

use std::path::PathBuf;
use std::sync::Arc;

use crate::asr::carry::{Carry, Contract, missing};
use crate::card::{Bundle, Chunking, MODEL_ROLE};
use crate::features::{Fbank, FbankStream};
use crate::runtime::{Model, Runtime, Session, Tensor};
use crate::streaming::Streaming;
use crate::units::{SampleRate, Samples};
use crate::{Error, Result};

/// The input: features, shape (1, chunk, bin).
pub(crate) const INPUT: &str = "x";
/// The output: probabilities, shape (1, chunk / subsampling, column).
pub(crate) const OUTPUT: &str = "probabilities";

/// The net of a bundle: immutable and shared.
#[derive(Clone)]
pub(crate) struct FrameNet {
    model: Arc<dyn Model>,
    fbank: Fbank,
    chunking: Chunking,
    contract: Arc<Contract>,
    columns: usize,
    path: PathBuf,
}

impl FrameNet {
    /// Opens a bundle whose net gives `columns` probabilities for each frame, and runs the net once.
    ///
    /// # Errors
    /// [`Error::Model`] when card and file do not fit each other, naming the key or the tensor.
    pub(crate) fn open(bundle: &Bundle, columns: usize, runtime: &dyn Runtime) -> Result<Self> {
        let (card, path) = (bundle.card(), bundle.path(MODEL_ROLE)?);
        let fbank =
            Fbank::new(card.required_features(&path)?.clone()).map_err(|e| Error::model(&path, e.to_string()))?;
        let rate = card.required_sample_rate(&path)?;
        if (rate, fbank.rate()) != (SampleRate::INTERNAL, SampleRate::INTERNAL) {
            let (expected, found) = (SampleRate::INTERNAL, fbank.rate());
            return Err(Error::model(&path, format!("expected sample rates of {expected}, found {rate} and {found}")));
        }
        let chunking = card.required_chunking(&path)?.clone();
        if chunking.left_frames + chunking.right_frames > 0 {
            let found = format!("{} and {}", chunking.left_frames, chunking.right_frames);
            return Err(Error::model(
                &path,
                format!("[chunking]: expected no frames on the left and right, found {found}"),
            ));
        }
        let model = runtime.open(&path)?;
        let contract = Contract::of(&card.states, &chunking, model.as_ref(), &path)?;
        let net = Self { model, fbank, chunking, contract, columns, path };
        net.check_ports()?;
        net.stream()?.warm_up()?;
        Ok(net)
    }

    fn check_ports(&self) -> Result<()> {
        let Chunking { chunk_frames, subsampling, .. } = self.chunking;
        let input = self.model.input(INPUT).ok_or_else(|| missing(&self.path, "input", INPUT))?;
        let output = self.model.output(OUTPUT).ok_or_else(|| missing(&self.path, "output", OUTPUT))?;
        let expected = [[1, chunk_frames, self.fbank.bins()], [1, chunk_frames / subsampling, self.columns]];
        for (port, expected) in [input, output].into_iter().zip(expected) {
            let fits = port.shape.len() == 3
                && port.shape.iter().zip(expected).all(|(have, want)| have.is_none_or(|have| have == want));
            if !fits {
                let reason = format!("`{}`: expected the shape {expected:?}, found {:?}", port.name, port.shape);
                return Err(Error::model(&self.path, reason));
            }
        }
        Ok(())
    }

    /// From one row of probabilities to the next.
    pub(crate) fn frame(&self) -> Samples {
        Samples(self.fbank.hop().0 * self.chunking.subsampling as u64)
    }

    /// The net for one stream.
    ///
    /// # Errors
    /// [`Error::Engine`] when the engine cannot make a session; [`Error::Invalid`] for features that no stream can have.
    pub(crate) fn stream(&self) -> Result<FrameStream> {
        Ok(FrameStream {
            features: self.fbank.stream()?,
            session: self.model.session()?,
            carry: Carry::new(self.contract.clone()),
            pending: Vec::new(),
            net: self.clone(),
        })
    }
}

/// One stream of mono sound at 16 kHz, to rows of probabilities.
pub(crate) struct FrameStream {
    net: FrameNet,
    features: FbankStream,
    session: Box<dyn Session>,
    carry: Carry,
    /// Features that do not fill a chunk yet.
    pending: Vec<f32>,
}

impl FrameStream {
    fn chunk_values(&self) -> usize {
        self.net.chunking.chunk_frames * self.net.fbank.bins()
    }

    fn warm_up(&mut self) -> Result<()> {
        self.run(vec![0.0; self.chunk_values()], &mut Vec::new())?;
        self.reset();
        Ok(())
    }

    fn run(&mut self, chunk: Vec<f32>, out: &mut Vec<f32>) -> Result<()> {
        let x = Tensor::f32(&[1, self.net.chunking.chunk_frames, self.net.fbank.bins()], chunk)?;
        let wanted: Vec<&str> = std::iter::once(OUTPUT).chain(self.net.contract.outputs()).collect();
        let session = &mut self.session;
        let outputs = self.carry.step(|mut inputs| {
            inputs.push((INPUT, x));
            session.run(inputs, &wanted)
        })?;
        let rows = outputs.into_iter().next().ok_or_else(|| missing(&self.net.path, "output", OUTPUT))?;
        out.extend(rows.into_f32(OUTPUT)?);
        Ok(())
    }
}

impl Streaming for FrameStream {
    type Input = [f32];
    type Output = Vec<f32>;

    fn push(&mut self, input: &[f32], out: &mut Vec<f32>) -> Result<()> {
        self.features.push(input, &mut self.pending)?;
        let size = self.chunk_values();
        while self.pending.len() >= size {
            let rest = self.pending.split_off(size);
            let chunk = std::mem::replace(&mut self.pending, rest);
            self.run(chunk, out)?;
        }
        Ok(())
    }

    fn flush(&mut self, out: &mut Vec<f32>) -> Result<()> {
        let mut last = Vec::new();
        self.features.flush(&mut last)?;
        self.pending.append(&mut last);
        self.push(&[], out)?;
        let Chunking { chunk_frames, subsampling, pad_value, .. } = self.net.chunking;
        let rows = self.pending.len() / self.net.fbank.bins() / subsampling;
        if rows > 0 {
            let mut chunk = std::mem::take(&mut self.pending);
            chunk.resize(self.chunk_values(), pad_value);
            let given = out.len();
            self.run(chunk, out)?;
            debug_assert_eq!(out.len() - given, chunk_frames / subsampling * self.net.columns);
            out.truncate(given + rows * self.net.columns);
        }
        self.reset();
        Ok(())
    }

    fn reset(&mut self) {
        self.features.reset();
        self.carry.reset();
        self.pending.clear();
    }

    fn delay(&self) -> usize {
        self.features.delay() + self.net.chunking.chunk_frames * self.net.fbank.hop().0 as usize - 1
    }
}
