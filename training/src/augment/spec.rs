//! Masks and warps of features: SpecAugment (Park et al. 2019, <https://arxiv.org/abs/1904.08779>) and vocal-tract
//! length perturbation (Jaitly and Hinton 2013) as a stretch of the mel axis.

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::happens;

/// What masked cells take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// The mean of their bin over the clip, which is zero once features are normalised.
    #[default]
    Mean,
    /// Zero, as SpeechBrain's `SpectrogramDrop` has it by default: 0 dB of features that are not normalised yet.
    Zero,
}

/// How many masks and how large.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpecConfig {
    /// How often a clip is masked at all. Default: 0.
    pub probability: f64,
    /// The number of frequency masks. Default: 2.
    pub frequency_masks: usize,
    /// The largest frequency mask in bins. Default: 20.
    pub frequency_bins: usize,
    /// The smallest. Default: 0.
    pub least_frequency_bins: usize,
    /// The number of time masks for every `time_masks_every` frames. Default: 6.
    pub time_masks: usize,
    /// For how many frames there are so many; 0 for as many in any clip, as SpeechBrain's `SpectrogramDrop` has it. Default:
    /// 1,000, which are 10 s at a hop of 10 ms.
    pub time_masks_every: usize,
    /// The largest time mask in frames. Default: 20.
    pub time_frames: usize,
    /// The smallest, unless `time_share` of the clip is less. Default: 0.
    pub least_time_frames: usize,
    /// The largest share of a clip that one time mask may cover. Default: 0.1.
    pub time_share: f64,
    /// How often the mel axis is stretched. Default: 0.
    pub warp_probability: f64,
    /// The largest stretch: 0.1 shifts bin 50 by up to 5 bins. Default: 0.08.
    pub warp: f32,
    /// How often the time axis is bent. Labels of frames do not follow. Default: 0.
    pub time_warp_probability: f64,
    /// By how many frames at most. Default: 5.
    pub time_warp: usize,
    /// What masked cells take. Default: the mean.
    pub fill: Fill,
    /// Whether features are masked before the time axis is bent, so that masks are bent with it. Default: false.
    pub masks_first: bool,
}

impl Default for SpecConfig {
    fn default() -> Self {
        Self {
            probability: 0.0,
            frequency_masks: 2,
            frequency_bins: 20,
            least_frequency_bins: 0,
            time_masks: 6,
            time_masks_every: 1_000,
            time_frames: 20,
            least_time_frames: 0,
            time_share: 0.1,
            warp_probability: 0.0,
            warp: 0.08,
            time_warp_probability: 0.0,
            time_warp: 5,
            fill: Fill::Mean,
            masks_first: false,
        }
    }
}

/// Masks and warps in place.
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
    if config.masks_first {
        mask(config, features, bins, rng);
    }
    if happens(config.time_warp_probability, rng) {
        warp_time(config.time_warp, features, bins, rng);
    }
    if !config.masks_first {
        mask(config, features, bins, rng);
    }
}

/// Bands of frequency, then stretches of time.
fn mask(config: &SpecConfig, features: &mut [f32], bins: usize, rng: &mut impl Rng) {
    if !rng.random_bool(config.probability.clamp(0.0, 1.0)) {
        return;
    }
    let frames = features.len() / bins;
    let mut values = vec![0.0; bins];
    if config.fill == Fill::Mean {
        features.chunks_exact(bins).for_each(|row| values.iter_mut().zip(row).for_each(|(m, x)| *m += x));
        values.iter_mut().for_each(|m| *m /= frames as f32);
    }
    for _ in 0..config.frequency_masks {
        let most = config.frequency_bins.min(bins);
        let width = rng.random_range(config.least_frequency_bins.min(most)..=most);
        let start = rng.random_range(0..=bins - width);
        let columns = start..start + width;
        features.chunks_exact_mut(bins).for_each(|row| row[columns.clone()].copy_from_slice(&values[columns.clone()]));
    }
    let masks = match config.time_masks_every {
        0 => config.time_masks,
        every => (config.time_masks * frames).div_ceil(every),
    };
    let longest = config.time_frames.min((config.time_share * frames as f64) as usize).min(frames);
    for _ in 0..masks {
        let width = rng.random_range(config.least_time_frames.min(longest)..=longest);
        let start = rng.random_range(0..=frames - width);
        features[start * bins..(start + width) * bins]
            .chunks_exact_mut(bins)
            .for_each(|row| row.copy_from_slice(&values));
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

/// Moves a random frame by up to `window` frames. What is before and after it is stretched or squeezed to fill its part, by
/// cubic convolution (Keys 1981, with a = -0.75), as SpeechBrain's `Warping` does it.
fn warp_time(window: usize, features: &mut [f32], bins: usize, rng: &mut impl Rng) {
    let frames = features.len() / bins;
    if window == 0 || frames <= 2 * window {
        return;
    }
    let centre = rng.random_range(window..frames - window);
    let moved = rng.random_range(centre - window + 1..=centre + window);
    let source = features[..frames * bins].to_vec();
    let (left, right) = features[..frames * bins].split_at_mut(moved * bins);
    stretch(&source[..centre * bins], left, bins);
    stretch(&source[centre * bins..], right, bins);
}

/// Fills `target` with what `source` is between its first and its last frame.
fn stretch(source: &[f32], target: &mut [f32], bins: usize) {
    let (given, wanted) = (source.len() / bins, target.len() / bins);
    let step = if wanted > 1 { (given - 1) as f32 / (wanted - 1) as f32 } else { 0.0 };
    for (at, row) in target.chunks_exact_mut(bins).enumerate() {
        let position = at as f32 * step;
        let first = position as usize;
        let taps = cubic(position - first as f32);
        row.fill(0.0);
        for (tap, offset) in taps.into_iter().zip(0..) {
            let frame = (first + offset).saturating_sub(1).min(given - 1);
            row.iter_mut().zip(&source[frame * bins..]).for_each(|(y, x)| *y += tap * x);
        }
    }
}

/// Weights of the four neighbours of a point that lies `x` behind the second.
fn cubic(x: f32) -> [f32; 4] {
    const A: f32 = -0.75;
    let near = |x: f32| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f32| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    [far(1.0 + x), near(x), near(1.0 - x), far(2.0 - x)]
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn masks_have_the_mean_and_stay_within_their_bounds() {
        let (frames, bins) = (300, 80);
        let config = SpecConfig { probability: 1.0, ..SpecConfig::default() };
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
    fn masks_may_have_a_least_width_and_be_as_many_in_any_clip() {
        let (frames, bins) = (300, 80);
        let widths = SpecConfig { least_frequency_bins: 7, frequency_bins: 7, ..SpecConfig::default() };
        let widths = SpecConfig { least_time_frames: 9, time_frames: 9, ..widths };
        for (count, every) in [(1, 0), (1, 300), (0, 300)] {
            let config = SpecConfig { probability: 1.0, time_masks: count, time_masks_every: every, ..widths.clone() };
            let config = SpecConfig { frequency_masks: 1, ..config };
            let mut features: Vec<f32> = (0..frames * bins).map(|i| (i as f32 * 0.37).sin()).collect();
            let original = features.clone();
            spec_augment(&config, &mut features, bins, &mut ChaCha8Rng::seed_from_u64(count as u64));
            let changed = |i: usize| features[i] != original[i];
            let columns = (0..bins).filter(|bin| (0..frames).all(|frame| changed(frame * bins + bin))).count();
            let rows = (0..frames).filter(|frame| (0..bins).all(|bin| changed(frame * bins + bin))).count();
            assert_eq!((columns, rows), (7, 9 * count));
        }
    }

    #[test]
    fn masks_of_zeros_may_come_before_the_bend() {
        let (frames, bins) = (300, 8);
        let of = |masks_first| SpecConfig {
            probability: 1.0,
            frequency_masks: 0,
            time_masks: 1,
            time_masks_every: 0,
            time_frames: 20,
            least_time_frames: 20,
            time_warp_probability: 1.0,
            fill: Fill::Zero,
            masks_first,
            ..SpecConfig::default()
        };
        let zeros = |config: &SpecConfig, seed| {
            let mut features = vec![-40.0; frames * bins];
            spec_augment(config, &mut features, bins, &mut ChaCha8Rng::seed_from_u64(seed));
            features.chunks_exact(bins).filter(|row| row.iter().all(|x| *x == 0.0)).count()
        };
        let (last, first) = (of(false), of(true));
        assert!((0..30).all(|seed| zeros(&last, seed) == 20));
        let widths: Vec<usize> = (0..30).map(|seed| zeros(&first, seed)).collect();
        assert!(widths.iter().all(|width| (13..=26).contains(width)) && widths.iter().any(|width| *width != 20));
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
    fn time_is_bent_between_its_ends() {
        let (frames, bins) = (100, 3);
        let original: Vec<f32> = (0..frames * bins).map(|i| (i / bins) as f32 * (1.0 + (i % bins) as f32)).collect();
        let mut moved = 0;
        for seed in 0..20 {
            let mut features = original.clone();
            warp_time(5, &mut features, bins, &mut ChaCha8Rng::seed_from_u64(seed));
            for bin in 0..bins {
                let scale = 1.0 + bin as f32;
                let column: Vec<f32> = features.iter().skip(bin).step_by(bins).map(|x| x / scale).collect();
                assert!(column[0].abs() < 1e-4 && (column[99] - 99.0).abs() < 1e-3, "{} {}", column[0], column[99]);
                // No frame comes from further than the window, and time does not run backwards.
                assert!(column.iter().enumerate().all(|(at, x)| (x - at as f32).abs() < 6.2), "seed {seed}");
                assert!(column.windows(2).all(|pair| pair[1] > pair[0] - 0.2), "seed {seed}: {column:?}");
            }
            moved += usize::from(features != original);
        }
        assert!(moved >= 14, "{moved}");
        // By Keys's formula over [0, 0, 1, 4, 9, 9]: at 0.5 the weights are -3/32, 19/32, 19/32 and -3/32.
        let mut wider = [0.0; 7];
        stretch(&[0.0, 1.0, 4.0, 9.0], &mut wider, 1);
        let expected = [0.0, 0.21875, 1.0, 2.125, 4.0, 6.78125, 9.0];
        assert!(wider.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{wider:?}");
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
