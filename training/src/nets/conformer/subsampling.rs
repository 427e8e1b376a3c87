use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use super::ConformerConfig;

/// Three strided convolutions over time and frequency, the last two depthwise-separable (Fast Conformer, section 3.1).
/// In time they are unpadded: a caller gives the frames to the left.
#[derive(Module, Debug)]
pub(super) struct Subsampling {
    first: Conv2d,
    depthwise: Vec<Conv2d>,
    pointwise: Vec<Conv2d>,
    out: Linear,
}

impl Subsampling {
    pub(super) fn new(config: &ConformerConfig, device: &Device) -> Self {
        let channels = config.channels;
        let strided = |from: usize, groups: usize| {
            Conv2dConfig::new([from, channels], [3, 3])
                .with_stride([2, 2])
                .with_groups(groups)
                .with_padding(PaddingConfig2d::Explicit(0, 1, 0, 1))
                .init(device)
        };
        let bins = config.bins.div_ceil(ConformerConfig::SUBSAMPLING);
        Self {
            first: strided(1, 1),
            depthwise: (0..2).map(|_| strided(channels, channels)).collect(),
            pointwise: (0..2).map(|_| Conv2dConfig::new([channels, channels], [1, 1]).init(device)).collect(),
            out: LinearConfig::new(channels * bins, config.dim).init(device),
        }
    }

    /// # Shapes
    /// - `features`: (batch, 14 + 8 frames, bins)
    /// - returns: (batch, frames, dim)
    pub(super) fn forward(&self, features: Tensor<3>) -> Tensor<3> {
        let mut x = relu(self.first.forward(features.unsqueeze_dim::<4>(1))); // (batch, channels, time / 2, bins / 2)
        for (depthwise, pointwise) in self.depthwise.iter().zip(&self.pointwise) {
            x = relu(pointwise.forward(depthwise.forward(x)));
        }
        let [batch, channels, frames, bins] = x.dims();
        self.out.forward(x.swap_dims(1, 2).reshape([batch, frames, channels * bins]))
    }
}
