//! Moments that drop out, as SpeechBrain's `DropChunk` does it.

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::happens;
use crate::{Error, Result};

/// How many pieces of a clip drop out, and how long they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChunkConfig {
    /// How often a clip loses any. Default: 0.
    pub probability: f64,
    /// The fewest and the most pieces. Default: 1 to 3.
    pub count: [usize; 2],
    /// The shortest and the longest piece. Default: 6.25 to 62.5, which at 16 kHz are 100 and 1,000 samples.
    pub length_ms: [f32; 2],
    /// How loud noise is that takes their place, as a share of the clip's mean magnitude: `noise_factor`. Default: 0.
    pub noise_factor: f32,
}

impl Default for ChunkConfig {
    fn default() -> Self {
        Self { probability: 0.0, count: [1, 3], length_ms: [6.25, 62.5], noise_factor: 0.0 }
    }
}

impl ChunkConfig {
    /// Refuses what cannot be drawn.
    pub(super) fn check(&self) -> Result<()> {
        let Self { probability, count: [fewest, most], length_ms: [shortest, longest], noise_factor } = *self;
        let wrong = |key: &str, reason: String| Err(Error::config(format!("augment.drop_chunks.{key}"), reason));
        if !(0.0..=1.0).contains(&probability) {
            return wrong("probability", format!("expected 0 to 1, found {probability}"));
        }
        if fewest > most {
            return wrong("count", format!("expected two numbers in order, found {fewest} and {most}"));
        }
        if !(shortest >= 0.0 && longest.is_finite() && shortest <= longest) {
            return wrong("length_ms", format!("expected two lengths in order, found {shortest} and {longest}"));
        }
        if !(noise_factor >= 0.0 && noise_factor.is_finite()) {
            return wrong("noise_factor", format!("expected a number from 0 on, found {noise_factor}"));
        }
        Ok(())
    }

    pub(super) fn apply(&self, samples: &mut [f32], rate: f32, rng: &mut impl Rng) {
        if !happens(self.probability, rng) || samples.is_empty() {
            return;
        }
        let magnitude = samples.iter().map(|sample| sample.abs()).sum::<f32>() / samples.len() as f32;
        // Even noise of this peak has the mean magnitude wanted.
        let peak = 2.0 * self.noise_factor * magnitude;
        let [shortest, longest] = self.length_ms.map(|ms| ((ms * rate / 1e3) as usize).min(samples.len()));
        let [fewest, most] = self.count;
        for _ in 0..rng.random_range(fewest..=most.max(fewest)) {
            let length = rng.random_range(shortest..=longest.max(shortest));
            let start = rng.random_range(0..=samples.len() - length);
            for sample in &mut samples[start..start + length] {
                *sample = if peak > 0.0 { rng.random_range(-peak..=peak) } else { 0.0 };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn as_many_pieces_of_that_length_are_gone() {
        let config = ChunkConfig { probability: 1.0, count: [1, 5], length_ms: [62.5, 125.0], noise_factor: 0.0 };
        let mut runs = Vec::new();
        for seed in 0..50 {
            let mut samples = vec![0.5; 160_000];
            config.apply(&mut samples, 16_000.0, &mut ChaCha8Rng::seed_from_u64(seed));
            let silent = samples.chunk_by(|a, b| a == b).filter(|run| run[0] == 0.0).map(<[f32]>::len);
            runs.push(silent.collect::<Vec<_>>());
        }
        assert!(runs.iter().all(|run| (1..=5).contains(&run.len()) && run.iter().all(|length| *length >= 1_000)));
        let alone = || runs.iter().filter(|run| run.len() == 1).flatten();
        assert!(alone().count() > 3 && alone().all(|length| *length <= 2_000), "{runs:?}");
        assert!(runs.iter().any(|run| run.len() >= 4), "{runs:?}");
    }

    #[test]
    fn what_cannot_be_drawn_is_named() {
        for (wrong, key) in [
            ("probability = 5.0", "probability"),
            ("count = [5, 1]", "count"),
            ("length_ms = [20.0, 10.0]", "length_ms"),
            ("noise_factor = -1.0", "noise_factor"),
        ] {
            let message = toml::from_str::<ChunkConfig>(wrong).unwrap().check().unwrap_err().to_string();
            assert!(message.starts_with(&format!("augment.drop_chunks.{key}: expected")), "{message}");
        }
    }

    #[test]
    fn noise_may_take_their_place() {
        let config = ChunkConfig { probability: 1.0, count: [1, 1], length_ms: [500.0, 500.0], noise_factor: 0.5 };
        let mut samples = vec![0.5; 16_000];
        config.apply(&mut samples, 16_000.0, &mut ChaCha8Rng::seed_from_u64(1));
        let noise: Vec<f32> = samples.into_iter().filter(|sample| *sample != 0.5).map(f32::abs).collect();
        let mean = noise.iter().sum::<f32>() / noise.len() as f32;
        assert!(noise.len() > 7_900 && (mean - 0.25).abs() < 0.01, "{} of {mean}", noise.len());
        config.apply(&mut [], 16_000.0, &mut ChaCha8Rng::seed_from_u64(1));
    }
}
