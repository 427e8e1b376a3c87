use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::fused::{Kernel, Values, handle, record};
use super::matrix::{Matrix, multiply_alone};
use super::sum_in_order;

/// Rows of an image that a thread takes at a time for the gradient of the weights.
const LINES: usize = 64;

/// A convolution over two dimensions with the channels last, in the type of its weights, as [`Conv2d::forward`]; what it
/// gives is in the type that was given.
///
/// # Shapes
/// (batch, height, width, channels), in and out
pub(crate) fn conv2d(layer: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    let given = x.dtype();
    let (weight, bias) = (layer.weight.val(), layer.bias.as_ref().map(|bias| bias.val()));
    if let (Some(geometry), Some(bias)) = (Geometry::of(layer, x.dims()), &bias)
        && let (Some(values), Some(weight), Some(bias)) = (handle(&x), handle(&weight), handle(bias))
    {
        let batch = x.dims()[0];
        drop(x);
        let [height, width] = geometry.out;
        return record(geometry, [values, weight, bias], [batch, height, width, geometry.channels[1]]);
    }
    let y = layer.forward(x.permute([0, 3, 1, 2]).cast(layer.weight.dtype())).cast(given);
    y.permute([0, 2, 3, 1])
}

/// The sizes of a convolution of one group and without gaps.
#[derive(Clone, Copy, Debug)]
struct Geometry {
    /// Height and width that come in.
    size: [usize; 2],
    /// Height and width that go out.
    out: [usize; 2],
    /// Channels in and out.
    channels: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    /// Zeros above and to the left.
    before: [usize; 2],
}

impl Geometry {
    fn of(layer: &Conv2d, [_, height, width, from]: [usize; 4]) -> Option<Self> {
        let (before, after) = match layer.padding {
            PaddingConfig2d::Valid => ([0, 0], [0, 0]),
            PaddingConfig2d::Explicit(top, left, bottom, right) => ([top, left], [bottom, right]),
            PaddingConfig2d::Same => return None,
        };
        let Conv2d { kernel_size: kernel, stride, dilation, groups, .. } = *layer;
        let size = [height, width];
        let fits = (0..2).all(|axis| size[axis] + before[axis] + after[axis] >= kernel[axis]);
        (groups == 1 && dilation == [1, 1] && fits).then(|| {
            let out = [0, 1].map(|axis| (size[axis] + before[axis] + after[axis] - kernel[axis]) / stride[axis] + 1);
            Self { size, out, channels: [from, layer.weight.dims()[0]], kernel, stride, before }
        })
    }

    /// Values under the kernel.
    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.channels[0]
    }

    /// Values of an image that comes in.
    fn image(&self) -> usize {
        self.size[0] * self.size[1] * self.channels[0]
    }

    /// Values of a row of an image that goes out.
    fn line(&self) -> usize {
        self.out[1] * self.channels[1]
    }

    /// Where in the input the values under a tap of a place begin, and where they stand among the taps; `None` in the
    /// padding.
    fn under(&self, [row, column]: [usize; 2], [down, right]: [usize; 2]) -> Option<(usize, usize)> {
        let [from, _] = self.channels;
        let y = (row * self.stride[0] + down).checked_sub(self.before[0]).filter(|y| *y < self.size[0])?;
        let x = (column * self.stride[1] + right).checked_sub(self.before[1]).filter(|x| *x < self.size[1])?;
        Some(((y * self.size[1] + x) * from, (down * self.kernel[1] + right) * from))
    }

    /// Calls with the place in `image` and in the row of patches of each run of channels under the kernel.
    fn each(&self, row: usize, mut call: impl FnMut(usize, usize)) {
        let taps = self.taps();
        for column in 0..self.out[1] {
            for (down, right) in
                (0..self.kernel[0]).flat_map(|down| (0..self.kernel[1]).map(move |right| (down, right)))
            {
                if let Some((from, at)) = self.under([row, column], [down, right]) {
                    call(from, column * taps + at);
                }
            }
        }
    }

    /// What lies under the kernel at each place of a row: (width out, taps).
    fn patches(&self, image: &[f32], row: usize, patches: &mut [f32]) {
        let from = self.channels[0];
        patches.fill(0.0);
        self.each(row, |at, to| patches[to..to + from].copy_from_slice(&image[at..at + from]));
    }

    /// The weights as PyTorch has them, (out, in, height, width), in the order of the taps: (taps, out).
    fn by_taps(&self, weight: &[f32]) -> Vec<f32> {
        let mut sorted = vec![0.0; weight.len()];
        self.pairs(|theirs, ours| sorted[ours] = weight[theirs]);
        sorted
    }

    /// Calls with the place of each weight in PyTorch's order and in that of the taps.
    fn pairs(&self, mut call: impl FnMut(usize, usize)) {
        let ([from, to], [height, width]) = (self.channels, self.kernel);
        for (out, channel) in (0..to).flat_map(|out| (0..from).map(move |channel| (out, channel))) {
            for tap in 0..height * width {
                call((out * from + channel) * height * width + tap, (tap * from + channel) * to + out);
            }
        }
    }
}

impl Kernel<3> for Geometry {
    /// The input, and the weights in the order of the taps.
    type Saved = (Values, Vec<f32>);

    fn forward(&self, [x, weight, bias]: [Values; 3]) -> (Values, Self::Saved) {
        let (taps, line, [_, to]) = (self.taps(), self.line(), self.channels);
        let weight = self.by_taps(&weight);
        let images = x.len() / self.image();
        let mut y = vec![0.0; images * self.out[0] * line];
        let patches = || vec![0.0; self.out[1] * taps];
        y.par_chunks_mut(line).enumerate().for_each_init(patches, |patches, (number, y)| {
            let image = &x[number / self.out[0] * self.image()..][..self.image()];
            self.patches(image, number % self.out[0], patches);
            y.chunks_exact_mut(to).for_each(|y| y.copy_from_slice(&bias));
            let (patches, weight) =
                (Matrix::new(patches, [self.out[1], taps], taps), Matrix::new(&weight, [taps, to], to));
            multiply_alone(y, to, patches, weight, true);
        });
        (y.into(), (x, weight))
    }

    fn backward(&self, (x, weight): Self::Saved, gradient: Values, wanted: [bool; 3]) -> [Option<Values>; 3] {
        let (taps, line, [_, to]) = (self.taps(), self.line(), self.channels);
        let patches = || vec![0.0; self.out[1] * taps];
        let below = wanted[0].then(|| {
            let mut below = vec![0.0; x.len()];
            let images = below.par_chunks_mut(self.image()).zip(gradient.par_chunks(self.out[0] * line));
            images.for_each_init(patches, |patches, (below, gradient)| {
                let from = self.channels[0];
                for (row, gradient) in gradient.chunks_exact(line).enumerate() {
                    let above = Matrix::new(gradient, [self.out[1], to], to);
                    multiply_alone(patches, taps, above, Matrix::new(&weight, [taps, to], to).transposed(), false);
                    self.each(row, |at, to| {
                        let (below, patch) = (&mut below[at..at + from], &patches[to..to + from]);
                        below.iter_mut().zip(patch).for_each(|(below, patch)| *below += patch);
                    });
                }
            });
            below.into()
        });
        // For each block of rows, the gradient of the weights in the order of the taps, and that of the bias.
        let parts = gradient.par_chunks(LINES * line).enumerate().map_init(patches, |patches, (block, gradient)| {
            let mut part = vec![0.0; (taps + 1) * to];
            let (weights, biases) = part.split_at_mut(taps * to);
            for (number, gradient) in gradient.chunks_exact(line).enumerate().map(|(n, line)| (block * LINES + n, line))
            {
                let image = &x[number / self.out[0] * self.image()..][..self.image()];
                self.patches(image, number % self.out[0], patches);
                let patches = Matrix::new(patches, [self.out[1], taps], taps).transposed();
                multiply_alone(weights, to, patches, Matrix::new(gradient, [self.out[1], to], to), true);
                for gradient in gradient.chunks_exact(to) {
                    biases.iter_mut().zip(gradient).for_each(|(bias, gradient)| *bias += gradient);
                }
            }
            part
        });
        let mut sorted = sum_in_order(parts, (taps + 1) * to);
        let biases = sorted.split_off(taps * to);
        let mut weights = vec![0.0; taps * to];
        self.pairs(|theirs, ours| weights[theirs] = sorted[ours]);
        [below, Some(weights.into()), Some(biases.into())]
    }
}
