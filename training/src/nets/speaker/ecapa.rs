use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use super::pooling::{AttentivePooling, Mask, mean};
use super::tdnn::Tdnn;
use crate::ops::{batch_norm, linear};

/// Frames under the first kernel.
const FIRST_KERNEL: usize = 5;
/// Frames under the kernels inside the blocks.
const KERNEL: usize = 3;
/// The distance of those frames, block by block.
const DILATIONS: [usize; 3] = [2, 3, 4];

/// The shape of an [`EcapaTdnn`], by SpeechBrain's names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EcapaConfig {
    /// Feature bins. Default: 80.
    pub input_size: usize,
    /// Channels of all layers but the last. Default: 512; the paper has 1024 as well.
    pub channels: usize,
    /// Channels of the layer that puts the blocks together. Default: 1536.
    pub mfa_channels: usize,
    /// The groups of channels of which each sees what the one before it has made. Default: 8.
    pub res2net_scale: usize,
    /// Channels of the bottleneck that weights channels. Default: 128.
    pub se_channels: usize,
    /// Channels of the attention over frames. Default: 128.
    pub attention_channels: usize,
    /// The length of an embedding. Default: 192.
    pub lin_neurons: usize,
}

impl Default for EcapaConfig {
    fn default() -> Self {
        Self {
            input_size: 80,
            channels: 512,
            mfa_channels: 1536,
            res2net_scale: 8,
            se_channels: 128,
            attention_channels: 128,
            lin_neurons: 192,
        }
    }
}

/// ECAPA-TDNN (Desplanques et al., Interspeech 2020, <https://arxiv.org/abs/2005.07143>) as SpeechBrain has it
/// (`lobes/models/ECAPA_TDNN.py`), with channels last.
#[derive(Module, Debug)]
pub struct EcapaTdnn {
    first: Tdnn,
    blocks: Vec<SeRes2Net>,
    mfa: Tdnn,
    pooling: AttentivePooling,
    norm: BatchNorm,
    out: Linear,
}

impl EcapaConfig {
    /// A net with fresh weights.
    ///
    /// # Panics
    /// When `channels` is no multiple of `res2net_scale`.
    pub fn init(&self, device: &Device) -> EcapaTdnn {
        let (channels, last) = (self.channels, self.mfa_channels);
        let blocks = DILATIONS.map(|dilation| SeRes2Net::new(self, dilation, device));
        EcapaTdnn {
            first: Tdnn::new([self.input_size, channels], [FIRST_KERNEL, 1], 0.0, device),
            mfa: Tdnn::new([blocks.len() * channels, last], [1, 1], 0.0, device),
            blocks: blocks.into(),
            pooling: AttentivePooling::new(last, self.attention_channels, device),
            norm: BatchNormConfig::new(2 * last).init(device),
            out: LinearConfig::new(2 * last, self.lin_neurons).init(device),
        }
    }
}

impl EcapaTdnn {
    /// # Shapes
    /// - `x`: (batch, frames, input_size)
    /// - returns: (batch, lin_neurons)
    pub(super) fn forward(&self, x: Tensor<3>, mask: Option<&Mask>) -> Tensor<2> {
        let mut x = self.first.forward(x);
        let mut seen = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            x = block.forward(x, mask);
            seen.push(x.clone());
        }
        let pooled = self.pooling.forward(self.mfa.forward(Tensor::cat(seen, 2)), mask); // (batch, 1, 2 mfa)
        linear(&self.out, batch_norm(&self.norm, pooled, 1.0)).squeeze_dim::<2>(1)
    }
}

/// SpeechBrain's `SERes2NetBlock`: two layers with a `Res2NetBlock` between, channels weighted, and a residual.
#[derive(Module, Debug)]
struct SeRes2Net {
    before: Tdnn,
    groups: Vec<Tdnn>,
    after: Tdnn,
    squeeze: Linear,
    excite: Linear,
}

impl SeRes2Net {
    fn new(config: &EcapaConfig, dilation: usize, device: &Device) -> Self {
        let (channels, scale) = (config.channels, config.res2net_scale);
        assert!(channels.is_multiple_of(scale), "channels must be a multiple of res2net_scale");
        let width = channels / scale;
        Self {
            before: Tdnn::new([channels, channels], [1, 1], 0.0, device),
            groups: (1..scale).map(|_| Tdnn::new([width, width], [KERNEL, dilation], 0.0, device)).collect(),
            after: Tdnn::new([channels, channels], [1, 1], 0.0, device),
            squeeze: LinearConfig::new(channels, config.se_channels).init(device),
            excite: LinearConfig::new(config.se_channels, channels).init(device),
        }
    }

    /// # Shapes
    /// (batch, frames, channels), in and out
    fn forward(&self, x: Tensor<3>, mask: Option<&Mask>) -> Tensor<3> {
        let y = self.after.forward(self.hierarchy(self.before.forward(x.clone())));
        let gate = linear(&self.excite, relu(linear(&self.squeeze, mean(y.clone(), mask)))); // (batch, 1, channels)
        x + y * sigmoid(gate.cast(DType::F32))
    }

    /// The first group as it is, the second through a layer, each further one with what the one before it became.
    fn hierarchy(&self, x: Tensor<3>) -> Tensor<3> {
        let width = x.dims()[2] / (self.groups.len() + 1);
        let mut parts = vec![x.clone().narrow(2, 0, width)];
        for (number, layer) in self.groups.iter().enumerate() {
            let part = x.clone().narrow(2, (number + 1) * width, width);
            let part = if number == 0 { part } else { part + parts[number].clone() };
            parts.push(layer.forward(part));
        }
        Tensor::cat(parts, 2)
    }
}
