use burn::nn::BatchNorm;
use burn::tensor::{Tensor, activation};
use rayon::prelude::*;

use super::fused::{Kernel, Values, handle, record};
use super::simd::vectorized;
use super::{ROWS, sum_in_order};

/// Batch normalisation of what a rectifier leaves, as [`BatchNorm::forward`] with its running statistics, of channels that
/// come last, in the type of its gains. `slope` is that of the rectifier below zero: 1 for none.
///
/// # Shapes
/// (batch, frames, channels), in and out
pub(crate) fn batch_norm(norm: &BatchNorm, x: Tensor<3>, slope: f64) -> Tensor<3> {
    let x = x.cast(norm.gamma.dtype());
    let inputs = (handle(&x), handle(&norm.gamma.val()), handle(&norm.beta.val()));
    let (Some(values), Some(gamma), Some(beta), true) = (inputs.0, inputs.1, inputs.2, norm.training.is_enabled())
    else {
        return plain(norm, x, slope);
    };
    let ([batch, frames, channels], device, slope) = (x.dims(), x.device(), slope as f32);
    let rows = Values::from(values.primitive().clone());
    let [mean, variance] = moments(&rows, channels, slope);
    drop((rows, x));
    for (running, found) in [(&norm.running_mean, &mean), (&norm.running_var, &variance)] {
        let found = Tensor::<1>::from_floats(found.as_slice(), &device).mul_scalar(norm.momentum);
        let before = running.value_sync().to_device(&device).mul_scalar(1.0 - norm.momentum);
        running.update((before + found).detach());
    }
    let inverse = variance.iter().map(|variance| 1.0 / (variance + norm.epsilon as f32).sqrt()).collect();
    record(Normalise { mean, inverse, slope }, [values, gamma, beta], [batch, frames, channels])
}

fn plain(norm: &BatchNorm, x: Tensor<3>, slope: f64) -> Tensor<3> {
    let [batch, frames, channels] = x.dims();
    let x = match slope {
        0.0 => activation::relu(x),
        1.0 => x,
        _ => activation::leaky_relu(x, slope),
    };
    norm.forward(x.reshape([batch * frames, channels])).reshape([batch, frames, channels])
}

/// Mean and biased variance of each channel behind the rectifier.
fn moments(rows: &[f32], channels: usize, slope: f32) -> [Vec<f32>; 2] {
    let scale = channels as f32 / rows.len() as f32;
    let average = |centre: &[f32], power: fn(&[f32], &[f32], f32, &mut [f32])| {
        let parts = rows.par_chunks(ROWS * channels).map(|rows| {
            let mut part = vec![0.0; channels];
            power(rows, centre, slope, &mut part);
            part
        });
        let sums = sum_in_order(parts, channels);
        sums.into_iter().map(|sum| scale * sum).collect::<Vec<f32>>()
    };
    let mean = average(&vec![0.0; channels], add_deviations);
    let variance = average(&mean, add_squares);
    [mean, variance]
}

/// y = (r - mean) / deviation gamma + beta, with r what the rectifier leaves of x (Ioffe and Szegedy, "Batch
/// normalization", 2015, algorithm 1).
#[derive(Clone, Debug)]
struct Normalise {
    mean: Vec<f32>,
    inverse: Vec<f32>,
    slope: f32,
}

impl Kernel<3> for Normalise {
    /// The input and the gains.
    type Saved = (Values, Values);

    fn forward(&self, [x, gamma, beta]: [Values; 3]) -> (Values, Self::Saved) {
        let gains: Vec<f32> = gamma.iter().zip(&self.inverse).map(|(gamma, inverse)| gamma * inverse).collect();
        let shifts: Vec<f32> =
            beta.iter().zip(&self.mean).zip(&gains).map(|((b, mean), gain)| b - mean * gain).collect();
        let (size, mut y) = (ROWS * self.mean.len(), vec![0.0; x.len()]);
        let blocks = y.par_chunks_mut(size).zip(x.par_chunks(size));
        blocks.for_each(|(y, x)| normalise(x, &gains, &shifts, self.slope, y));
        (y.into(), (x, gamma))
    }

    fn backward(&self, (x, gamma): Self::Saved, mut gradient: Values, _wanted: [bool; 3]) -> [Option<Values>; 3] {
        let channels = self.mean.len();
        let size = ROWS * channels;
        let parts = x.par_chunks(size).zip(gradient.par_chunks(size)).map(|(x, gradient)| {
            let mut part = vec![0.0; 2 * channels];
            add_products(x, gradient, self, &mut part);
            part
        });
        let mut sums = sum_in_order(parts, 2 * channels);
        let shifts = sums.split_off(channels);
        let scale = channels as f32 / x.len() as f32;
        let blocks = gradient.make_mut().par_chunks_mut(size).zip(x.par_chunks(size));
        blocks.for_each(|(gradient, x)| differentiate(x, &gamma, [&sums, &shifts], scale, self, gradient));
        [Some(gradient), Some(sums.into()), Some(shifts.into())]
    }
}

#[inline(always)]
fn rectified(x: f32, slope: f32) -> f32 {
    if x > 0.0 { x } else { slope * x }
}

vectorized! {
    fn add_deviations(rows: &[f32], centre: &[f32], slope: f32, sums: &mut [f32]) {
        for row in rows.chunks_exact(sums.len()) {
            for ((sum, x), centre) in sums.iter_mut().zip(row).zip(centre) {
                *sum += rectified(*x, slope) - centre;
            }
        }
    }
}

vectorized! {
    fn add_squares(rows: &[f32], centre: &[f32], slope: f32, sums: &mut [f32]) {
        for row in rows.chunks_exact(sums.len()) {
            for ((sum, x), centre) in sums.iter_mut().zip(row).zip(centre) {
                let deviation = rectified(*x, slope) - centre;
                *sum += deviation * deviation;
            }
        }
    }
}

vectorized! {
    fn normalise(x: &[f32], gains: &[f32], shifts: &[f32], slope: f32, y: &mut [f32]) {
        for (x, y) in x.chunks_exact(gains.len()).zip(y.chunks_exact_mut(gains.len())) {
            for (((y, x), gain), shift) in y.iter_mut().zip(x).zip(gains).zip(shifts) {
                *y = rectified(*x, slope) * gain + shift;
            }
        }
    }
}

vectorized! {
    /// With h = (r - mean) / deviation, adds the sums of g h and of g, one behind the other.
    fn add_products(x: &[f32], gradient: &[f32], norm: &Normalise, sums: &mut [f32]) {
        let channels = norm.mean.len();
        let (along, all) = sums.split_at_mut(channels);
        for (x, gradient) in x.chunks_exact(channels).zip(gradient.chunks_exact(channels)) {
            let moments = norm.mean.iter().zip(&norm.inverse);
            let columns = along.iter_mut().zip(&mut *all).zip(x.iter().zip(gradient)).zip(moments);
            for (((along, all), (x, gradient)), (mean, inverse)) in columns {
                *along += gradient * (rectified(*x, norm.slope) - mean) * inverse;
                *all += gradient;
            }
        }
    }
}

vectorized! {
    /// The gradient of x, gamma / deviation (g - mean(g) - h mean(g h)) times the slope there, takes the place of `gradient`.
    fn differentiate(
        x: &[f32], gamma: &[f32], sums: [&[f32]; 2], scale: f32, norm: &Normalise, gradient: &mut [f32],
    ) {
        let channels = norm.mean.len();
        for (x, gradient) in x.chunks_exact(channels).zip(gradient.chunks_exact_mut(channels)) {
            let moments = norm.mean.iter().zip(&norm.inverse).zip(gamma);
            let columns = gradient.iter_mut().zip(x).zip(sums[0].iter().zip(sums[1])).zip(moments);
            for (((gradient, x), (along, all)), ((mean, inverse), gamma)) in columns {
                let normal = (rectified(*x, norm.slope) - mean) * inverse;
                let through = gamma * inverse * (*gradient - scale * (all + normal * along));
                *gradient = if *x > 0.0 { through } else { norm.slope * through };
            }
        }
    }
}
