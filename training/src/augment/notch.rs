//! Frequencies that drop out: narrow bands are filtered away, as SpeechBrain's `DropFreq` does it.

use std::f32::consts::TAU;

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::happens;
use crate::{Error, Result};

/// Taps of a filter.
const TAPS: usize = 101;
const MIDDLE: usize = TAPS / 2;
/// The least frequency, as a share of half the rate.
const LEAST: f32 = 1e-12;

/// Which frequencies drop out, and how often. Frequencies are shares of half the rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NotchConfig {
    /// How often a clip loses any. Default: 0.
    pub probability: f64,
    /// The fewest and the most frequencies. Default: 1 to 3.
    pub count: [usize; 2],
    /// The least frequency. Default: 0.
    pub min: f32,
    /// The greatest frequency. Default: 1.
    pub max: f32,
    /// The width of a band. Default: 0.05.
    pub width: f32,
}

impl Default for NotchConfig {
    fn default() -> Self {
        Self { probability: 0.0, count: [1, 3], min: 0.0, max: 1.0, width: 0.05 }
    }
}

impl NotchConfig {
    /// Refuses bands that cannot be drawn.
    pub(super) fn check(&self) -> Result<()> {
        let Self { count: [fewest, most], min, max, width, .. } = *self;
        let wrong = |reason: String| Err(Error::config("augment.drop_frequencies", reason));
        if fewest > most {
            return wrong(format!("expected two rising numbers in `count`, found {fewest} and {most}"));
        }
        if !(0.0 <= min && min <= max && max <= 1.0) {
            return wrong(format!("expected min and max in order, from 0 to 1, found {min} and {max}"));
        }
        if !(0.0..=1.0).contains(&width) {
            return wrong(format!("expected a width from 0 to 1, found {width}"));
        }
        Ok(())
    }

    pub(super) fn apply(&self, samples: &mut Vec<f32>, rng: &mut impl Rng) {
        if !happens(self.probability, rng) {
            return;
        }
        let [fewest, most] = self.count;
        let mut filter = vec![0.0; TAPS];
        filter[MIDDLE] = 1.0;
        for _ in 0..rng.random_range(fewest..=most.max(fewest)) {
            let frequency = rng.random_range(self.min..=self.max.max(self.min)).max(LEAST);
            filter = correlate(&filter, &notch(frequency, self.width));
        }
        *samples = correlate(samples, &filter);
    }
}

/// A low-pass below a band and a high-pass above it, both windowed sincs. The corners are at 3 times the share where a
/// sinc has pi, and the window is one of a period, as in SpeechBrain's `notch_filter`.
fn notch(frequency: f32, width: f32) -> Vec<f32> {
    let low_pass = |corner: f32| {
        let tap = |at: usize| {
            let (x, turn) = (3.0 * corner * (at as f32 - MIDDLE as f32), TAU * at as f32 / TAPS as f32);
            let window = 0.42 - 0.5 * turn.cos() + 0.08 * (2.0 * turn).cos();
            window * if at == MIDDLE { 1.0 } else { x.sin() / x }
        };
        let taps: Vec<f32> = (0..TAPS).map(tap).collect();
        let sum: f32 = taps.iter().sum();
        taps.into_iter().map(move |tap| tap / sum)
    };
    let mut taps: Vec<f32> =
        low_pass(frequency).zip(low_pass(frequency + 2.0 * width)).map(|(low, high)| low - high).collect();
    taps[MIDDLE] += 1.0;
    taps
}

/// The sum of products with the taps around each sample; silence before and after.
fn correlate(samples: &[f32], taps: &[f32]) -> Vec<f32> {
    let mut padded = vec![0.0; samples.len() + TAPS - 1];
    padded[MIDDLE..MIDDLE + samples.len()].copy_from_slice(samples);
    padded.windows(TAPS).take(samples.len()).map(|window| window.iter().zip(taps).map(|(x, h)| x * h).sum()).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn gain_db(share: f32, filter: &[f32]) -> f32 {
        let tone: Vec<f32> = (0..4_000).map(|i| (share * std::f32::consts::PI * i as f32).sin()).collect();
        let through = correlate(&tone, filter);
        10.0 * (through[500..3_500].iter().map(|s| s * s).sum::<f32>() / 1_500.0).log10()
    }

    #[test]
    fn a_band_is_gone_and_the_rest_is_there() {
        // The corners are at 3 f / pi and 3 (f + 0.1) / pi: the band is about 0.43 for f = 0.4.
        let filter = notch(0.4, 0.05);
        assert!(gain_db(0.43, &filter) < -20.0, "{}", gain_db(0.43, &filter));
        for share in [0.1, 0.25, 0.6, 0.8] {
            assert!(gain_db(share, &filter).abs() < 0.1, "{share}: {}", gain_db(share, &filter));
        }
        assert!((filter.iter().sum::<f32>() - 1.0).abs() < 1e-4);
    }

    #[test]
    fn without_a_probability_nothing_is_drawn_or_changed() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut samples = vec![0.5; 300];
        NotchConfig::default().apply(&mut samples, &mut rng);
        assert!(samples == vec![0.5; 300] && rng == ChaCha8Rng::seed_from_u64(1));
        NotchConfig { probability: 1.0, ..NotchConfig::default() }.apply(&mut samples, &mut rng);
        assert!(samples.len() == 300 && samples.iter().all(|s| s.is_finite()));
        NotchConfig { probability: 1.0, ..NotchConfig::default() }.apply(&mut Vec::new(), &mut rng);
    }
}
