//! Transmission: band limits, companding, coarse quantisation and clipping.

use std::f32::consts::{PI, SQRT_2};

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::codec::mu_law;
use super::{Draw, Effect};

/// Which channel effects, how often and how strong.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BandConfig {
    /// How often a clip goes through a telephone: 300 Hz to 3.4 kHz, mu-law. Default: 0.
    pub telephone: f64,
    /// A low-pass; the degree is its corner in Hz.
    pub low_pass_hz: Draw,
    /// Coarse quantisation; the degree is the number of bits.
    pub bits: Draw,
    /// Clipping; the degree is the share of the peak that is left.
    pub clipping: Draw,
}

impl BandConfig {
    /// One of the channel's effects; others are none of it.
    pub(super) fn apply(&self, effect: Effect, samples: &mut [f32], rate: f32, rng: &mut impl Rng) {
        match effect {
            Effect::Clipping => {
                if let Some(share) = self.clipping.draw(rng) {
                    clip_peaks(samples, share);
                }
            }
            Effect::LowPass => {
                if let Some(corner_hz) = self.low_pass_hz.draw(rng) {
                    low_pass(samples, corner_hz, rate);
                }
            }
            Effect::Telephone if rng.random_bool(self.telephone.clamp(0.0, 1.0)) => telephone(samples, rate),
            Effect::Bits => {
                if let Some(bits) = self.bits.draw(rng) {
                    quantise(samples, bits);
                }
            }
            _ => {}
        }
    }
}

/// A second-order filter section in transposed direct form II.
#[derive(Clone, Copy, Debug)]
pub struct Biquad {
    b: [f32; 3],
    a: [f32; 2],
    state: [f32; 2],
}

impl Biquad {
    /// Low-pass with quality `q` (Robert Bristow-Johnson's audio EQ cookbook).
    pub fn low_pass(corner_hz: f32, q: f32, rate: f32) -> Self {
        let (cos, alpha) = Self::angle(corner_hz, q, rate);
        Self::normalised([(1.0 - cos) / 2.0, 1.0 - cos, (1.0 - cos) / 2.0], cos, alpha)
    }

    /// High-pass with quality `q` (Robert Bristow-Johnson's audio EQ cookbook).
    pub fn high_pass(corner_hz: f32, q: f32, rate: f32) -> Self {
        let (cos, alpha) = Self::angle(corner_hz, q, rate);
        Self::normalised([(1.0 + cos) / 2.0, -1.0 - cos, (1.0 + cos) / 2.0], cos, alpha)
    }

    fn angle(corner_hz: f32, q: f32, rate: f32) -> (f32, f32) {
        let omega = 2.0 * PI * (corner_hz / rate).clamp(1e-4, 0.49);
        (omega.cos(), omega.sin() / (2.0 * q))
    }

    fn normalised(b: [f32; 3], cos: f32, alpha: f32) -> Self {
        let a0 = 1.0 + alpha;
        Self { b: b.map(|x| x / a0), a: [-2.0 * cos / a0, (1.0 - alpha) / a0], state: [0.0; 2] }
    }

    /// Filters in place.
    pub fn run(&mut self, samples: &mut [f32]) {
        for sample in samples {
            let (x, [s0, s1]) = (*sample, self.state);
            let y = self.b[0] * x + s0;
            self.state = [self.b[1] * x - self.a[0] * y + s1, self.b[2] * x - self.a[1] * y];
            *sample = y;
        }
    }
}

/// A Butterworth low-pass of sixth order.
fn low_pass(samples: &mut [f32], corner_hz: f32, rate: f32) {
    for q in [0.517_638, 1.0 / SQRT_2, 1.931_852] {
        Biquad::low_pass(corner_hz, q, rate).run(samples);
    }
}

/// A telephone line: 300 Hz to 3.4 kHz and 8-bit mu-law.
pub fn telephone(samples: &mut [f32], rate: f32) {
    Biquad::high_pass(300.0, 1.0 / SQRT_2, rate).run(samples);
    low_pass(samples, 3400.0, rate);
    samples.copy_from_slice(&mu_law(samples));
}

/// Rounds to steps of the clip's peak: `bits` bits for its whole range, of which parts count.
pub fn quantise(samples: &mut [f32], bits: f32) {
    let peak = samples.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
    if peak > 0.0 {
        let step = peak / 2.0_f32.powf(bits - 1.0);
        samples.iter_mut().for_each(|s| *s = (*s / step).round() * step);
    }
}

/// Clips at `share` of the peak.
pub fn clip_peaks(samples: &mut [f32], share: f32) {
    let peak = samples.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
    let limit = (peak * share).max(f32::MIN_POSITIVE);
    samples.iter_mut().for_each(|s| *s = s.clamp(-limit, limit));
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f32 = 16_000.0;

    fn gain_db(hz: f32, effect: impl Fn(&mut [f32])) -> f32 {
        let mut samples: Vec<f32> = (0..16_000).map(|i| 0.5 * (2.0 * PI * hz * i as f32 / RATE).sin()).collect();
        effect(&mut samples);
        let power = samples[8000..].iter().map(|s| s * s).sum::<f32>() / 8000.0;
        10.0 * (power / 0.125).log10()
    }

    #[test]
    fn a_telephone_passes_its_band_only() {
        let through = |hz| gain_db(hz, |x| telephone(x, RATE));
        assert!(through(1000.0).abs() < 0.5, "{}", through(1000.0));
        assert!(through(60.0) < -24.0, "{}", through(60.0));
        assert!(through(6000.0) < -30.0, "{}", through(6000.0));
    }

    #[test]
    fn a_butterworth_is_at_minus_3_db_at_its_corner() {
        let corner = gain_db(4000.0, |x| low_pass(x, 4000.0, RATE));
        assert!((corner + 3.01).abs() < 0.05, "{corner}");
    }

    #[test]
    fn quantisation_keeps_its_ratio() {
        let tone: Vec<f32> = (0..16_000).map(|i| 0.5 * (i as f32 * 0.377).sin()).collect();
        let ratio = |effect: &dyn Fn(&mut [f32])| {
            let mut changed = tone.clone();
            effect(&mut changed);
            let noise: f32 = changed.iter().zip(&tone).map(|(c, t)| (c - t).powi(2)).sum();
            10.0 * (tone.iter().map(|t| t * t).sum::<f32>() / noise).log10()
        };
        let eight = ratio(&|x| quantise(x, 8.0));
        assert!((eight - (6.02 * 8.0 + 1.76)).abs() < 1.5, "{eight}");
        let mu = ratio(&|x| x.copy_from_slice(&mu_law(x)));
        assert!((35.0..42.0).contains(&mu), "{mu}");
    }

    #[test]
    fn clipping_leaves_the_share() {
        let mut samples = vec![0.1, -0.8, 0.5];
        clip_peaks(&mut samples, 0.5);
        assert_eq!(samples, [0.1, -0.4, 0.4]);
    }
}
