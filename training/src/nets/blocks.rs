//! What several nets are made of: the normalisation of features, and blocks with a residual connection, (batch, time,
//! channels) in and out.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{DType, Device, Tensor};

use crate::ops::{depthwise, find, layer_norm, linear, relu};

/// The mean of features and the inverse of their deviation, (bins) each: those of the training data in place of what
/// stands there, not to be trained. A deviation is at least 1e-3.
pub(super) fn statistics(fixed: [Param<Tensor<1>>; 2], mean: &[f32], deviation: &[f32]) -> [Param<Tensor<1>>; 2] {
    let scale: Vec<f32> = deviation.iter().map(|d| 1.0 / d.max(1e-3)).collect();
    let set = |param: Param<Tensor<1>>, values: &[f32]| {
        param.map(|old| Tensor::from_floats(values, &old.device()).set_require_grad(false))
    };
    let [old_mean, old_scale] = fixed;
    [set(old_mean, mean), set(old_scale, &scale)]
}

/// Features, (batch, frames, bins), less their mean and times the inverse of their deviation.
pub(super) fn normalise(features: Tensor<3>, mean: &Param<Tensor<1>>, scale: &Param<Tensor<1>>) -> Tensor<3> {
    let bins = features.dims()[2];
    (features - mean.val().reshape([1, 1, bins])) * scale.val().reshape([1, 1, bins])
}

/// Configuration of a [`ConvBlock`].
#[derive(Config, Debug)]
pub struct ConvBlockConfig {
    /// Channels.
    pub width: usize,
    /// Frames under the depthwise kernel.
    pub kernel: usize,
    /// Channels inside, as a multiple of `width`.
    #[config(default = 3)]
    pub expansion: usize,
    /// Whether the kernel sees only the past.
    #[config(default = false)]
    pub causal: bool,
}

/// A depthwise convolution over time and a two-layer perceptron over channels, with a residual connection: the block of
/// ConvNeXt (Liu et al., "A ConvNet for the 2020s", 2022, figure 4) in one dimension.
#[derive(Module, Debug)]
pub struct ConvBlock {
    depthwise: Conv1d,
    norm: LayerNorm,
    wide: Linear,
    narrow: Linear,
    kernel: usize,
    causal: bool,
}

impl ConvBlockConfig {
    /// A block with fresh weights.
    pub fn init(&self, device: &Device) -> ConvBlock {
        ConvBlock {
            depthwise: Conv1dConfig::new(self.width, self.width, self.kernel).with_groups(self.width).init(device),
            norm: LayerNormConfig::new(self.width).init(device),
            wide: LinearConfig::new(self.width, self.width * self.expansion).init(device),
            narrow: LinearConfig::new(self.width * self.expansion, self.width).init(device),
            kernel: self.kernel,
            causal: self.causal,
        }
    }
}

impl ConvBlock {
    /// # Shapes
    /// - x: `[batch, time, channels]`
    /// - mask: `[batch, time, 1]`, 1 for frames that are there and 0 for the rest
    /// - output: `[batch, time, channels]`
    pub fn forward(&self, x: Tensor<3>, mask: Option<&Tensor<3>>) -> Tensor<3> {
        let [batch, _, channels] = x.dims();
        let right = if self.causal { 0 } else { self.kernel / 2 };
        let left = self.kernel - 1 - right;
        let zeros = |n| Tensor::<3>::zeros([batch, n, channels], &x.device());
        let padded = match right {
            0 => Tensor::cat(vec![zeros(left), x.clone()], 1),
            _ => Tensor::cat(vec![zeros(left), x.clone(), zeros(right)], 1),
        };
        apply_mask(x + self.branch(padded), mask)
    }

    /// The next frames of a stream, for a kernel that sees only the past: as [`forward`](Self::forward) of the whole.
    ///
    /// # Shapes
    /// - x: `[batch, time, channels]`
    /// - past: `[batch, kernel - 1, channels]`, the frames before, zeros at the beginning
    /// - output: `[batch, time, channels]`, and the past of the frames after
    pub fn step(&self, x: Tensor<3>, past: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let time = x.dims()[1];
        let known = Tensor::cat(vec![past, x.clone()], 1);
        let next = known.clone().narrow(1, time, self.kernel - 1);
        (x + self.branch(known), next)
    }

    /// `[batch, time + kernel - 1, channels]` to `[batch, time, channels]`.
    fn branch(&self, padded: Tensor<3>) -> Tensor<3> {
        let y = depthwise(&self.depthwise, padded, 0);
        let wide = relu(linear(&self.wide, layer_norm(&self.norm, y)));
        linear(&self.narrow, wide).cast(DType::F32)
    }
}

/// Self-attention over a whole clause, with a residual connection.
#[derive(Module, Debug)]
pub struct Attention {
    norm: LayerNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    heads: usize,
}

impl Attention {
    /// Attention with fresh weights.
    pub fn new(width: usize, heads: usize, device: &Device) -> Self {
        let linear = || LinearConfig::new(width, width).init(device);
        Self {
            norm: LayerNormConfig::new(width).init(device),
            query: linear(),
            key: linear(),
            value: linear(),
            output: linear(),
            heads,
        }
    }

    /// # Shapes
    /// - x: `[batch, time, channels]`
    /// - mask: `[batch, time, 1]`
    /// - output: `[batch, time, channels]`
    pub fn forward(&self, x: Tensor<3>, mask: Option<&Tensor<3>>) -> Tensor<3> {
        let [batch, time, channels] = x.dims();
        let width = channels / self.heads;
        let split = |y: Tensor<3>| y.reshape([batch, time, self.heads, width]).swap_dims(1, 2);
        let y = layer_norm(&self.norm, x.clone());
        let (query, key) = (split(linear(&self.query, y.clone())), split(linear(&self.key, y.clone())));
        let value = split(linear(&self.value, y)); // [batch, heads, time, width]
        let scores = query.matmul(key.swap_dims(2, 3)).mul_scalar(1.0 / (width as f64).sqrt());
        let bias = mask.map(|mask| mask.clone().sub_scalar(1.0).mul_scalar(1e4).reshape([batch, 1, 1, time]));
        let heard = find(scores, bias.as_ref(), value).0.swap_dims(1, 2).reshape([batch, time, channels]);
        apply_mask(x + linear(&self.output, heard).cast(DType::F32), mask)
    }
}

pub(super) fn apply_mask(x: Tensor<3>, mask: Option<&Tensor<3>>) -> Tensor<3> {
    match mask {
        Some(mask) => x * mask.clone(),
        None => x,
    }
}
