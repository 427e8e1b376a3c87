use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::ops::{attentive_statistics, batch_norm, linear, statistics};

/// Which frames of a padded batch are there.
#[derive(Clone, Debug)]
pub(super) struct Mask {
    /// Weights that sum to 1 over a clip's frames, 0 for padding. Shape: (batch, frames, 1).
    pub(super) even: Tensor<3>,
    /// 0 for frames, minus infinity for padding. Shape: (batch, frames, 1).
    outside: Tensor<3>,
    /// What makes the mean of squares an unbiased variance. Shape: (batch, 1, 1).
    pub(super) unbias: Tensor<3>,
}

impl Mask {
    /// The mask of clips of these lengths, padded to `frames`.
    pub(super) fn new(lengths: &[usize], frames: usize, device: &Device) -> Self {
        let cells = |inside: fn(usize) -> f32, outside: f32| {
            let row = |length: &usize| {
                let length = *length;
                (0..frames).map(move |frame| if frame < length { inside(length) } else { outside })
            };
            let values: Vec<f32> = lengths.iter().flat_map(row).collect();
            Tensor::from_data(TensorData::new(values, [lengths.len(), frames, 1]), device)
        };
        let unbias: Vec<f32> = lengths.iter().map(|length| unbias(*length)).collect();
        Self {
            even: cells(|length| 1.0 / length as f32, 0.0),
            outside: cells(|_| 0.0, f32::NEG_INFINITY),
            unbias: Tensor::from_data(TensorData::new(unbias, [lengths.len(), 1, 1]), device),
        }
    }
}

/// The ratio of the unbiased variance of `frames` values to their mean square deviation (Bessel's correction).
fn unbias(frames: usize) -> f32 {
    frames as f32 / frames.saturating_sub(1).max(1) as f32
}

/// The mean over the frames that are there.
///
/// # Shapes
/// (batch, frames, channels) to (batch, 1, channels)
pub(super) fn mean(x: Tensor<3>, mask: Option<&Mask>) -> Tensor<3> {
    match mask {
        Some(mask) => (x * mask.even.clone()).sum_dim(1),
        None => x.mean_dim(1),
    }
}

/// Attentive statistics pooling with global context (Desplanques et al., Interspeech 2020, section 3.3): mean and
/// standard deviation over frames that are weighted for each channel by what they, and the whole clip, are like.
#[derive(Module, Debug)]
pub(super) struct AttentivePooling {
    /// The attention's first layer as it sees a frame, and as it sees mean and deviation of the clip: one layer over all
    /// three, of which the part that all frames share is computed once.
    frame: Linear,
    context: Linear,
    norm: BatchNorm,
    weight: Linear,
}

impl AttentivePooling {
    pub(super) fn new(channels: usize, attention: usize, device: &Device) -> Self {
        Self {
            frame: LinearConfig::new(channels, attention).init(device),
            context: LinearConfig::new(2 * channels, attention).with_bias(false).init(device),
            norm: BatchNormConfig::new(attention).init(device),
            weight: LinearConfig::new(attention, channels).init(device),
        }
    }

    /// # Shapes
    /// (batch, frames, channels) to (batch, 1, 2 x channels)
    pub(super) fn forward(&self, x: Tensor<3>, mask: Option<&Mask>) -> Tensor<3> {
        let outside = |mask: &Mask| x.zeros_like() + mask.outside.clone();
        let context = match mask {
            Some(mask) => attentive_statistics(x.clone(), outside(mask)),
            None => statistics(x.clone()),
        }; // (batch, 1, 2 channels)
        let seen = linear(&self.frame, x.clone()) + linear(&self.context, context);
        let scores = linear(&self.weight, batch_norm(&self.norm, seen, 0.0).tanh()).cast(DType::F32); // (batch, frames, channels)
        let scores = mask.map_or(scores.clone(), |mask| scores + mask.outside.clone());
        attentive_statistics(x, scores)
    }
}
