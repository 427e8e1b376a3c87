use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use crate::ops::{batch_norm, linear, windows};

/// A convolution over time, a leaky rectifier and batch normalisation, in this order: SpeechBrain's `TDNNBlock`.
///
/// The convolution is a matrix product over the frames under the kernel, beside each other: on a CPU that is faster than
/// a convolution, and it is what an export can bring to 8 bits.
#[derive(Module, Debug)]
pub(super) struct Tdnn {
    conv: Linear,
    norm: BatchNorm,
    kernel: usize,
    dilation: usize,
    slope: f64,
}

impl Tdnn {
    /// `slope` is that of the rectifier below zero.
    pub(super) fn new([from, to]: [usize; 2], [kernel, dilation]: [usize; 2], slope: f64, device: &Device) -> Self {
        Self {
            conv: LinearConfig::new(kernel * from, to).init(device),
            norm: BatchNormConfig::new(to).init(device),
            kernel,
            dilation,
            slope,
        }
    }

    /// # Shapes
    /// - `x`: (batch, frames, from), with more frames than one side of the kernel
    /// - returns: (batch, frames, to)
    pub(super) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let y = linear(&self.conv, windows(x, self.kernel, 1, self.dilation, true));
        batch_norm(&self.norm, y, self.slope)
    }
}
