use burn::module::Module;
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::{glu, silu};
use burn::tensor::{Device, Tensor};

use super::ConformerConfig;
use crate::nets::depthwise::depthwise;

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
    /// - `x`: (batch, frames, dim)
    /// - `cache`: (batch, kernel - 1, dim), what the depthwise convolution saw before
    /// - returns: (batch, frames, dim) and the next cache
    pub(super) fn forward(&self, x: Tensor<3>, cache: Option<Tensor<3>>) -> (Tensor<3>, Tensor<3>) {
        let [batch, frames, dim] = x.dims();
        let gated = glu(self.expand.forward(self.norm.forward(x)), 2); // (batch, frames, dim)
        let cache = cache.unwrap_or_else(|| Tensor::zeros([batch, self.kernel - 1, dim], &gated.device()));
        let seen = Tensor::cat(vec![cache, gated], 1); // (batch, kernel - 1 + frames, dim)
        let next = seen.clone().narrow(1, frames, self.kernel - 1);
        let mixed = depthwise(&self.depthwise, seen); // (batch, frames, dim)
        let out = self.out.forward(silu(self.middle.forward(mixed)));
        (self.dropout.forward(out), next)
    }
}
