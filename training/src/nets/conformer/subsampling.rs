use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use super::ConformerConfig;
use crate::ops::{dropout, linear, silu, windows};

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
        let stacked =
            self.layers.iter().fold(features, |x, layer| silu(linear(layer, windows(x, KERNEL, 2, 1, false))));
        dropout(linear(&self.out, stacked), &self.dropout)
    }
}
