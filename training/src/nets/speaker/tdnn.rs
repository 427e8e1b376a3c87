use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::activation::{leaky_relu, relu};
use burn::tensor::ops::PadMode;
use burn::tensor::{Device, Tensor};

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
        let y = self.conv.forward(neighbours(x, self.kernel, self.dilation));
        let y = if self.slope == 0.0 { relu(y) } else { leaky_relu(y, self.slope) };
        normalise(&self.norm, y)
    }
}

/// Batch normalisation of channels that come last.
///
/// # Shapes
/// (batch, frames, channels), in and out
pub(super) fn normalise(norm: &BatchNorm, x: Tensor<3>) -> Tensor<3> {
    let [batch, frames, channels] = x.dims();
    norm.forward(x.reshape([batch * frames, channels])).reshape([batch, frames, channels])
}

/// The frames under the kernel beside each other, from the first tap to the last; both ends are mirrored.
///
/// # Shapes
/// (batch, frames, channels) to (batch, frames, kernel x channels)
fn neighbours(x: Tensor<3>, kernel: usize, dilation: usize) -> Tensor<3> {
    if kernel == 1 {
        return x;
    }
    let frames = x.dims()[1];
    let side = dilation * (kernel - 1) / 2;
    let padded = x.pad([(side, side), (0, 0)], PadMode::Reflect);
    Tensor::cat((0..kernel).map(|tap| padded.clone().narrow(1, tap * dilation, frames)).collect(), 2)
}
