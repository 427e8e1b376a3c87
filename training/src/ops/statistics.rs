use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use rayon::prelude::*;

use super::fused::{Kernel, Values, handle, record};
use super::simd::{exp, vectorized};

/// The least variance of which a deviation is the root, as in SpeechBrain's `AttentiveStatisticsPooling`.
const LEAST_VARIANCE: f64 = 1e-12;

/// Mean and standard deviation of each channel over frames that count as the softmax of their scores over time says (Okabe
/// et al., "Attentive statistics pooling for deep speaker embedding", Interspeech 2018, section 3).
///
/// # Shapes
/// Twice (batch, frames, channels) to (batch, 1, 2 x channels), the means first
pub(crate) fn attentive_statistics(x: Tensor<3>, scores: Tensor<3>) -> Tensor<3> {
    let [batch, frames, channels] = x.dims();
    match (handle(&x), handle(&scores)) {
        (Some(values), Some(logits)) => {
            drop((x, scores));
            record(Attentive(Pool { frames, channels }), [values, logits], [batch, 1, 2 * channels])
        }
        _ => {
            let weights = softmax(scores, 1);
            let centre = (weights.clone() * x.clone()).sum_dim(1);
            let variance = (weights * (x - centre.clone()).square()).sum_dim(1);
            Tensor::cat(vec![centre, variance.clamp_min(LEAST_VARIANCE).sqrt()], 2)
        }
    }
}

/// As [`attentive_statistics`], of frames that all count alike.
pub(crate) fn statistics(x: Tensor<3>) -> Tensor<3> {
    let [batch, frames, channels] = x.dims();
    match handle(&x) {
        Some(values) => {
            drop(x);
            record(Even(Pool { frames, channels }), [values], [batch, 1, 2 * channels])
        }
        None => {
            let centre = x.clone().mean_dim(1);
            let variance = (x - centre.clone()).square().mean_dim(1);
            Tensor::cat(vec![centre, variance.clamp_min(LEAST_VARIANCE).sqrt()], 2)
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Pool {
    frames: usize,
    channels: usize,
}

impl Pool {
    /// Values of a clip.
    fn size(self) -> usize {
        self.frames * self.channels
    }

    /// Weights of a clip whose frames all count alike.
    fn even(self) -> Vec<f32> {
        vec![1.0 / self.frames as f32; self.size()]
    }

    /// Means and deviations of each clip. `weights` are those of every clip, or of one for all.
    fn pool(self, x: &[f32], weights: &[f32]) -> Vec<f32> {
        let (size, channels) = (self.size(), self.channels);
        let mut pooled = vec![0.0; x.len() / size * 2 * channels];
        let clips = pooled.par_chunks_mut(2 * channels).zip(x.par_chunks(size)).enumerate();
        clips.for_each(|(clip, (pooled, x))| {
            let weights = &weights[clip * size % weights.len()..][..size];
            let (means, deviations) = pooled.split_at_mut(channels);
            add_weighted(x, weights, means);
            add_squares(x, weights, means, deviations);
            deviations.iter_mut().for_each(|sum| *sum = sum.max(LEAST_VARIANCE as f32).sqrt());
        });
        pooled
    }

    /// The gradient of x. That of a mean is the weight; that of a deviation the weight times (x - mean) / deviation.
    fn differentiate(self, x: &[f32], weights: &[f32], pooled: &[f32], gradient: &[f32]) -> Vec<f32> {
        let (size, width) = (self.size(), 2 * self.channels);
        let mut below = vec![0.0; x.len()];
        let clips = below.par_chunks_mut(size).zip(x.par_chunks(size)).enumerate();
        clips.for_each(|(clip, (below, x))| {
            let weights = &weights[clip * size % weights.len()..][..size];
            let [pooled, gradient] = [pooled, gradient].map(|values| &values[clip * width..][..width]);
            spread(x, weights, pooled, &slopes(pooled, gradient), below);
        });
        below
    }
}

/// The gradients of the means, and those of the deviations divided by the deviations: zero for the least deviation.
fn slopes(pooled: &[f32], gradient: &[f32]) -> Vec<f32> {
    let channels = pooled.len() / 2;
    let (least, mut slopes) = ((LEAST_VARIANCE as f32).sqrt(), gradient.to_vec());
    for (slope, deviation) in slopes[channels..].iter_mut().zip(&pooled[channels..]) {
        *slope = if *deviation > least { *slope / deviation } else { 0.0 };
    }
    slopes
}

#[derive(Clone, Copy, Debug)]
struct Even(Pool);

impl Kernel<1> for Even {
    type Saved = (Values, Vec<f32>);

    fn forward(&self, [x]: [Values; 1]) -> (Values, Self::Saved) {
        let pooled = self.0.pool(&x, &self.0.even());
        (pooled.clone().into(), (x, pooled))
    }

    fn backward(&self, (x, pooled): Self::Saved, gradient: Values, _wanted: [bool; 1]) -> [Option<Values>; 1] {
        [Some(self.0.differentiate(&x, &self.0.even(), &pooled, &gradient).into())]
    }
}

#[derive(Clone, Copy, Debug)]
struct Attentive(Pool);

impl Kernel<2> for Attentive {
    /// The input, the weights, and the statistics.
    type Saved = (Values, Values, Vec<f32>);

    fn forward(&self, [x, mut scores]: [Values; 2]) -> (Values, Self::Saved) {
        let (size, channels) = (self.0.size(), self.0.channels);
        scores.make_mut().par_chunks_mut(size).for_each(|scores| weigh(scores, channels));
        let pooled = self.0.pool(&x, &scores);
        (pooled.clone().into(), (x, scores, pooled))
    }

    fn backward(&self, saved: Self::Saved, gradient: Values, wanted: [bool; 2]) -> [Option<Values>; 2] {
        let (x, mut weights, pooled) = saved;
        let (size, width) = (self.0.size(), 2 * self.0.channels);
        let below = wanted[0].then(|| self.0.differentiate(&x, &weights, &pooled, &gradient).into());
        let clips = weights.make_mut().par_chunks_mut(size).zip(x.par_chunks(size)).enumerate();
        clips.for_each(|(clip, (weights, x))| {
            let [pooled, gradient] = [&pooled[..], &gradient[..]].map(|values| &values[clip * width..][..width]);
            score(x, pooled, &slopes(pooled, gradient), weights);
        });
        [below, Some(weights)]
    }
}

vectorized! {
    /// The softmax over frames takes the place of scores.
    fn weigh(scores: &mut [f32], channels: usize) {
        let (mut largest, mut sums) = (vec![f32::NEG_INFINITY; channels], vec![0.0; channels]);
        for row in scores.chunks_exact(channels) {
            for (largest, score) in largest.iter_mut().zip(row) {
                *largest = if *score > *largest { *score } else { *largest };
            }
        }
        for row in scores.chunks_exact_mut(channels) {
            for ((score, largest), sum) in row.iter_mut().zip(&largest).zip(&mut sums) {
                *score = exp(*score - largest);
                *sum += *score;
            }
        }
        for row in scores.chunks_exact_mut(channels) {
            for (score, sum) in row.iter_mut().zip(&sums) {
                *score /= sum;
            }
        }
    }
}

vectorized! {
    fn add_weighted(x: &[f32], weights: &[f32], sums: &mut [f32]) {
        let channels = sums.len();
        for (x, weights) in x.chunks_exact(channels).zip(weights.chunks_exact(channels)) {
            for ((sum, x), weight) in sums.iter_mut().zip(x).zip(weights) {
                *sum += weight * x;
            }
        }
    }
}

vectorized! {
    fn add_squares(x: &[f32], weights: &[f32], means: &[f32], sums: &mut [f32]) {
        let channels = sums.len();
        for (x, weights) in x.chunks_exact(channels).zip(weights.chunks_exact(channels)) {
            for (((sum, x), weight), mean) in sums.iter_mut().zip(x).zip(weights).zip(means) {
                *sum += weight * (x - mean) * (x - mean);
            }
        }
    }
}

vectorized! {
    /// w (a + b (x - mean)), with a and b the slopes of mean and deviation. What the mean does to the deviation is nothing,
    /// since deviations from it have no weighted sum.
    fn spread(x: &[f32], weights: &[f32], pooled: &[f32], slopes: &[f32], below: &mut [f32]) {
        let channels = pooled.len() / 2;
        let (means, (along, apart)) = (&pooled[..channels], slopes.split_at(channels));
        let rows = x.chunks_exact(channels).zip(weights.chunks_exact(channels)).zip(below.chunks_exact_mut(channels));
        for ((x, weights), below) in rows {
            let columns = below.iter_mut().zip(x).zip(weights).zip(means).zip(along.iter().zip(apart));
            for ((((below, x), weight), mean), (along, apart)) in columns {
                *below = weight * (along + apart * (x - mean));
            }
        }
    }
}

vectorized! {
    /// The gradient of the scores takes the place of the weights: w (a d + b (d^2 - deviation^2) / 2), with d = x - mean and
    /// the derivative of the softmax over frames.
    fn score(x: &[f32], pooled: &[f32], slopes: &[f32], weights: &mut [f32]) {
        let channels = pooled.len() / 2;
        let ((means, deviations), (along, apart)) = (pooled.split_at(channels), slopes.split_at(channels));
        for (x, weights) in x.chunks_exact(channels).zip(weights.chunks_exact_mut(channels)) {
            let columns = weights.iter_mut().zip(x).zip(means.iter().zip(deviations)).zip(along.iter().zip(apart));
            for (((weight, x), (mean, deviation)), (along, apart)) in columns {
                let distance = x - mean;
                *weight *= along * distance + 0.5 * apart * (distance * distance - deviation * deviation);
            }
        }
    }
}
