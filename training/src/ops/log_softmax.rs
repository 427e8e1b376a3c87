use burn::tensor::{DType, Tensor, activation};
use rayon::prelude::*;

use super::ROWS;
use super::fused::{Kernel, Values, handle, record};
use super::simd::{exp, largest, sum, vectorized};

/// The logarithm of the softmax over the last dimension, as [`activation::log_softmax`], in 32-bit floats.
pub(crate) fn log_softmax<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let x = x.cast(DType::F32);
    match handle(&x) {
        Some(values) => {
            let shape = x.dims();
            drop(x);
            record(LogSoftmax { width: shape[D - 1] }, [values], shape)
        }
        None => activation::log_softmax(x, D - 1),
    }
}

vectorized! {
    /// The logarithm of the sum of exponentials, the denominator of a softmax.
    pub(crate) fn log_denominator(values: &[f32]) -> f32 {
        let most = largest(values);
        most + sum(values, |value| exp(value - most)).ln()
    }
}

vectorized! {
    /// Replaces values by the exponentials of what they are above `shift`.
    pub(crate) fn shifted_exp(values: &mut [f32], shift: f32) {
        values.iter_mut().for_each(|value| *value = exp(*value - shift));
    }
}

#[derive(Clone, Copy, Debug)]
struct LogSoftmax {
    width: usize,
}

impl Kernel<1> for LogSoftmax {
    /// The output.
    type Saved = Values;

    fn forward(&self, [mut x]: [Values; 1]) -> (Values, Values) {
        x.make_mut().par_chunks_mut(ROWS * self.width).for_each(|rows| normalise(rows, self.width));
        (x.clone(), x)
    }

    fn backward(&self, y: Values, mut gradient: Values, _wanted: [bool; 1]) -> [Option<Values>; 1] {
        let size = ROWS * self.width;
        let blocks = gradient.make_mut().par_chunks_mut(size).zip(y.par_chunks(size));
        blocks.for_each(|(gradient, y)| differentiate(y, self.width, gradient));
        [Some(gradient)]
    }
}

vectorized! {
    fn normalise(rows: &mut [f32], width: usize) {
        for row in rows.chunks_exact_mut(width) {
            let most = largest(row);
            let denominator = most + sum(row, |value| exp(value - most)).ln();
            row.iter_mut().for_each(|value| *value -= denominator);
        }
    }
}

vectorized! {
    /// The gradient of the input, g - softmax(x) sum(g), takes the place of `gradient`.
    fn differentiate(y: &[f32], width: usize, gradient: &mut [f32]) {
        for (y, gradient) in y.chunks_exact(width).zip(gradient.chunks_exact_mut(width)) {
            let total = sum(gradient, |gradient| gradient);
            for (gradient, y) in gradient.iter_mut().zip(y) {
                *gradient -= exp(*y) * total;
            }
        }
    }
}
