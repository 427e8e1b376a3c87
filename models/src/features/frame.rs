//! Which samples make a frame, and what a frame becomes: one function for clips and streams.

use std::f64::consts::PI;
use std::sync::Arc;

use super::filters::Filters;
use crate::fourier::{Complex32, RealToComplex, forward};
use crate::{Error, Result};

/// What stands beyond the ends of the clip.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edge {
    /// Zeros.
    Zero,
    /// The clip mirrored between samples, the last one repeated (kaldi).
    Mirror,
    /// The clip mirrored at the last sample, which is not repeated (numpy's `reflect`).
    Reflect,
}

/// How many frames a clip has.
#[derive(Clone, Copy, Debug)]
pub(super) enum Count {
    /// As many as lie within the clip.
    Whole,
    /// The length over the hop, rounded.
    Rounded,
    /// The length over the hop, rounded down.
    Floor,
    /// One more than `Floor`.
    FloorPlusOne,
    /// The length over the hop, rounded up.
    Ceil,
}

/// Where frames lie. Frame `f` begins at `origin + f * hop`.
#[derive(Clone, Debug)]
pub(super) struct Framing {
    pub(super) length: usize,
    pub(super) hop: usize,
    pub(super) origin: i64,
    pub(super) edge: Edge,
    pub(super) count: Count,
}

impl Framing {
    /// The frames of a clip of `samples` samples.
    pub(super) fn frames(&self, samples: usize) -> usize {
        match self.count {
            _ if samples == 0 => 0,
            Count::Whole if samples < self.length => 0,
            Count::Whole => (samples - self.length) / self.hop + 1,
            Count::Rounded => (samples + self.hop / 2) / self.hop,
            Count::Floor => samples / self.hop,
            Count::FloorPlusOne => samples / self.hop + 1,
            Count::Ceil => samples.div_ceil(self.hop),
        }
    }

    /// The frames of which every sample is there when `samples` have come in and more may follow.
    pub(super) fn complete(&self, samples: usize) -> usize {
        let reach = samples as i64 - self.origin - self.length as i64;
        if reach < 0 { 0 } else { reach as usize / self.hop + 1 }
    }

    /// The first sample of the clip that frame `f`, or a later one that is mirrored at the end, can need.
    pub(super) fn oldest(&self, frame: usize) -> usize {
        let start = self.origin + (frame * self.hop) as i64;
        // At the end a frame looks back over its own mirror image: at most its length before its start.
        (start - self.length as i64).max(0) as usize
    }

    /// Copies frame `f` of a clip of `total` samples, of which those from `base` on are in `kept`.
    pub(super) fn copy(&self, frame: usize, kept: &[f32], base: usize, total: usize, out: &mut [f32]) {
        let start = self.origin + (frame * self.hop) as i64;
        if start >= 0 && start as usize + self.length <= total {
            let from = start as usize - base;
            out.copy_from_slice(&kept[from..from + self.length]);
            return;
        }
        for (at, sample) in out.iter_mut().enumerate() {
            *sample = self.inside(start + at as i64, total as i64).map_or(0.0, |position| kept[position - base]);
        }
    }

    /// The sample of the clip that stands for one at `position`, which may be beyond the ends.
    fn inside(&self, position: i64, total: i64) -> Option<usize> {
        let folded = match self.edge {
            Edge::Zero => return usize::try_from(position).ok().filter(|&position| (position as i64) < total),
            Edge::Mirror => {
                let folded = position.rem_euclid(2 * total);
                if folded < total { folded } else { 2 * total - 1 - folded }
            }
            Edge::Reflect if total == 1 => 0,
            Edge::Reflect => {
                let folded = position.rem_euclid(2 * (total - 1));
                if folded < total { folded } else { 2 * (total - 1) - folded }
            }
        };
        Some(folded as usize)
    }
}

/// Window functions. All but Povey are periodic, as in torch.
#[derive(Clone, Copy, Debug)]
pub(super) enum Window {
    /// Hann's to the power of 0.85 (kaldi).
    Povey,
    /// 0.54 - 0.46 cos.
    Hamming,
    /// 0.5 - 0.5 cos.
    Hann,
}

impl Window {
    fn samples(self, length: usize) -> Vec<f32> {
        let period = match self {
            Self::Povey => length.saturating_sub(1).max(1),
            _ => length,
        };
        let value = |at: usize| {
            let cosine = (2.0 * PI * at as f64 / period as f64).cos();
            match self {
                Self::Povey => (0.5 - 0.5 * cosine).powf(0.85),
                Self::Hamming => 0.54 - 0.46 * cosine,
                Self::Hann => 0.5 - 0.5 * cosine,
            }
        };
        (0..length).map(|at| value(at) as f32).collect()
    }
}

/// What becomes of the energies.
#[derive(Clone, Copy, Debug)]
pub(super) enum Log {
    /// The natural logarithm of what is at least `floor`.
    Natural { floor: f32 },
    /// Ten times the logarithm to base 10 of what is at least `floor`.
    Decibel { floor: f32 },
    /// `(log10(max(x, 1e-10)) + 4) / 4` (`whisper/audio.py`).
    Whisper,
}

impl Log {
    pub(super) fn apply(self, energy: f32) -> f32 {
        match self {
            Self::Natural { floor } => energy.max(floor).ln(),
            Self::Decibel { floor } => 10.0 * energy.max(floor).log10(),
            Self::Whisper => (energy.max(1e-10).log10() + 4.0) / 4.0,
        }
    }

    /// What a difference of one decibel is on this scale.
    pub(super) fn per_db(self) -> f32 {
        match self {
            Self::Natural { .. } => std::f32::consts::LN_10 / 10.0,
            Self::Decibel { .. } => 1.0,
            Self::Whisper => 0.1 / 4.0,
        }
    }
}

/// All choices of a filterbank.
pub(super) struct Recipe {
    pub(super) framing: Framing,
    pub(super) n_fft: usize,
    pub(super) remove_mean: bool,
    pub(super) pre_emphasis: f32,
    pub(super) window: Window,
    pub(super) magnitude: bool,
    pub(super) filters: Filters,
    pub(super) log: Log,
}

/// A recipe with its tables: immutable and shared.
pub(super) struct Plan {
    pub(super) recipe: Recipe,
    window: Vec<f32>,
    fourier: Arc<dyn RealToComplex<f32>>,
}

/// Memory for the computation of one frame at a time.
#[derive(Clone)]
pub(super) struct Scratch {
    frame: Vec<f32>,
    spectrum: Vec<Complex32>,
    power: Vec<f32>,
    fourier: Vec<Complex32>,
}

impl Plan {
    pub(super) fn new(recipe: Recipe) -> Self {
        let window = recipe.window.samples(recipe.framing.length);
        let fourier = forward(recipe.n_fft);
        Self { recipe, window, fourier }
    }

    pub(super) fn scratch(&self) -> Scratch {
        Scratch {
            frame: self.fourier.make_input_vec(),
            spectrum: self.fourier.make_output_vec(),
            power: vec![0.0; self.recipe.n_fft / 2 + 1],
            fourier: self.fourier.make_scratch_vec(),
        }
    }

    /// Appends the features of frame `f` of a clip of `total` samples, of which those from `base` on are in `kept`.
    pub(super) fn frame(
        &self,
        frame: usize,
        (kept, base, total): (&[f32], usize, usize),
        scratch: &mut Scratch,
        out: &mut Vec<f32>,
    ) -> Result<()> {
        let length = self.recipe.framing.length;
        self.recipe.framing.copy(frame, kept, base, total, &mut scratch.frame[..length]);
        scratch.frame[length..].fill(0.0);
        self.shape(&mut scratch.frame[..length]);
        self.fourier
            .process_with_scratch(&mut scratch.frame, &mut scratch.spectrum, &mut scratch.fourier)
            .map_err(|error| Error::engine("realfft", error))?;
        for (power, bin) in scratch.power.iter_mut().zip(&scratch.spectrum) {
            *power = if self.recipe.magnitude { bin.norm_sqr().sqrt() } else { bin.norm_sqr() };
        }
        let first = out.len();
        self.recipe.filters.apply(&scratch.power, out);
        out[first..].iter_mut().for_each(|energy| *energy = self.recipe.log.apply(*energy));
        Ok(())
    }

    /// Mean, pre-emphasis, window.
    fn shape(&self, frame: &mut [f32]) {
        if self.recipe.remove_mean {
            let mean = frame.iter().sum::<f32>() / frame.len() as f32;
            frame.iter_mut().for_each(|sample| *sample -= mean);
        }
        if self.recipe.pre_emphasis != 0.0 {
            for at in (1..frame.len()).rev() {
                frame[at] -= self.recipe.pre_emphasis * frame[at - 1];
            }
            frame[0] -= self.recipe.pre_emphasis * frame[0];
        }
        frame.iter_mut().zip(&self.window).for_each(|(sample, weight)| *sample *= weight);
    }
}
