use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::pooling::{Mask, mean};
use super::tdnn::Tdnn;
use crate::ops::linear;

/// Frames under each layer's kernel.
const KERNELS: [usize; 5] = [5, 3, 3, 1, 1];
/// The distance of those frames.
const DILATIONS: [usize; 5] = [1, 2, 3, 1, 1];
/// The slope of the rectifiers below zero, PyTorch's default.
const SLOPE: f64 = 0.01;
/// Added to the deviation, as in SpeechBrain's `StatisticsPooling`.
const EPSILON: f64 = 1e-5;

/// The shape of an [`Xvector`], by SpeechBrain's names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct XvectorConfig {
    /// Feature bins. Default: 80.
    pub in_channels: usize,
    /// Channels of the layers before the last. Default: 512.
    pub tdnn_channels: usize,
    /// Channels of the layer that is pooled. Default: 1500.
    pub pooled_channels: usize,
    /// The length of an embedding. Default: 512.
    pub lin_neurons: usize,
}

impl Default for XvectorConfig {
    fn default() -> Self {
        Self { in_channels: 80, tdnn_channels: 512, pooled_channels: 1500, lin_neurons: 512 }
    }
}

/// X-vectors (Snyder et al., ICASSP 2018) as SpeechBrain has them (`lobes/models/Xvector.py`), with channels last, and
/// without the noise of about 1e-5 that it adds to the pooled mean.
#[derive(Module, Debug)]
pub struct Xvector {
    layers: Vec<Tdnn>,
    out: Linear,
}

impl XvectorConfig {
    /// A net with fresh weights.
    pub fn init(&self, device: &Device) -> Xvector {
        let width = self.tdnn_channels;
        let widths = [self.in_channels, width, width, width, width, self.pooled_channels];
        let shapes = widths.windows(2).zip(KERNELS.iter().zip(&DILATIONS));
        let layer = |(pair, (kernel, dilation)): (&[usize], (&usize, &usize))| {
            Tdnn::new([pair[0], pair[1]], [*kernel, *dilation], SLOPE, device)
        };
        Xvector {
            layers: shapes.map(layer).collect(),
            out: LinearConfig::new(2 * self.pooled_channels, self.lin_neurons).init(device),
        }
    }
}

impl Xvector {
    /// # Shapes
    /// - `x`: (batch, frames, in_channels)
    /// - returns: (batch, lin_neurons)
    pub(super) fn forward(&self, x: Tensor<3>, mask: Option<&Mask>) -> Tensor<2> {
        let x = self.layers.iter().fold(x, |x, layer| layer.forward(x));
        let centre = mean(x.clone(), mask); // (batch, 1, pooled_channels)
        let squares = (x - centre.clone()).square();
        let variance = match mask {
            Some(mask) => mean(squares, Some(mask)) * mask.unbias.clone(),
            None => {
                // Counted, so that an export knows the count at every length.
                let frames = squares.clone().narrow(2, 0, 1).mul_scalar(0.0).add_scalar(1.0).sum_dim(1);
                squares.sum_dim(1) / frames.sub_scalar(1.0)
            }
        };
        let pooled = Tensor::cat(vec![centre, variance.sqrt().add_scalar(EPSILON)], 2);
        linear(&self.out, pooled).squeeze_dim::<2>(1)
    }
}
