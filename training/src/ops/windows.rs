use burn::tensor::Tensor;
use burn::tensor::ops::PadMode;
use rayon::prelude::*;

use super::fused::{Kernel, Values, handle, record};

/// The frames under each place of a kernel beside each other, from the first tap to the last, so that a convolution is a
/// matrix product. With `mirrored` ends there are as many places as frames (`stride` 1, an odd `kernel`), else those that
/// lie within the frames.
///
/// # Shapes
/// (batch, frames, width) to (batch, places, kernel x width)
pub(crate) fn windows(x: Tensor<3>, kernel: usize, stride: usize, dilation: usize, mirrored: bool) -> Tensor<3> {
    if kernel == 1 && stride == 1 {
        return x;
    }
    let [batch, frames, width] = x.dims();
    let side = if mirrored { dilation * (kernel - 1) / 2 } else { 0 };
    let places = (frames + 2 * side - dilation * (kernel - 1) - 1) / stride + 1;
    let sizes = Windows { frames, width, kernel, stride, dilation, side, places };
    match handle(&x) {
        Some(values) => {
            drop(x);
            record(sizes, [values], [batch, places, kernel * width])
        }
        None => sizes.plain(x),
    }
}

#[derive(Clone, Copy, Debug)]
struct Windows {
    frames: usize,
    width: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    side: usize,
    places: usize,
}

impl Windows {
    fn plain(self, x: Tensor<3>) -> Tensor<3> {
        let Self { frames, width, kernel, stride, dilation, side, places } = self;
        if stride == 2 && kernel == 3 && dilation == 1 && side == 0 && frames.is_multiple_of(2) {
            // Frames 2t and 2t + 1 beside each other, and 2t + 2: views and one copy.
            let batch = x.dims()[0];
            let pairs = x.reshape([batch, frames / 2, 2 * width]);
            let next = pairs.clone().narrow(1, 1, places).narrow(2, 0, width);
            return Tensor::cat(vec![pairs.narrow(1, 0, places), next], 2);
        }
        assert_eq!(stride, 1, "windows two frames apart need a kernel of 3 and an even number of frames");
        let padded = if side == 0 { x } else { x.pad([(side, side), (0, 0)], PadMode::Reflect) };
        Tensor::cat((0..kernel).map(|tap| padded.clone().narrow(1, tap * dilation, places)).collect(), 2)
    }

    /// The frame under a tap.
    fn frame(self, place: usize, tap: usize) -> usize {
        let at = place * self.stride + tap * self.dilation;
        let frame = at.abs_diff(self.side); // mirrored at the first frame
        if at >= self.side && frame >= self.frames { 2 * (self.frames - 1) - frame } else { frame }
    }
}

impl Kernel<1> for Windows {
    type Saved = ();

    fn forward(&self, [x]: [Values; 1]) -> (Values, ()) {
        let (size, size_out) = (self.frames * self.width, self.places * self.kernel * self.width);
        let mut y = vec![0.0; x.len() / size * size_out];
        y.par_chunks_mut(size_out).zip(x.par_chunks(size)).for_each(|(y, x)| {
            for (index, y) in y.chunks_exact_mut(self.width).enumerate() {
                let frame = self.frame(index / self.kernel, index % self.kernel);
                y.copy_from_slice(&x[frame * self.width..(frame + 1) * self.width]);
            }
        });
        (y.into(), ())
    }

    fn backward(&self, (): (), gradient: Values, _wanted: [bool; 1]) -> [Option<Values>; 1] {
        let (size, size_out) = (self.frames * self.width, self.places * self.kernel * self.width);
        let mut below = vec![0.0; gradient.len() / size_out * size];
        below.par_chunks_mut(size).zip(gradient.par_chunks(size_out)).for_each(|(below, gradient)| {
            for (index, gradient) in gradient.chunks_exact(self.width).enumerate() {
                let frame = self.frame(index / self.kernel, index % self.kernel);
                let below = &mut below[frame * self.width..(frame + 1) * self.width];
                below.iter_mut().zip(gradient).for_each(|(below, gradient)| *below += gradient);
            }
        });
        [Some(below.into())]
    }
}
