//! Masks and warps of features: SpecAugment (Park et al. 2019, <https://arxiv.org/abs/1904.08779>) and vocal-tract
//! length perturbation (Jaitly and Hinton 2013) as a stretch of the mel axis.

use rand::Rng;
use serde::{Deserialize, Serialize};

/// How many masks and how large.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpecConfig {
    /// How often a clip is masked at all.
    pub probability: f64,
    /// The number of frequency masks.
    pub frequency_masks: usize,
    /// The largest frequency mask in bins.
    pub frequency_bins: usize,
    /// The number of time masks for every 10 s.
    pub time_masks: usize,
    /// The largest time mask in frames.
    pub time_frames: usize,
    /// The largest share of a clip that one time mask may cover.
    pub time_share: f64,
    /// How often the mel axis is stretched.
    pub warp_probability: f64,
    /// The largest stretch: 0.1 shifts bin 50 by up to 5 bins.
    pub warp: f32,
}

impl Default for SpecConfig {
    fn default() -> Self {
        Self {
            probability: 0.9,
            frequency_masks: 2,
            frequency_bins: 20,
            time_masks: 6,
            time_frames: 20,
            time_share: 0.1,
            warp_probability: 0.5,
            warp: 0.08,
        }
    }
}

/// Masks and warps in place. Masked cells take the mean of their bin over the clip, which is zero once features are
/// normalised.
///
/// # Shapes
/// `features` is (frames, bins), row by row; a remainder that is no whole frame is left alone.
pub fn spec_augment(config: &SpecConfig, features: &mut [f32], bins: usize, rng: &mut impl Rng) {
    let frames = features.len().checked_div(bins).unwrap_or(0);
    if frames == 0 {
        return;
    }
    if rng.random_bool(config.warp_probability.clamp(0.0, 1.0)) {
        let stretch = 1.0 + rng.random_range(-config.warp.abs()..=config.warp.abs());
        features.chunks_exact_mut(bins).for_each(|row| warp(row, stretch));
    }
    if !rng.random_bool(config.probability.clamp(0.0, 1.0)) {
        return;
    }
    let mut means = vec![0.0; bins];
    features.chunks_exact(bins).for_each(|row| means.iter_mut().zip(row).for_each(|(m, x)| *m += x));
    means.iter_mut().for_each(|m| *m /= frames as f32);
    for _ in 0..config.frequency_masks {
        let width = rng.random_range(0..=config.frequency_bins.min(bins));
        let start = rng.random_range(0..=bins - width);
        let columns = start..start + width;
        features.chunks_exact_mut(bins).for_each(|row| row[columns.clone()].copy_from_slice(&means[columns.clone()]));
    }
    let masks = (config.time_masks as f64 * frames as f64 / 1000.0).ceil() as usize;
    let longest = config.time_frames.min((config.time_share * frames as f64) as usize);
    for _ in 0..masks {
        let width = rng.random_range(0..=longest);
        let start = rng.random_range(0..=frames - width);
        features[start * bins..(start + width) * bins]
            .chunks_exact_mut(bins)
            .for_each(|row| row.copy_from_slice(&means));
    }
}

/// Reads each bin from `bin / stretch`, between its neighbours; past the last bin the last value stands.
fn warp(row: &mut [f32], stretch: f32) {
    let source = row.to_vec();
    let last = source.len() - 1;
    for (bin, value) in row.iter_mut().enumerate() {
        let position = (bin as f32 / stretch).min(last as f32);
        let left = position as usize;
        let right = (left + 1).min(last);
        *value = source[left] + (position - left as f32) * (source[right] - source[left]);
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn masks_have_the_mean_and_stay_within_their_bounds() {
        let (frames, bins) = (300, 80);
        let config = SpecConfig { probability: 1.0, warp_probability: 0.0, ..SpecConfig::default() };
        let mut touched = 0;
        for seed in 0..20 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let original: Vec<f32> = (0..frames * bins).map(|i| (i as f32 * 0.37).sin() + 2.0).collect();
            let mut features = original.clone();
            spec_augment(&config, &mut features, bins, &mut rng);
            let changed = features.iter().zip(&original).filter(|(a, b)| a != b).count();
            assert!(changed <= 2 * 20 * frames + 2 * 20 * bins, "seed {seed}: {changed}");
            touched += usize::from(changed > 0);
            for (i, (a, b)) in features.iter().zip(&original).enumerate() {
                let mean = original.iter().skip(i % bins).step_by(bins).sum::<f32>() / frames as f32;
                assert!(a == b || (a - mean).abs() < 1e-3);
            }
        }
        assert!(touched >= 18, "{touched}");
    }

    #[test]
    fn a_stretch_moves_a_peak() {
        let mut row: Vec<f32> = (0..80).map(|bin| -(bin as f32 - 50.0).abs()).collect();
        warp(&mut row, 1.1);
        let peak = (0..80).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
        assert_eq!(peak, 55);
        let mut same: Vec<f32> = (0..80).map(|bin| bin as f32).collect();
        warp(&mut same, 1.0);
        assert_eq!(same, (0..80).map(|bin| bin as f32).collect::<Vec<_>>());
    }

    #[test]
    fn too_little_is_left_alone() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        spec_augment(&SpecConfig::default(), &mut [], 80, &mut rng);
        let mut one = vec![1.0; 80];
        spec_augment(&SpecConfig::default(), &mut one, 80, &mut rng);
        assert!(one.iter().all(|x| x.is_finite()));
    }
}
