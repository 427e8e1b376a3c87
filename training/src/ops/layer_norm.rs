use burn::nn::LayerNorm;
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::fused::{Kernel, Values, handle, record};
use super::simd::{sum, sum_pairs, vectorized};
use super::{ROWS, sum_in_order};

/// Added to the variance: burn's default, which a layer does not tell of itself. All our layers have it.
const EPSILON: f32 = 1e-5;

/// Layer normalisation over the last dimension, as [`LayerNorm::forward`], in the type of its gains.
pub(crate) fn layer_norm<const D: usize>(norm: &LayerNorm, x: Tensor<D>) -> Tensor<D> {
    let x = x.cast(norm.gamma.dtype());
    let beta = norm.beta.as_ref().and_then(|beta| handle(&beta.val()));
    match (handle(&x), handle(&norm.gamma.val()), beta) {
        (Some(values), Some(gamma), Some(beta)) => {
            let shape = x.dims();
            drop(x);
            record(Normalise { epsilon: EPSILON }, [values, gamma, beta], shape)
        }
        _ => norm.forward(x),
    }
}

/// y = (x - mean) / sqrt(variance + epsilon) gamma + beta (Ba et al., "Layer normalization", 2016), row by row.
#[derive(Clone, Copy, Debug)]
struct Normalise {
    epsilon: f32,
}

/// A row's mean, and the inverse of its deviation.
type Moments = [f32; 2];

impl Kernel<3> for Normalise {
    /// The input, the gains, and the moments of all rows.
    type Saved = (Values, Values, Vec<Moments>);

    fn forward(&self, [x, gamma, beta]: [Values; 3]) -> (Values, Self::Saved) {
        let width = gamma.len();
        let (mut y, mut moments) = (vec![0.0; x.len()], vec![Moments::default(); x.len() / width]);
        let blocks = y.par_chunks_mut(ROWS * width).zip(x.par_chunks(ROWS * width)).zip(moments.par_chunks_mut(ROWS));
        blocks.for_each(|((y, x), moments)| normalise(x, &gamma, &beta, self.epsilon, y, moments));
        (y.into(), (x, gamma, moments))
    }

    fn backward(&self, saved: Self::Saved, mut gradient: Values, _wanted: [bool; 3]) -> [Option<Values>; 3] {
        let (x, gamma, moments) = saved;
        let width = gamma.len();
        let blocks = gradient.make_mut().par_chunks_mut(ROWS * width).zip(x.par_chunks(ROWS * width));
        let parts = blocks.zip(moments.par_chunks(ROWS)).map(|((gradient, x), moments)| {
            let mut part = vec![0.0; 2 * width];
            let (gains, shifts) = part.split_at_mut(width);
            differentiate(x, &gamma, moments, gradient, gains, shifts);
            part
        });
        let mut parameters = sum_in_order(parts, 2 * width);
        let shifts = parameters.split_off(width);
        [Some(gradient), Some(parameters.into()), Some(shifts.into())]
    }
}

vectorized! {
    fn normalise(x: &[f32], gamma: &[f32], beta: &[f32], epsilon: f32, y: &mut [f32], moments: &mut [Moments]) {
        let width = gamma.len();
        let scale = 1.0 / width as f32;
        for ((x, y), moments) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(moments) {
            let mean = scale * sum(x, |x| x);
            let variance = scale * sum(x, |x| (x - mean) * (x - mean));
            let inverse = 1.0 / (variance + epsilon).sqrt();
            *moments = [mean, inverse];
            for (((y, x), gamma), beta) in y.iter_mut().zip(x).zip(gamma).zip(beta) {
                *y = (x - mean) * inverse * gamma + beta;
            }
        }
    }
}

vectorized! {
    /// With h = (x - mean) / deviation and g = gamma times the gradient, that of x is (g - mean(g) - h mean(g h)) /
    /// deviation; it takes the place of `gradient`.
    fn differentiate(
        x: &[f32], gamma: &[f32], moments: &[Moments], gradient: &mut [f32], gains: &mut [f32], shifts: &mut [f32],
    ) {
        let width = gamma.len();
        let scale = 1.0 / width as f32;
        let mut normal = vec![0.0_f32; width];
        for ((x, gradient), [mean, inverse]) in x.chunks_exact(width).zip(gradient.chunks_exact_mut(width)).zip(moments) {
            for (normal, x) in normal.iter_mut().zip(x) {
                *normal = (x - mean) * inverse;
            }
            for (((gain, shift), gradient), normal) in gains.iter_mut().zip(&mut *shifts).zip(&*gradient).zip(&normal) {
                *gain += gradient * normal;
                *shift += gradient;
            }
            for (gradient, gamma) in gradient.iter_mut().zip(gamma) {
                *gradient *= gamma;
            }
            let mean = scale * sum(gradient, |g| g);
            let along = scale * sum_pairs(gradient, &normal, |g, normal| g * normal);
            for (gradient, normal) in gradient.iter_mut().zip(&normal) {
                *gradient = (*gradient - mean - normal * along) * inverse;
            }
        }
    }
}
