//! Bottlenecks: a few weights to train beside others that stay.

use burn::module::Module;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use crate::ops::{linear, silu};

/// Chooses parts of a net by their names, such as `blocks.0.after`.
pub type Parts<'a> = &'a dyn Fn(&str) -> bool;

/// A bottleneck beside which its input passes, `x + up(silu(down(x)))` (Houlsby et al. 2019, section 2.1). It begins
/// without effect.
#[derive(Module, Debug)]
pub struct Bottleneck {
    down: Linear,
    up: Linear,
}

impl Bottleneck {
    /// One of `width` for frames of `dim`.
    pub fn new(dim: usize, width: usize, device: &Device) -> Self {
        let up = LinearConfig::new(width, dim).with_initializer(Initializer::Zeros);
        Self { down: LinearConfig::new(dim, width).init(device), up: up.init(device) }
    }

    /// # Shapes
    /// - `x`: (batch, frames, dim), as is what is returned
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let up = linear(&self.up, silu(linear(&self.down, x.clone())));
        let up = up.cast(x.dtype());
        x + up
    }
}
