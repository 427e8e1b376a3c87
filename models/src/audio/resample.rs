//! The only user of rubato.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler};

use crate::streaming::Streaming;
use crate::units::{SampleRate, Samples};
use crate::{Error, Result};

/// The length of a block of the overlapping Fourier transforms. Half of it is the filter's delay.
const BLOCK_MS: usize = 10;

/// Resamples a whole clip. The sound is not delayed, and the length is that of [`Samples::convert`].
///
/// # Errors
/// As [`StreamResampler::new`].
pub fn resample(samples: &[f32], from: SampleRate, to: SampleRate) -> Result<Vec<f32>> {
    let mut stream = StreamResampler::new(from, to)?;
    let length = Samples(samples.len() as u64).convert(from, to);
    let mut out = Vec::with_capacity(length.0 as usize + 1);
    stream.push(samples, &mut out)?;
    stream.flush(&mut out)?;
    Ok(out)
}

/// Resamples a stream by overlapping Fourier transforms. The start-up delay of the filter is cut off, so that the
/// sample at `t` seconds of the output is the sound at `t` seconds of the input.
pub struct StreamResampler {
    from: SampleRate,
    to: SampleRate,
    /// None where the rates are equal.
    inner: Option<Fft<f32>>,
    pending: Vec<f32>,
    block: Vec<f32>,
    /// Output samples of the start-up delay that are still to be dropped.
    skip: usize,
    received: u64,
    produced: u64,
}

impl StreamResampler {
    /// A resampler between two fixed rates.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a rate outside 1 Hz to 1 MHz.
    pub fn new(from: SampleRate, to: SampleRate) -> Result<Self> {
        for rate in [from, to] {
            if !(1..=1_000_000).contains(&rate.get()) {
                return Err(Error::invalid("sample rate", "1 to 1000000 Hz", rate));
            }
        }
        let inner = if from == to { None } else { Some(fourier(from, to)?) };
        let block = vec![0.0; inner.as_ref().map_or(0, |inner| inner.output_frames_max())];
        let mut stream = Self { from, to, inner, pending: Vec::new(), block, skip: 0, received: 0, produced: 0 };
        stream.reset();
        Ok(stream)
    }

    /// The rate of the input.
    pub fn from(&self) -> SampleRate {
        self.from
    }

    /// The rate of the output.
    pub fn to(&self) -> SampleRate {
        self.to
    }

    /// Runs one block over the first `valid` samples of `input`, with silence after them.
    fn block(&mut self, input: &[f32], valid: Option<usize>, out: &mut Vec<f32>) -> Result<()> {
        let Some(inner) = &mut self.inner else { return Ok(()) };
        let engine = |reason: &dyn std::fmt::Display| Error::engine("rubato", reason);
        let source = InterleavedSlice::new(input, 1, input.len()).map_err(|error| engine(&error))?;
        let capacity = self.block.len();
        let mut target = InterleavedSlice::new_mut(&mut self.block, 1, capacity).map_err(|error| engine(&error))?;
        let indexing = valid.map(|valid| Indexing::new().partial_len(valid));
        let (_, made) =
            inner.process_into_buffer(&source, &mut target, indexing.as_ref()).map_err(|error| engine(&error))?;
        let skipped = self.skip.min(made);
        self.skip -= skipped;
        out.extend_from_slice(&self.block[skipped..made]);
        self.produced += (made - skipped) as u64;
        Ok(())
    }
}

fn fourier(from: SampleRate, to: SampleRate) -> Result<Fft<f32>> {
    let chunk = (from.get() as usize * BLOCK_MS).div_ceil(1000).max(1);
    Fft::new(from.get() as usize, to.get() as usize, chunk, 1, FixedSync::Both)
        .map_err(|error| Error::engine("rubato", error))
}

impl Streaming for StreamResampler {
    type Input = [f32];
    type Output = Vec<f32>;

    fn push(&mut self, input: &[f32], out: &mut Vec<f32>) -> Result<()> {
        let Some(inner) = &self.inner else {
            out.extend_from_slice(input);
            return Ok(());
        };
        let size = inner.input_frames_max();
        self.received += input.len() as u64;
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(input);
        let whole = pending.len() / size * size;
        for block in pending[..whole].chunks_exact(size) {
            self.block(block, None, out)?;
        }
        pending.drain(..whole);
        self.pending = pending;
        Ok(())
    }

    fn flush(&mut self, out: &mut Vec<f32>) -> Result<()> {
        let total = Samples(self.received).convert(self.from, self.to).0;
        let mut last = std::mem::take(&mut self.pending);
        let mut valid = last.len();
        last.resize(self.inner.as_ref().map_or(0, |inner| inner.input_frames_max()), 0.0);
        while self.inner.is_some() && self.produced < total {
            self.block(&last, Some(valid), out)?;
            valid = 0;
        }
        let surplus = self.produced.saturating_sub(total) as usize;
        out.truncate(out.len() - surplus);
        self.reset();
        Ok(())
    }

    fn reset(&mut self) {
        self.pending.clear();
        self.received = 0;
        self.produced = 0;
        self.skip = 0;
        if let Some(inner) = &mut self.inner {
            inner.reset();
            self.skip = inner.output_delay();
        }
    }

    fn delay(&self) -> usize {
        self.inner.as_ref().map_or(0, |inner| inner.input_frames_max() + inner.fft_size_in() / 2)
    }
}
