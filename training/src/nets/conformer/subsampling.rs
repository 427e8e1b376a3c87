use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::activation::silu;
use burn::tensor::{Device, Tensor};

use super::ConformerConfig;

/// Frames that one strided convolution sees.
const KERNEL: usize = 3;

/// Three convolutions over time with stride 2 and kernel 3, each written as a matrix product over three neighbouring
/// frames: on a CPU that trains many times faster than convolutions over time and frequency. They are unpadded: a
/// caller gives the frames to the left.
#[derive(Module, Debug)]
pub(super) struct Subsampling {
    layers: Vec<Linear>,
    out: Linear,
    dropout: Dropout,
}

impl Subsampling {
    pub(super) fn new(config: &ConformerConfig, device: &Device) -> Self {
        let channels = config.channels;
        let strided = |from: usize| LinearConfig::new(KERNEL * from, channels).init(device);
        Self {
            layers: vec![strided(config.bins), strided(channels), strided(channels)],
            out: LinearConfig::new(channels, config.dim).init(device),
            dropout: DropoutConfig::new(config.dropout).init(),
        }
    }

    /// # Shapes
    /// - `features`: (batch, 14 + 8 frames, bins)
    /// - returns: (batch, frames, dim)
    pub(super) fn forward(&self, features: Tensor<3>) -> Tensor<3> {
        let stacked = self.layers.iter().fold(features, |x, layer| silu(layer.forward(neighbours(x))));
        self.dropout.forward(self.out.forward(stacked))
    }
}

/// Frames 2t, 2t + 1 and 2t + 2 beside each other: (batch, 2n, width) to (batch, n - 1, 3 width).
fn neighbours(x: Tensor<3>) -> Tensor<3> {
    let [batch, frames, width] = x.dims();
    let pairs = x.reshape([batch, frames / 2, 2 * width]);
    let next = pairs.clone().narrow(1, 1, frames / 2 - 1).narrow(2, 0, width);
    Tensor::cat(vec![pairs.narrow(1, 0, frames / 2 - 1), next], 2)
}
