use burn::module::Module;
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use super::ConformerConfig;
use crate::ops::{depthwise, dropout, glu, layer_norm, linear, silu};

/// The convolution module of a block, causal in time.
#[derive(Module, Debug)]
pub(super) struct Convolution {
    norm: LayerNorm,
    expand: Linear,
    depthwise: Conv1d,
    middle: LayerNorm,
    out: Linear,
    dropout: Dropout,
    kernel: usize,
}

impl Convolution {
    pub(super) fn new(config: &ConformerConfig, device: &Device) -> Self {
        let dim = config.dim;
        Self {
            norm: LayerNormConfig::new(dim).init(device),
            expand: LinearConfig::new(dim, 2 * dim).init(device),
            depthwise: Conv1dConfig::new(dim, dim, config.kernel).with_groups(dim).init(device),
            middle: LayerNormConfig::new(dim).init(device),
            out: LinearConfig::new(dim, dim).init(device),
            dropout: DropoutConfig::new(config.dropout).init(),
            kernel: config.kernel,
        }
    }

    /// # Shapes
    /// (batch, frames, dim), in and out
    pub(super) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let gated = self.gated(x);
        self.finish(depthwise(&self.depthwise, gated, self.kernel - 1))
    }

    /// The next frames of a stream.
    ///
    /// # Shapes
    /// - `x`: (batch, frames, dim)
    /// - `cache`: (batch, kernel - 1, dim), what the depthwise convolution saw before
    /// - returns: (batch, frames, dim) and the next cache
    pub(super) fn step(&self, x: Tensor<3>, cache: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let frames = x.dims()[1];
        let seen = Tensor::cat(vec![cache, self.gated(x)], 1); // (batch, kernel - 1 + frames, dim)
        let next = seen.clone().narrow(1, frames, self.kernel - 1);
        (self.finish(depthwise(&self.depthwise, seen, 0)), next)
    }

    fn gated(&self, x: Tensor<3>) -> Tensor<3> {
        glu(linear(&self.expand, layer_norm(&self.norm, x)))
    }

    fn finish(&self, mixed: Tensor<3>) -> Tensor<3> {
        dropout(linear(&self.out, silu(layer_norm(&self.middle, mixed))), &self.dropout)
    }
}
