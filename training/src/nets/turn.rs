//! The net that tells whether a turn is over: features of the last seconds in, one number out.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{DType, Device, Tensor};

use super::blocks::{self, Attention, ConvBlock, ConvBlockConfig};
use crate::ops::{layer_norm, linear, relu};

/// Configuration of a [`TurnNet`].
#[derive(Config, Debug)]
pub struct TurnNetConfig {
    /// Values in a feature frame.
    pub bins: usize,
    /// Feature frames that the net takes, a multiple of `stack`.
    pub frames: usize,
    /// Feature frames that are looked at together.
    #[config(default = 4)]
    pub stack: usize,
    /// Channels.
    pub width: usize,
    /// Blocks of a convolution each; attention follows the first half of them and the last.
    pub blocks: usize,
    /// Stacked frames under a convolution.
    #[config(default = 9)]
    pub kernel: usize,
    /// Heads of the attention.
    #[config(default = 4)]
    pub heads: usize,
    /// The share of values that are dropped in training.
    #[config(default = 0.1)]
    pub dropout: f64,
}

/// Frames are stacked, four of a filterbank or one of an encoder's states; convolutions and attention follow; the answer is
/// drawn from the newest position and from the mean of all.
#[derive(Module, Debug)]
pub struct TurnNet {
    mean: Param<Tensor<1>>,
    scale: Param<Tensor<1>>,
    stack: Linear,
    place: Param<Tensor<2>>,
    blocks: Vec<ConvBlock>,
    attention: Vec<Attention>,
    norm: LayerNorm,
    dropout: Dropout,
    wide: Linear,
    narrow: Linear,
    #[module(skip)]
    stacked: usize,
}

impl TurnNetConfig {
    /// A net with fresh weights.
    pub fn init(&self, device: &Device) -> TurnNet {
        let block = ConvBlockConfig::new(self.width, self.kernel).with_expansion(2);
        TurnNet {
            mean: Param::from_tensor(Tensor::zeros([self.bins], device)).set_require_grad(false),
            scale: Param::from_tensor(Tensor::ones([self.bins], device)).set_require_grad(false),
            stack: LinearConfig::new(self.stack * self.bins, self.width).init(device),
            place: Param::from_tensor(Tensor::zeros([self.frames / self.stack.max(1), self.width], device)),
            blocks: (0..self.blocks).map(|_| block.init(device)).collect(),
            attention: (0..2).map(|_| Attention::new(self.width, self.heads, device)).collect(),
            norm: LayerNormConfig::new(self.width).init(device),
            dropout: DropoutConfig::new(self.dropout).init(),
            wide: LinearConfig::new(2 * self.width, self.width).init(device),
            narrow: LinearConfig::new(self.width, 1).init(device),
            stacked: self.stack,
        }
    }
}

impl TurnNet {
    /// The net with features normalised by `mean` and `deviation` of the training data, (bins) each.
    pub fn with_statistics(mut self, mean: &[f32], deviation: &[f32]) -> Self {
        [self.mean, self.scale] = blocks::statistics([self.mean, self.scale], mean, deviation);
        self
    }

    /// # Shapes
    /// - features: (batch, frames, bins), the last frame now
    /// - returns: (batch), the log-odds that the turn is over
    pub fn forward(&self, features: Tensor<3>) -> Tensor<1> {
        let [batch, frames, bins] = features.dims();
        let positions = frames / self.stacked;
        let x = blocks::normalise(features, &self.mean, &self.scale);
        let x = linear(&self.stack, x.reshape([batch, positions, self.stacked * bins])).cast(DType::F32); // (batch, positions, width)
        let width = x.dims()[2];
        let mut x = x + self.place.val().reshape([1, positions, width]);
        let half = self.blocks.len().div_ceil(2);
        for (number, block) in self.blocks.iter().enumerate() {
            x = block.forward(x, None);
            let after = [half, self.blocks.len()].iter().position(|after| *after == number + 1);
            if let Some(attention) = after.and_then(|after| self.attention.get(after)) {
                x = attention.forward(x, None);
            }
        }
        let x = layer_norm(&self.norm, x);
        let newest = x.clone().narrow(1, positions - 1, 1).reshape([batch, width]);
        let mean = x.mean_dim(1).reshape([batch, width]);
        let heard = self.dropout.forward(Tensor::cat(vec![newest, mean], 1)); // (batch, 2 width)
        let wide = relu(linear(&self.wide, heard));
        linear(&self.narrow, wide).cast(DType::F32).reshape([batch])
    }
}
