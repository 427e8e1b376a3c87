use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::ConformerConfig;
use super::crdnn::convolve;
use crate::ops::{dropout, linear, silu, windows};

/// Frames, and in two dimensions bins, that one strided convolution sees.
const KERNEL: usize = 3;
/// Frames, and bins, from one place of a convolution to the next.
const STRIDE: usize = 2;

/// What makes one encoder frame of several feature frames. The convolutions are unpadded over time: a caller gives the
/// frames to the left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FrontEnd {
    /// Convolutions over time, `channels` wide.
    #[default]
    Conv1d,
    /// Convolutions over time and frequency with `channels` channels, the last with half as many: the front end of
    /// SpeechBrain's large Conformers, whose 64 and 32 they are. Dearer on a CPU.
    Conv2d,
}

/// How many convolutions that halve the frames make one of so many.
fn layers(config: &ConformerConfig) -> usize {
    config.subsampling.ilog2() as usize
}

/// Convolutions over time with stride 2 and kernel 3, each written as a matrix product over three neighbouring frames: on a
/// CPU that trains many times faster than convolutions over time and frequency.
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
            layers: (0..layers(config)).map(|layer| strided(if layer == 0 { config.bins } else { channels })).collect(),
            out: LinearConfig::new(channels, config.dim).init(device),
            dropout: DropoutConfig::new(config.dropout).init(),
        }
    }

    /// # Shapes
    /// - `features`: (batch, [`ConformerConfig::features_for`] frames, bins)
    /// - returns: (batch, frames, dim)
    pub(super) fn forward(&self, features: Tensor<3>) -> Tensor<3> {
        let stacked =
            self.layers.iter().fold(features, |x, layer| silu(linear(layer, windows(x, KERNEL, STRIDE, 1, false))));
        dropout(linear(&self.out, stacked), &self.dropout)
    }
}

/// Convolutions over time and frequency with stride 2 and kernel 3, each with layer norm over bins and channels:
/// SpeechBrain's `ConvolutionFrontEnd` without residuals, whose bins are mirrored at the edge.
#[derive(Module, Debug)]
pub(super) struct Subsampling2d {
    layers: Vec<Conv2d>,
    norms: Vec<LayerNorm>,
    out: Linear,
    dropout: Dropout,
}

impl Subsampling2d {
    pub(super) fn new(config: &ConformerConfig, device: &Device) -> Self {
        let count = layers(config);
        let channels = |layer| if layer == count { config.channels / 2 } else { config.channels };
        let bins = |layer| config.bins / STRIDE.pow(layer as u32);
        let layer = |layer| {
            let from = if layer == 1 { 1 } else { channels(layer - 1) };
            Conv2dConfig::new([from, channels(layer)], [KERNEL; 2]).with_stride([STRIDE; 2]).init(device)
        };
        Self {
            layers: (1..=count).map(layer).collect(),
            norms: (1..=count).map(|layer| LayerNormConfig::new(bins(layer) * channels(layer)).init(device)).collect(),
            out: LinearConfig::new(bins(count) * channels(count), config.dim).init(device),
            dropout: DropoutConfig::new(config.dropout).init(),
        }
    }

    /// # Shapes
    /// As [`Subsampling::forward`].
    pub(super) fn forward(&self, features: Tensor<3>) -> Tensor<3> {
        let mut x = features.unsqueeze_dim(3); // (batch, frames, bins, 1)
        for (layer, norm) in self.layers.iter().zip(&self.norms) {
            // The last window ends at the last bin, since bins are even.
            let mirrored = x.clone().narrow(2, 1, 1);
            x = dropout(convolve(layer, norm, Tensor::cat(vec![mirrored, x], 2)), &self.dropout);
        }
        let [batch, frames, bins, channels] = x.dims();
        dropout(linear(&self.out, x.reshape([batch, frames, bins * channels])), &self.dropout)
    }
}
