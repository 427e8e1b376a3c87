//! From frames of pitch and cepstra to sound: a source-filter synthesizer in the frequency domain.
//!
//! Each frame's sources are windowed, filtered by two minimum-phase filters given as cepstra (log H(w) = sum of
//! `c[n]` exp(-iwn) over n >= 0; Oppenheim and Schafer, "Discrete-Time Signal Processing", section 13.5), and overlap-added.
//! The training side rebuilds the same steps from [`SourceFilterConfig`] and [`sources`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::excitation::{Excitation, Pitch};
use crate::fourier::{Complex32, ComplexToReal, RealToComplex, forward, inverse};
use crate::{Error, Result};

/// Pitch may be as high as a quarter of the rate: below this, no voice fits.
const LOWEST_RATE_HZ: u32 = 1_000;

/// The geometry of the synthesizer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFilterConfig {
    /// Samples per second.
    pub rate_hz: u32,
    /// Samples from frame to frame; a frame's window is twice as long.
    pub hop: usize,
    /// The length of the transform: the window, and the room for the filters to ring. A multiple of `hop`.
    pub fft: usize,
    /// Cepstral coefficients of the filter on the pulses.
    pub harmonic_order: usize,
    /// Cepstral coefficients of the filter on the noise.
    pub noise_order: usize,
}

impl Default for SourceFilterConfig {
    fn default() -> Self {
        Self { rate_hz: 24_000, hop: 300, fft: 1200, harmonic_order: 120, noise_order: 80 }
    }
}

impl SourceFilterConfig {
    /// Bins of a frame's spectrum.
    pub fn bins(&self) -> usize {
        self.fft / 2 + 1
    }

    /// Numbers in a frame: both cepstra, the harmonic one first.
    pub fn width(&self) -> usize {
        self.harmonic_order + self.noise_order
    }

    /// The periodic Hann window of a frame, which adds up to 1 at steps of `hop`.
    pub fn window(&self) -> Vec<f32> {
        let length = 2 * self.hop;
        let angle = |i: usize| 2.0 * std::f64::consts::PI * i as f64 / length as f64;
        (0..length).map(|i| (0.5 - 0.5 * angle(i).cos()) as f32).collect()
    }

    pub(super) fn check(&self) -> Result<()> {
        let sound = self.rate_hz >= LOWEST_RATE_HZ
            && self.hop > 0
            && self.fft.is_multiple_of(self.hop)
            && self.fft.is_multiple_of(2)
            && self.fft >= 2 * self.hop
            && self.harmonic_order.max(self.noise_order) <= self.fft / 2
            && self.harmonic_order.min(self.noise_order) > 0;
        let expected = "an even fft that is a multiple of hop (2 at least), orders from 1 to fft / 2, and a rate of 1,000 Hz \
                        at least";
        if sound { Ok(()) } else { Err(Error::invalid("source-filter geometry", expected, format!("{self:?}"))) }
    }
}

/// The synthesizer of one utterance.
pub struct SourceFilter {
    config: SourceFilterConfig,
    excitation: Excitation,
    window: Vec<f32>,
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    pulses: Vec<f32>,
    noise: Vec<f32>,
    waiting: Option<Vec<f32>>,
    ringing: Vec<f32>,
    frames: usize,
}

impl SourceFilter {
    /// A synthesizer before its first frame.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a geometry that cannot be.
    pub fn new(config: &SourceFilterConfig) -> Result<Self> {
        config.check()?;
        Ok(Self {
            config: config.clone(),
            excitation: Excitation::new(config.rate_hz, config.hop),
            window: config.window(),
            forward: forward(config.fft),
            inverse: inverse(config.fft),
            pulses: vec![0.0; config.hop],
            noise: vec![0.0; config.hop],
            waiting: None,
            ringing: vec![0.0; config.fft],
            frames: 0,
        })
    }

    /// Takes the next frame (`cepstra`: both, [`SourceFilterConfig::width`] numbers) and appends the sound that is
    /// complete: `hop` samples a frame, two frames late.
    ///
    /// # Errors
    /// [`Error::Invalid`] when `cepstra` has the wrong length.
    pub fn push(&mut self, pitch: Pitch, cepstra: &[f32], out: &mut Vec<f32>) -> Result<()> {
        if cepstra.len() != self.config.width() {
            return Err(Error::invalid("cepstra", format!("{} numbers", self.config.width()), cepstra.len()));
        }
        self.excitation.push(pitch, &mut self.pulses, &mut self.noise);
        if let Some(waiting) = self.waiting.replace(cepstra.to_vec()) {
            self.frame(&waiting, out)?;
        }
        Ok(())
    }

    /// Ends the utterance: appends what was held back, so that `n` frames have given `n * hop` samples.
    ///
    /// # Errors
    /// None in practice: those of the transform.
    pub fn flush(&mut self, out: &mut Vec<f32>) -> Result<()> {
        if let Some(waiting) = self.waiting.take() {
            self.pulses.resize(2 * self.config.hop, 0.0);
            self.noise.resize(2 * self.config.hop, 0.0);
            self.frame(&waiting, out)?;
            out.extend_from_slice(&self.ringing[..self.config.hop]);
        }
        *self = Self::new(&self.config)?;
        Ok(())
    }

    fn frame(&mut self, cepstra: &[f32], out: &mut Vec<f32>) -> Result<()> {
        let hop = self.config.hop;
        let (harmonic, noise) = cepstra.split_at(self.config.harmonic_order);
        let mut sum = self.filtered(&self.pulses, harmonic)?;
        for (s, n) in sum.iter_mut().zip(self.filtered(&self.noise, noise)?) {
            *s += n;
        }
        self.real_ends(&mut sum);
        let mut sound = self.inverse.make_output_vec();
        self.inverse.process(&mut sum, &mut sound).map_err(|e| Error::engine("fft", e))?;
        let scale = 1.0 / self.config.fft as f32;
        for (r, s) in self.ringing.iter_mut().zip(sound) {
            *r += s * scale;
        }
        if self.frames > 0 {
            out.extend_from_slice(&self.ringing[..hop]);
        }
        self.ringing.drain(..hop);
        self.ringing.resize(self.config.fft, 0.0);
        self.pulses.drain(..hop);
        self.noise.drain(..hop);
        self.frames += 1;
        Ok(())
    }

    fn filtered(&self, source: &[f32], cepstrum: &[f32]) -> Result<Vec<Complex32>> {
        let mut padded = vec![0.0; self.config.fft];
        for (p, (s, w)) in padded.iter_mut().zip(source.iter().zip(&self.window)) {
            *p = s * w;
        }
        let mut spectrum = self.transform(&mut padded)?;
        padded.fill(0.0);
        padded[..cepstrum.len()].copy_from_slice(cepstrum);
        for (s, h) in spectrum.iter_mut().zip(self.transform(&mut padded)?) {
            *s *= h.exp();
        }
        Ok(spectrum)
    }

    fn transform(&self, samples: &mut [f32]) -> Result<Vec<Complex32>> {
        let mut spectrum = self.forward.make_output_vec();
        self.forward.process(samples, &mut spectrum).map_err(|e| Error::engine("fft", e))?;
        Ok(spectrum)
    }

    fn real_ends(&self, spectrum: &mut [Complex32]) {
        for at in [0, self.config.bins() - 1] {
            spectrum[at].im = 0.0;
        }
    }
}

/// The pulses and the noise of a whole utterance, `(frames + 1) * hop` samples each: frame `t` has its window over the
/// `2 * hop` samples from `t * hop` on. The seed chooses the noise.
pub fn sources(config: &SourceFilterConfig, pitch: &[Pitch], seed: u64) -> (Vec<f32>, Vec<f32>) {
    let mut excitation = Excitation::seeded(config.rate_hz, config.hop, seed);
    let (mut pulses, mut noise) = (vec![0.0; config.hop], vec![0.0; config.hop]);
    for &p in pitch {
        excitation.push(p, &mut pulses, &mut noise);
    }
    pulses.resize((pitch.len() + 1) * config.hop, 0.0);
    noise.resize((pitch.len() + 1) * config.hop, 0.0);
    (pulses, noise)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiny() -> SourceFilterConfig {
        SourceFilterConfig { rate_hz: 8000, hop: 40, fft: 160, harmonic_order: 5, noise_order: 3 }
    }

    fn run(config: &SourceFilterConfig, frames: &[(Pitch, Vec<f32>)]) -> Vec<f32> {
        let mut synthesizer = SourceFilter::new(config).unwrap();
        let mut out = Vec::new();
        for (pitch, cepstra) in frames {
            synthesizer.push(*pitch, cepstra, &mut out).unwrap();
        }
        synthesizer.flush(&mut out).unwrap();
        out
    }

    #[test]
    fn flat_filters_give_the_sources_back() {
        let config = tiny();
        let pitch = Pitch { hz: 125.0, voicing: 1.0 };
        let mut cepstra = vec![0.0; config.width()];
        cepstra[config.harmonic_order] = -30.0;
        let out = run(&config, &vec![(pitch, cepstra); 20]);
        assert_eq!(out.len(), 20 * config.hop);
        let mut source = Excitation::new(config.rate_hz, config.hop);
        let (mut pulses, mut noise) = (Vec::new(), Vec::new());
        for _ in 0..20 {
            source.push(pitch, &mut pulses, &mut noise);
        }
        for (i, (got, expected)) in out.iter().zip(&pulses).enumerate() {
            assert!((got - expected).abs() < 1e-4, "sample {i}: {got} and {expected}");
        }
    }

    #[test]
    fn a_cepstrum_of_one_delay_is_an_exponential_series() {
        let config = tiny();
        let mut cepstra = vec![0.0; config.width()];
        cepstra[0] = (2.0f32).ln();
        cepstra[1] = 0.5;
        cepstra[config.harmonic_order] = -30.0;
        let pitch = Pitch { hz: 125.0, voicing: 1.0 };
        let out = run(&config, &vec![(pitch, cepstra); 6]);
        let mut flat = vec![0.0; config.width()];
        flat[config.harmonic_order] = -30.0;
        let plain = run(&config, &vec![(pitch, flat); 6]);
        let taps = [1.0, 0.5, 0.125, 0.5f32.powi(3) / 6.0, 0.5f32.powi(4) / 24.0, 0.5f32.powi(5) / 120.0];
        for i in 10..150 {
            let expected: f32 = taps.iter().enumerate().map(|(k, t)| 2.0 * t * plain[i - k]).sum();
            assert!((out[i] - expected).abs() < 1e-3, "sample {i}: {} and {expected}", out[i]);
        }
    }

    #[test]
    fn wrong_widths_and_geometries_are_refused() {
        let mut synthesizer = SourceFilter::new(&tiny()).unwrap();
        let pitch = Pitch { hz: 125.0, voicing: 1.0 };
        assert!(synthesizer.push(pitch, &[0.0; 3], &mut Vec::new()).is_err());
        assert!(SourceFilter::new(&SourceFilterConfig { fft: 90, ..tiny() }).is_err());
        assert!(SourceFilter::new(&SourceFilterConfig { harmonic_order: 0, ..tiny() }).is_err());
    }
}
