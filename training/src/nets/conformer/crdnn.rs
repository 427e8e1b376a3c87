//! CRDNN: convolutions over time and frequency, recurrent layers, a perceptron; SpeechBrain's `lobes/models/CRDNN.py` in a
//! causal form. The convolutions see the frames that are given to the left in the place of padding, the recurrent layers
//! are one-directional LSTMs, and layer norm stands for the perceptron's batch norm.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor};

use super::ConformerConfig;
use super::block::LayerCache;
use crate::nets::lstm::Lstm;
use crate::ops::{conv2d, dropout, largest, layer_norm, leaky_relu, linear};

/// Frames and bins that a convolution sees.
const KERNEL: usize = 3;
/// Bins that become one, in each of the two blocks.
const POOL_BINS: usize = 2;
/// Bins of the input for each that the recurrent layers see.
pub(super) const BINS: usize = POOL_BINS * POOL_BINS;
/// Frames that become one after the first block.
const POOL_FRAMES: usize = 2;
/// Feature frames to the left that the convolutions may see: four and twice four of them, and two that are passed over.
pub(super) const LEFT_FEATURES: usize = 14;
/// PyTorch's default for `LeakyReLU`.
const SLOPE: f32 = 0.01;

/// Two convolutions, each with layer norm over bins and channels, and a maximum over neighbouring bins.
#[derive(Module, Debug)]
struct CnnBlock {
    first: Conv2d,
    first_norm: LayerNorm,
    second: Conv2d,
    second_norm: LayerNorm,
    dropout: Dropout,
}

impl CnnBlock {
    fn new([from, to]: [usize; 2], bins: usize, dropout: f64, device: &Device) -> Self {
        // Bins are padded with zeros; frames are given.
        let conv = |from: usize| {
            let padding = PaddingConfig2d::Explicit(0, KERNEL / 2, 0, KERNEL / 2);
            Conv2dConfig::new([from, to], [KERNEL, KERNEL]).with_padding(padding).init(device)
        };
        let norm = || LayerNormConfig::new(bins * to).init(device);
        Self {
            first: conv(from),
            first_norm: norm(),
            second: conv(to),
            second_norm: norm(),
            dropout: DropoutConfig::new(dropout).init(),
        }
    }

    /// # Shapes
    /// - `x`: (batch, frames, bins, from)
    /// - returns: (batch, frames - 4, bins / 2, to)
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = convolve(&self.first, &self.first_norm, x);
        let x = convolve(&self.second, &self.second_norm, x);
        let [batch, frames, bins, channels] = x.dims();
        let pooled = largest(x.reshape([batch * frames, bins / POOL_BINS, POOL_BINS, channels]));
        dropout(pooled.reshape([batch, frames, bins / POOL_BINS, channels]), &self.dropout)
    }
}

/// A convolution, layer norm over bins and channels, and a leaky ReLU.
///
/// # Shapes
/// (batch, frames, bins, channels), in and out, of as many as the convolution gives
pub(super) fn convolve(conv: &Conv2d, norm: &LayerNorm, x: Tensor<4>) -> Tensor<4> {
    let x = conv2d(conv, x);
    let [batch, frames, bins, channels] = x.dims();
    let x = layer_norm(norm, x.reshape([batch, frames, bins * channels]));
    leaky_relu(x, SLOPE).reshape([batch, frames, bins, channels])
}

/// The maximum of every `size` frames.
fn pool_frames(x: Tensor<4>, size: usize) -> Tensor<4> {
    let [batch, frames, bins, channels] = x.dims();
    let pooled = largest(x.reshape([batch, frames / size, size, bins * channels]));
    pooled.reshape([batch, frames / size, bins, channels])
}

/// The convolutional part, which makes one frame of several, and the projection behind it.
#[derive(Module, Debug)]
pub(super) struct Cnn {
    blocks: Vec<CnnBlock>,
    projection: Linear,
    norm: LayerNorm,
    /// Frames that become one after the second block.
    pool: usize,
}

impl Cnn {
    pub(super) fn new(config: &ConformerConfig, device: &Device) -> Self {
        let ConformerConfig { bins, channels, dim, dropout, .. } = *config;
        Self {
            blocks: vec![
                CnnBlock::new([1, channels], bins, dropout, device),
                CnnBlock::new([channels, channels], bins / POOL_BINS, dropout, device),
            ],
            projection: LinearConfig::new(bins / BINS * channels, dim).init(device),
            norm: LayerNormConfig::new(dim).init(device),
            pool: config.subsampling / POOL_FRAMES,
        }
    }

    /// # Shapes
    /// - `features`: (batch, 14 + subsampling x frames, bins)
    /// - returns: (batch, frames, dim)
    pub(super) fn forward(&self, features: Tensor<3>) -> Tensor<3> {
        let x = self.blocks[0].forward(features.unsqueeze_dim(3));
        let x = self.blocks[1].forward(pool_frames(x, POOL_FRAMES)); // (batch, 1 + pool x frames, ..)
        let frames = x.dims()[1] - 1;
        let x = pool_frames(x.narrow(1, 1, frames), self.pool);
        let [batch, frames, bins, channels] = x.dims();
        let x = linear(&self.projection, x.reshape([batch, frames, bins * channels]));
        leaky_relu(layer_norm(&self.norm, x), SLOPE)
    }
}

/// One recurrent layer.
#[derive(Module, Debug)]
pub(super) struct Recurrent {
    lstm: Lstm,
    dropout: Dropout,
}

impl Recurrent {
    pub(super) fn new(config: &ConformerConfig, device: &Device) -> Self {
        Self { lstm: Lstm::new(config.dim, config.dim, device), dropout: DropoutConfig::new(config.dropout).init() }
    }

    /// (batch, frames, dim) in and out.
    pub(super) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, _, dim] = x.dims();
        let zeros = Tensor::zeros([batch, dim], &x.device());
        dropout(self.lstm.forward(x, (zeros.clone(), zeros)).0, &self.dropout)
    }

    /// One chunk. Hidden state and memory stand in the caches of keys and values, (1, 1, 1, dim).
    pub(super) fn step(&self, x: Tensor<3>, (hidden, memory, none): LayerCache) -> (Tensor<3>, LayerCache) {
        let dim = x.dims()[2];
        let state = (hidden.reshape([1, dim]), memory.reshape([1, dim]));
        let (x, (hidden, memory)) = self.lstm.forward(x, state);
        (dropout(x, &self.dropout), (hidden.reshape([1, 1, 1, dim]), memory.reshape([1, 1, 1, dim]), none))
    }
}

/// One layer of the perceptron.
#[derive(Module, Debug)]
pub(super) struct DnnBlock {
    linear: Linear,
    norm: LayerNorm,
    dropout: Dropout,
}

impl DnnBlock {
    pub(super) fn new(config: &ConformerConfig, device: &Device) -> Self {
        Self {
            linear: LinearConfig::new(config.dim, config.dim).init(device),
            norm: LayerNormConfig::new(config.dim).init(device),
            dropout: DropoutConfig::new(config.dropout).init(),
        }
    }

    /// (batch, frames, dim) in and out.
    pub(super) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        dropout(leaky_relu(layer_norm(&self.norm, linear(&self.linear, x)), SLOPE), &self.dropout)
    }
}
