//! The net of voice activity: features in, log-odds of speech for each frame out. It sees only the past.
//!
//! A causal form of the CRDNN of SpeechBrain's LibriParty recipe (`recipes/LibriParty/VAD`): two convolutions over time
//! and frequency, a gated recurrent unit in place of their bidirectional one, a perceptron. Frames of 20 ms in place of
//! theirs of 10.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{DType, Device, Tensor};

use super::blocks;
use super::gru::Gru;
use crate::ops::{conv2d, dropout, layer_norm, linear, relu};

/// Frames and bins that a convolution sees.
const KERNEL: usize = 3;

/// Configuration of a [`VadNet`].
#[derive(Config, Debug)]
pub struct VadNetConfig {
    /// Values in a feature frame, a multiple of four.
    pub bins: usize,
    /// Channels of the convolutions.
    #[config(default = 8)]
    pub channels: usize,
    /// The width of the recurrent unit.
    #[config(default = 40)]
    pub width: usize,
    /// The width of the perceptron.
    #[config(default = 16)]
    pub hidden: usize,
    /// The share of values that are dropped in training.
    #[config(default = 0.1)]
    pub dropout: f64,
}

/// See the module.
#[derive(Module, Debug)]
pub struct VadNet {
    mean: Param<Tensor<1>>,
    scale: Param<Tensor<1>>,
    first: Conv2d,
    second: Conv2d,
    flat: Linear,
    norm: LayerNorm,
    recurrent: Gru,
    dropout: Dropout,
    wide: Linear,
    narrow: Linear,
    bins: usize,
    channels: usize,
}

/// What a stream carries from one run to the next.
#[derive(Clone, Debug)]
pub struct VadState {
    /// The last feature frame, normalised: (batch, 1, 1, bins).
    pub features: Tensor<4>,
    /// The last frames of the first convolution: (batch, channels, 2, bins / 2).
    pub convolved: Tensor<4>,
    /// The recurrent unit's: (batch, width).
    pub hidden: Tensor<2>,
}

impl VadNetConfig {
    /// Feature frames for each frame of the output.
    pub const SUBSAMPLING: usize = 2;

    /// A net with fresh weights.
    pub fn init(&self, device: &Device) -> VadNet {
        let (channels, width) = (self.channels, self.width);
        // Frames are padded with the past, by hand; bins by zeros.
        let conv = |from: usize, stride: [usize; 2]| {
            let config = Conv2dConfig::new([from, channels], [KERNEL, KERNEL]).with_stride(stride);
            config.with_padding(PaddingConfig2d::Explicit(0, KERNEL / 2, 0, KERNEL / 2)).init(device)
        };
        VadNet {
            mean: Param::from_tensor(Tensor::zeros([self.bins], device)).set_require_grad(false),
            scale: Param::from_tensor(Tensor::ones([self.bins], device)).set_require_grad(false),
            first: conv(1, [Self::SUBSAMPLING, 2]),
            second: conv(channels, [1, 2]),
            flat: LinearConfig::new(channels * self.bins / 4, width).init(device),
            norm: LayerNormConfig::new(width).init(device),
            recurrent: Gru::new(width, width, device),
            dropout: DropoutConfig::new(self.dropout).init(),
            wide: LinearConfig::new(width, self.hidden).init(device),
            narrow: LinearConfig::new(self.hidden, 1).init(device),
            bins: self.bins,
            channels,
        }
    }
}

impl VadNet {
    /// The net with features normalised by `mean` and `deviation` of the training data, (bins) each.
    pub fn with_statistics(mut self, mean: &[f32], deviation: &[f32]) -> Self {
        [self.mean, self.scale] = blocks::statistics([self.mean, self.scale], mean, deviation);
        self
    }

    /// The state of so many streams that have not begun.
    pub fn state(&self, batch: usize, device: &Device) -> VadState {
        VadState {
            features: Tensor::zeros([batch, 1, KERNEL - VadNetConfig::SUBSAMPLING, self.bins], device),
            convolved: Tensor::zeros([batch, self.channels, KERNEL - 1, self.bins / 2], device),
            hidden: Tensor::zeros([batch, self.recurrent.width()], device),
        }
    }

    /// # Shapes
    /// - features: (batch, 2 x frames, bins)
    /// - returns: (batch, frames), the log-odds of speech, and the state after the last frame
    pub fn forward(&self, features: Tensor<3>, state: VadState) -> (Tensor<2>, VadState) {
        let [batch, frames, bins] = features.dims();
        let x = blocks::normalise(features, &self.mean, &self.scale);
        let x = x.reshape([batch, 1, frames, bins]);
        let (x, features) = with_past(state.features, x, KERNEL - VadNetConfig::SUBSAMPLING);
        let x = convolve(&self.first, x); // (batch, channels, frames / 2, bins / 2)
        let (x, convolved) = with_past(state.convolved, x, KERNEL - 1);
        let x = convolve(&self.second, x); // (batch, channels, frames / 2, bins / 4)
        let [_, channels, frames, bands] = x.dims();
        let x = x.swap_dims(1, 2).reshape([batch, frames, channels * bands]);
        let x = relu(layer_norm(&self.norm, linear(&self.flat, x)));
        let (x, hidden) = self.recurrent.forward(dropout(x, &self.dropout), state.hidden);
        let x = relu(linear(&self.wide, dropout(x, &self.dropout)));
        let log_odds = linear(&self.narrow, x).cast(DType::F32).reshape([batch, frames]);
        (log_odds, VadState { features, convolved, hidden })
    }
}

/// A convolution and what of it is above zero: (batch, channels, frames, bins), in and out.
fn convolve(layer: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    relu(conv2d(layer, x.permute([0, 2, 3, 1]))).permute([0, 3, 1, 2])
}

/// Frames after those before, and the last `kept` of both: (batch, channels, frames, bins).
fn with_past(past: Tensor<4>, x: Tensor<4>, kept: usize) -> (Tensor<4>, Tensor<4>) {
    let all = Tensor::cat(vec![past, x], 2);
    let frames = all.dims()[2];
    let last = all.clone().narrow(2, frames - kept, kept);
    (all, last)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    #[test]
    fn steps_give_what_the_whole_gives() {
        let device = Device::flex();
        device.seed(5);
        let net = VadNetConfig::new(8).with_channels(3).with_width(5).with_hidden(4).init(&device);
        let features = Tensor::<3>::random([2, 40, 8], Distribution::Normal(0.0, 1.0), &device);
        let (whole, _) = net.forward(features.clone(), net.state(2, &device));
        assert_eq!(whole.dims(), [2, 20]);
        let (mut state, mut at, mut pieces) = (net.state(2, &device), 0, Vec::new());
        for frames in [2, 8, 4, 20, 6] {
            let (log_odds, next) = net.forward(features.clone().narrow(1, at, frames), state);
            (state, at) = (next, at + frames);
            pieces.push(log_odds);
        }
        let difference: f32 = (whole - Tensor::cat(pieces, 1)).abs().max().into_scalar();
        assert!(difference < 1e-5, "{difference}");
    }
}
