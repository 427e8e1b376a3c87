//! Mel filters, kept as the short runs that are not zero.

use crate::units::SampleRate;

/// A matrix (bin, frequency) of which each row is one run of weights.
pub(super) struct Filters {
    rows: Vec<(usize, Vec<f32>)>,
}

impl Filters {
    /// Keeps the run from the first to the last weight of each row that is not zero.
    fn new(rows: impl Iterator<Item = Vec<f64>>) -> Self {
        let sparse = |row: Vec<f64>| {
            let first = row.iter().position(|&weight| weight > 0.0).unwrap_or(0);
            let end = row.iter().rposition(|&weight| weight > 0.0).map_or(first, |last| last + 1);
            (first, row[first..end].iter().map(|&weight| weight as f32).collect())
        };
        Self { rows: rows.map(sparse).collect() }
    }

    pub(super) fn bins(&self) -> usize {
        self.rows.len()
    }

    /// Appends the energy of each bin.
    pub(super) fn apply(&self, spectrum: &[f32], out: &mut Vec<f32>) {
        out.extend(self.rows.iter().map(|(first, weights)| {
            spectrum[*first..*first + weights.len()].iter().zip(weights).map(|(power, weight)| power * weight).sum::<f32>()
        }));
    }
}

/// Kaldi's mel scale, `MelBanks::MelScale` of kaldi's `feat/mel-computations.h`; the same as HTK's.
fn mel(hz: f64) -> f64 {
    1127.0 * (1.0 + hz / 700.0).ln()
}

fn mel_to_hz(mel: f64) -> f64 {
    700.0 * ((mel / 1127.0).exp() - 1.0)
}

/// Kaldi's filters (`feat/mel-computations.cc`): triangles on the mel scale, without the frequency of half the rate.
pub(super) fn kaldi(bins: usize, n_fft: usize, rate: SampleRate, low_hz: f32, high_hz: f32) -> Filters {
    let (low, high) = (mel(f64::from(low_hz)), mel(f64::from(high_hz)));
    let step = (high - low) / (bins + 1) as f64;
    let width = f64::from(rate.get()) / n_fft as f64;
    Filters::new((0..bins).map(move |bin| {
        let (left, centre) = (low + bin as f64 * step, low + (bin + 1) as f64 * step);
        let right = centre + step;
        let weight = |at: usize| {
            let position = mel(width * at as f64);
            ((position - left) / (centre - left)).min((right - position) / (right - centre)).max(0.0)
        };
        (0..n_fft / 2).map(weight).collect()
    }))
}

/// SpeechBrain's filters (`Filterbank` of `processing/features.py`, "triangular"): symmetric in hertz, each as wide on
/// both sides as the distance to the centre below it.
pub(super) fn speechbrain(bins: usize, n_fft: usize, rate: SampleRate, low_hz: f32, high_hz: f32) -> Filters {
    let centre = edges(bins, mel(f64::from(low_hz)), mel(f64::from(high_hz)), mel_to_hz);
    let width = f64::from(rate.get() / 2) / (n_fft / 2) as f64;
    Filters::new((0..bins).map(move |bin| {
        let half = centre[bin + 1] - centre[bin];
        (0..=n_fft / 2).map(|at| (1.0 - (width * at as f64 - centre[bin + 1]).abs() / half).max(0.0)).collect()
    }))
}

/// Triangles in hertz between the points of Slaney's mel scale (`librosa.filters.mel`, `htk=False`), of equal area
/// where `equal_area`, else of height 1.
pub(super) fn slaney(
    bins: usize,
    n_fft: usize,
    rate: SampleRate,
    low_hz: f32,
    high_hz: f32,
    equal_area: bool,
) -> Filters {
    let edge = edges(bins, slaney_mel(f64::from(low_hz)), slaney_mel(f64::from(high_hz)), slaney_to_hz);
    triangles(edge, n_fft, rate, equal_area)
}

/// As [`slaney`], on HTK's mel scale (`librosa.filters.mel`, `htk=True`).
pub(super) fn htk(
    bins: usize,
    n_fft: usize,
    rate: SampleRate,
    low_hz: f32,
    high_hz: f32,
    equal_area: bool,
) -> Filters {
    let edge = edges(bins, mel(f64::from(low_hz)), mel(f64::from(high_hz)), mel_to_hz);
    triangles(edge, n_fft, rate, equal_area)
}

fn triangles(edge: Vec<f64>, n_fft: usize, rate: SampleRate, equal_area: bool) -> Filters {
    let width = f64::from(rate.get()) / n_fft as f64;
    Filters::new((0..edge.len() - 2).map(move |bin| {
        let (left, centre, right) = (edge[bin], edge[bin + 1], edge[bin + 2]);
        let height = if equal_area { 2.0 / (right - left) } else { 1.0 };
        let weight = |at: usize| {
            let hz = width * at as f64;
            height * ((hz - left) / (centre - left)).min((right - hz) / (right - centre)).max(0.0)
        };
        (0..=n_fft / 2).map(weight).collect()
    }))
}

/// `bins + 2` points, evenly spaced on a scale, in hertz.
fn edges(bins: usize, low: f64, high: f64, to_hz: impl Fn(f64) -> f64) -> Vec<f64> {
    (0..bins + 2).map(|at| to_hz(low + (high - low) * at as f64 / (bins + 1) as f64)).collect()
}

/// Slaney's scale (Auditory Toolbox, 1998): linear to 1 kHz, then logarithmic.
const LINEAR_HZ_PER_MEL: f64 = 200.0 / 3.0;
const KNEE_HZ: f64 = 1_000.0;
const KNEE_MEL: f64 = KNEE_HZ / LINEAR_HZ_PER_MEL;

fn log_step() -> f64 {
    6.4f64.ln() / 27.0
}

fn slaney_mel(hz: f64) -> f64 {
    if hz < KNEE_HZ { hz / LINEAR_HZ_PER_MEL } else { KNEE_MEL + (hz / KNEE_HZ).ln() / log_step() }
}

fn slaney_to_hz(mel: f64) -> f64 {
    if mel < KNEE_MEL { mel * LINEAR_HZ_PER_MEL } else { KNEE_HZ * ((mel - KNEE_MEL) * log_step()).exp() }
}
