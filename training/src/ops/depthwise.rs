use burn::nn::conv::Conv1d;
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::fused::{Kernel, Values, handle, record};
use super::simd::vectorized;
use super::sum_in_order;

/// A depthwise convolution over time with stride 1, after `left` frames of zeros, in the type of its weights.
///
/// # Shapes
/// - `x`: (batch, frames, channels)
/// - returns: (batch, left + frames - (kernel - 1) dilation, channels)
pub(crate) fn depthwise(convolution: &Conv1d, x: Tensor<3>, left: usize) -> Tensor<3> {
    let x = x.cast(convolution.weight.dtype());
    let ([batch, frames, channels], [_, _, kernel]) = (x.dims(), convolution.weight.dims());
    let sizes = Depthwise { frames, channels, kernel, dilation: convolution.dilation, left };
    let bias = convolution.bias.as_ref().and_then(|bias| handle(&bias.val()));
    match (handle(&x), handle(&convolution.weight.val()), bias) {
        (Some(values), Some(weight), Some(bias)) => {
            drop(x);
            record(sizes, [values, weight, bias], [batch, sizes.frames_out(), channels])
        }
        _ => plain(convolution, x, left),
    }
}

/// With gradients it is written as a sum over its taps, because backends differentiate a depthwise convolution one
/// channel after the other.
fn plain(convolution: &Conv1d, x: Tensor<3>, left: usize) -> Tensor<3> {
    let [batch, _, channels] = x.dims();
    let x = match left {
        0 => x,
        _ => Tensor::cat(vec![Tensor::zeros([batch, left, channels], &x.device()), x], 1),
    };
    if !x.device().is_autodiff() {
        return convolution.forward(x.swap_dims(1, 2)).swap_dims(1, 2);
    }
    let ([_, time, _], [_, _, kernel]) = (x.dims(), convolution.weight.dims());
    let frames = time - (kernel - 1) * convolution.dilation;
    let taps = convolution.weight.val().reshape([channels, kernel]).swap_dims(0, 1);
    let tap = |k: usize| {
        let shifted = x.clone().narrow(1, k * convolution.dilation, frames);
        shifted * taps.clone().slice([k..k + 1, 0..channels]).reshape([1, 1, channels])
    };
    let sum = (1..kernel).fold(tap(0), |sum, k| sum + tap(k));
    match &convolution.bias {
        Some(bias) => sum + bias.val().reshape([1, 1, channels]),
        None => sum,
    }
}

#[derive(Clone, Copy, Debug)]
struct Depthwise {
    frames: usize,
    channels: usize,
    kernel: usize,
    /// Frames from one tap to the next.
    dilation: usize,
    left: usize,
}

impl Depthwise {
    /// The output frame, the tap and the input frame of all products of frames and taps.
    #[inline(always)]
    fn products(self) -> impl Iterator<Item = (usize, usize, usize)> {
        let Self { kernel, dilation, left, .. } = self;
        let taps = (0..self.frames_out()).flat_map(move |to| (0..kernel).map(move |tap| (to, tap)));
        taps.filter_map(move |(to, tap)| (to + tap * dilation).checked_sub(left).map(|from| (to, tap, from)))
    }

    /// The weights, (channels, kernel) as they are kept, as (kernel, channels).
    fn taps(self, weight: &[f32]) -> Vec<f32> {
        let at = |index: usize| weight[index % self.channels * self.kernel + index / self.channels];
        (0..weight.len()).map(at).collect()
    }

    fn frames_out(self) -> usize {
        self.left + self.frames - (self.kernel - 1) * self.dilation
    }
}

impl Kernel<3> for Depthwise {
    /// The input and the taps.
    type Saved = (Values, Vec<f32>);

    fn forward(&self, [x, weight, bias]: [Values; 3]) -> (Values, Self::Saved) {
        let (taps, frames_out) = (self.taps(&weight), self.frames_out());
        let (size, size_out) = (self.frames * self.channels, frames_out * self.channels);
        let mut y = vec![0.0; x.len() / size * size_out];
        y.par_chunks_mut(size_out).zip(x.par_chunks(size)).for_each(|(y, x)| convolve(*self, x, &taps, &bias, y));
        (y.into(), (x, taps))
    }

    fn backward(&self, saved: Self::Saved, gradient: Values, _wanted: [bool; 3]) -> [Option<Values>; 3] {
        let (x, taps) = saved;
        let (size, size_out) = (self.frames * self.channels, self.frames_out() * self.channels);
        let mut below = vec![0.0; x.len()];
        let clips = below.par_chunks_mut(size).zip(x.par_chunks(size)).zip(gradient.par_chunks(size_out));
        let parts = clips.map(|((below, x), gradient)| {
            let mut part = vec![0.0; taps.len() + self.channels];
            differentiate(*self, x, &taps, gradient, below, &mut part);
            part
        });
        let mut parameters = sum_in_order(parts, taps.len() + self.channels);
        let bias = parameters.split_off(taps.len());
        let at = |index: usize| parameters[index % self.kernel * self.channels + index / self.kernel];
        let weight: Vec<f32> = (0..taps.len()).map(at).collect();
        [Some(below.into()), Some(weight.into()), Some(bias.into())]
    }
}

vectorized! {
    fn convolve(sizes: Depthwise, x: &[f32], taps: &[f32], bias: &[f32], y: &mut [f32]) {
        let row = |index: usize| index * sizes.channels..(index + 1) * sizes.channels;
        y.chunks_exact_mut(sizes.channels).for_each(|y| y.copy_from_slice(bias));
        for (to, tap, from) in sizes.products() {
            for ((y, x), weight) in y[row(to)].iter_mut().zip(&x[row(from)]).zip(&taps[row(tap)]) {
                *y += x * weight;
            }
        }
    }
}

vectorized! {
    /// Adds to the gradient of the input in `below`, and of the taps and the bias, one behind the other, in `parameters`.
    fn differentiate(
        sizes: Depthwise, x: &[f32], taps: &[f32], gradient: &[f32], below: &mut [f32], parameters: &mut [f32],
    ) {
        let row = |index: usize| index * sizes.channels..(index + 1) * sizes.channels;
        let (weights, bias) = parameters.split_at_mut(taps.len());
        for gradient in gradient.chunks_exact(sizes.channels) {
            for (bias, gradient) in bias.iter_mut().zip(gradient) {
                *bias += gradient;
            }
        }
        for (to, tap, from) in sizes.products() {
            let gradient = &gradient[row(to)];
            for ((below, gradient), weight) in below[row(from)].iter_mut().zip(gradient).zip(&taps[row(tap)]) {
                *below += gradient * weight;
            }
            for ((weight, gradient), x) in weights[row(tap)].iter_mut().zip(gradient).zip(&x[row(from)]) {
                *weight += gradient * x;
            }
        }
    }
}
