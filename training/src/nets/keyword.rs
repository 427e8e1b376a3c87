//! The net that spots keywords: features in, log-odds of each keyword for each frame out. It sees only the past.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{DType, Device, Tensor};

use super::blocks::{self, ConvBlock, ConvBlockConfig};
use crate::ops::{layer_norm, linear};

/// Configuration of a [`KeywordNet`].
#[derive(Config, Debug)]
pub struct KeywordNetConfig {
    /// Values in a feature frame.
    pub bins: usize,
    /// Channels.
    #[config(default = 64)]
    pub width: usize,
    /// Causal blocks of a convolution each.
    #[config(default = 5)]
    pub blocks: usize,
    /// Frames of 20 ms under a convolution. All blocks together see `blocks * (kernel - 1)` frames of the past.
    #[config(default = 13)]
    pub kernel: usize,
    /// The share of values that are dropped in training.
    #[config(default = 0.1)]
    pub dropout: f64,
}

/// Two feature frames are stacked; causal convolutions follow, and one linear layer.
#[derive(Module, Debug)]
pub struct KeywordNet {
    mean: Param<Tensor<1>>,
    scale: Param<Tensor<1>>,
    stack: Linear,
    blocks: Vec<ConvBlock>,
    norm: LayerNorm,
    dropout: Dropout,
    output: Linear,
    kernel: usize,
}

impl KeywordNetConfig {
    /// Feature frames for each frame of the output.
    pub const SUBSAMPLING: usize = 2;

    /// A net with fresh weights for so many keywords.
    pub fn init(&self, keywords: usize, device: &Device) -> KeywordNet {
        let block = ConvBlockConfig::new(self.width, self.kernel).with_expansion(2).with_causal(true);
        KeywordNet {
            mean: Param::from_tensor(Tensor::zeros([self.bins], device)).set_require_grad(false),
            scale: Param::from_tensor(Tensor::ones([self.bins], device)).set_require_grad(false),
            stack: LinearConfig::new(Self::SUBSAMPLING * self.bins, self.width).init(device),
            blocks: (0..self.blocks).map(|_| block.init(device)).collect(),
            norm: LayerNormConfig::new(self.width).init(device),
            dropout: DropoutConfig::new(self.dropout).init(),
            output: LinearConfig::new(self.width, keywords).init(device),
            kernel: self.kernel,
        }
    }
}

impl KeywordNet {
    /// The net with features normalised by `mean` and `deviation` of the training data, (bins) each.
    pub fn with_statistics(mut self, mean: &[f32], deviation: &[f32]) -> Self {
        [self.mean, self.scale] = blocks::statistics([self.mean, self.scale], mean, deviation);
        self
    }

    /// The past of a stream that has not begun: (blocks, kernel - 1, width).
    pub fn past(&self, device: &Device) -> Tensor<3> {
        let width = self.norm.gamma.dims()[0];
        Tensor::zeros([self.blocks.len(), self.kernel - 1, width], device)
    }

    /// # Shapes
    /// - features: (batch, 2 x frames, bins)
    /// - returns: (batch, frames, keywords), the log-odds that each was just said
    pub fn forward(&self, features: Tensor<3>) -> Tensor<3> {
        let x = self.blocks.iter().fold(self.stacked(features), |x, block| block.forward(x, None));
        self.head(x)
    }

    /// The next frames of one stream.
    ///
    /// # Shapes
    /// - features: (1, 2 x frames, bins)
    /// - past: (blocks, kernel - 1, width)
    /// - returns: (1, frames, keywords), and the next past
    pub fn step(&self, features: Tensor<3>, past: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let mut x = self.stacked(features);
        let mut next = Vec::with_capacity(self.blocks.len());
        for (number, block) in self.blocks.iter().enumerate() {
            let (y, kept) = block.step(x, past.clone().narrow(0, number, 1));
            x = y;
            next.push(kept);
        }
        (self.head(x), Tensor::cat(next, 0))
    }

    fn stacked(&self, features: Tensor<3>) -> Tensor<3> {
        let [batch, frames, bins] = features.dims();
        let x = blocks::normalise(features, &self.mean, &self.scale);
        let n = KeywordNetConfig::SUBSAMPLING;
        linear(&self.stack, x.reshape([batch, frames / n, n * bins])).cast(DType::F32)
    }

    fn head(&self, x: Tensor<3>) -> Tensor<3> {
        linear(&self.output, self.dropout.forward(layer_norm(&self.norm, x))).cast(DType::F32)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    #[test]
    fn steps_give_what_the_whole_gives() {
        let device = Device::flex();
        device.seed(5);
        let net = KeywordNetConfig::new(6).with_width(8).with_blocks(3).with_kernel(5).init(2, &device);
        let features = Tensor::<3>::random([1, 40, 6], Distribution::Normal(0.0, 1.0), &device);
        let whole = net.forward(features.clone());
        let (mut past, mut at, mut pieces) = (net.past(&device), 0, Vec::new());
        for frames in [2, 8, 4, 20, 6] {
            let (log_odds, next) = net.step(features.clone().narrow(1, at, frames), past);
            (past, at) = (next, at + frames);
            pieces.push(log_odds);
        }
        let difference: f32 = (whole - Tensor::cat(pieces, 1)).abs().max().into_scalar();
        assert!(difference < 1e-5, "{difference}");
    }
}
