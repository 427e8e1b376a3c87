use std::sync::Arc;

use super::FbankConfig;
use super::frame::{Plan, Scratch};
use crate::streaming::Streaming;
use crate::units::{SampleRate, Samples};
use crate::{Error, Result};

/// A filterbank: immutable and shared. Each stream of audio has its own [`FbankStream`].
#[derive(Clone)]
pub struct Fbank {
    config: FbankConfig,
    plan: Arc<Plan>,
}

impl Fbank {
    /// A filterbank with its tables.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an impossible value, naming it.
    pub fn new(config: FbankConfig) -> Result<Self> {
        let plan = Arc::new(config.plan()?);
        Ok(Self { config, plan })
    }

    /// What is computed.
    pub fn config(&self) -> &FbankConfig {
        &self.config
    }

    /// The rate of the audio.
    pub fn rate(&self) -> SampleRate {
        self.config.rate
    }

    /// Values in a frame.
    pub fn bins(&self) -> usize {
        self.config.bins
    }

    /// Samples from one frame to the next.
    pub fn hop(&self) -> Samples {
        Samples(self.config.hop_samples() as u64)
    }

    /// The number of frames of a clip.
    pub fn frames(&self, samples: usize) -> usize {
        self.plan.recipe.framing.frames(samples)
    }

    /// The features of a whole clip of samples in [-1, 1].
    ///
    /// # Shapes
    /// (frame, bin), row after row: [`frames`](Self::frames) x [`bins`](Self::bins) values.
    ///
    /// # Errors
    /// [`Error::Engine`] when the Fourier transform fails.
    pub fn compute(&self, samples: &[f32]) -> Result<Vec<f32>> {
        let mut out = compute(&self.plan, samples)?;
        if self.config.range_db > 0.0 {
            let loudest = out.iter().fold(f32::NEG_INFINITY, |loudest, &value| loudest.max(value));
            let floor = loudest - self.config.range_db * self.plan.recipe.log.per_db();
            out.iter_mut().for_each(|value| *value = value.max(floor));
        }
        Ok(out)
    }

    /// The features of a stream, equal to those of the whole.
    ///
    /// # Errors
    /// [`Error::Invalid`] when `range_db` is not 0: a stream cannot know the maximum of the whole.
    pub fn stream(&self) -> Result<FbankStream> {
        if self.config.range_db > 0.0 {
            let found = format!("{} dB below the loudest of the whole clip", self.config.range_db);
            return Err(Error::invalid("range_db of a streaming filterbank", "0", found));
        }
        Ok(FbankStream::new(self.plan.clone()))
    }
}

/// All frames of a clip.
pub(super) fn compute(plan: &Plan, samples: &[f32]) -> Result<Vec<f32>> {
    let frames = plan.recipe.framing.frames(samples.len());
    let mut out = Vec::with_capacity(frames * plan.recipe.filters.bins());
    let mut scratch = plan.scratch();
    for frame in 0..frames {
        plan.frame(frame, (samples, 0, samples.len()), &mut scratch, &mut out)?;
    }
    Ok(out)
}

/// Features of one stream of audio. Output is (frame, bin), row after row; a frame comes out as soon as its last
/// sample is in, and those that reach beyond the end come with `flush`.
#[derive(Clone)]
pub struct FbankStream {
    plan: Arc<Plan>,
    scratch: Scratch,
    /// The samples from `base` on.
    kept: Vec<f32>,
    base: usize,
    next: usize,
}

impl FbankStream {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        Self { scratch: plan.scratch(), plan, kept: Vec::new(), base: 0, next: 0 }
    }

    /// Values in a frame.
    pub fn bins(&self) -> usize {
        self.plan.recipe.filters.bins()
    }

    fn emit(&mut self, until: usize, out: &mut Vec<f32>) -> Result<()> {
        let total = self.base + self.kept.len();
        while self.next < until {
            self.plan.frame(self.next, (&self.kept, self.base, total), &mut self.scratch, out)?;
            self.next += 1;
        }
        Ok(())
    }

    /// Forgets what no coming frame can need, in large pieces.
    fn forget(&mut self) {
        let framing = &self.plan.recipe.framing;
        let surplus = framing.oldest(self.next).min(self.base + self.kept.len()).saturating_sub(self.base);
        if surplus > 8 * framing.length {
            self.kept.drain(..surplus);
            self.base += surplus;
        }
    }
}

impl Streaming for FbankStream {
    type Input = [f32];
    type Output = Vec<f32>;

    fn push(&mut self, input: &[f32], out: &mut Vec<f32>) -> Result<()> {
        self.kept.extend_from_slice(input);
        let complete = self.plan.recipe.framing.complete(self.base + self.kept.len());
        self.emit(complete, out)?;
        self.forget();
        Ok(())
    }

    fn flush(&mut self, out: &mut Vec<f32>) -> Result<()> {
        let frames = self.plan.recipe.framing.frames(self.base + self.kept.len());
        self.emit(frames, out)?;
        self.reset();
        Ok(())
    }

    fn reset(&mut self) {
        self.kept.clear();
        self.base = 0;
        self.next = 0;
    }

    fn delay(&self) -> usize {
        let framing = &self.plan.recipe.framing;
        (framing.origin + framing.length as i64).max(0) as usize + framing.hop - 1
    }
}
