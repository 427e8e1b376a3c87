use burn::module::Module;
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{ConformerConfig, Context};
use crate::ops::{depthwise, dropout, glu, layer_norm, linear, silu};

/// Which frames a depthwise convolution over time sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// A frame and those before it.
    #[default]
    Causal,
    /// As many frames before a frame as after it, of these only those of its chunk, in place of the others zeros: dynamic
    /// chunk convolution (Li et al., "Dynamic chunk convolution for unified streaming and non-streaming Conformer ASR", ICASSP
    /// 2023), as SpeechBrain's `ConvolutionModule` in chunks.
    Chunk,
}

impl Reach {
    /// Frames before the first of a stream's next ones that a convolution sees.
    pub fn before(self, kernel: usize) -> usize {
        match self {
            Self::Causal => kernel - 1,
            Self::Chunk => kernel / 2,
        }
    }

    /// Whole utterances through a depthwise convolution.
    ///
    /// # Shapes
    /// (batch, frames, channels), in and out
    pub(super) fn whole(self, convolution: &Conv1d, x: Tensor<3>, context: &Context) -> Tensor<3> {
        let [_, _, kernel] = convolution.weight.dims();
        let before = self.before(kernel);
        match self {
            Self::Causal => depthwise(convolution, x, before),
            Self::Chunk if context.chunks.chunk < x.dims()[1] => {
                in_chunks(convolution, x, context.chunks.chunk, before)
            }
            Self::Chunk => {
                // What stands behind the end of an utterance is not heard, as if it were alone; chunks end with it.
                let present = context.present.clone().cast(x.dtype());
                depthwise(convolution, with_zeros(x * present, before), before)
            }
        }
    }

    /// The next frames of a stream.
    ///
    /// # Shapes
    /// - `x`: (batch, chunk, channels)
    /// - `cache`: (batch, [`before`](Self::before), channels), what the convolution saw before
    /// - returns: (batch, chunk, channels) and the next cache
    pub(super) fn next(self, convolution: &Conv1d, x: Tensor<3>, cache: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let (frames, before) = (x.dims()[1], cache.dims()[1]);
        let seen = Tensor::cat(vec![cache, x], 1);
        let next = seen.clone().narrow(1, frames, before);
        let seen = match self {
            Self::Causal => seen,
            Self::Chunk => with_zeros(seen, before),
        };
        (depthwise(convolution, seen, 0), next)
    }
}

/// Frames, and `count` of zeros behind them.
fn with_zeros(x: Tensor<3>, count: usize) -> Tensor<3> {
    let [batch, _, channels] = x.dims();
    let zeros = Tensor::<3>::zeros([batch, count, channels], &x.device()).cast(x.dtype());
    Tensor::cat(vec![x, zeros], 1)
}

/// A convolution that sees `side` frames to both sides, but none behind the chunk of a frame: each chunk by itself, with the
/// frames before it.
fn in_chunks(convolution: &Conv1d, x: Tensor<3>, chunk: usize, side: usize) -> Tensor<3> {
    let [batch, frames, channels] = x.dims();
    let (count, earlier) = (frames / chunk, side.div_ceil(chunk));
    let nothing = Tensor::<3>::zeros([batch, earlier * chunk, channels], &x.device()).cast(x.dtype());
    let cut = Tensor::cat(vec![nothing, x], 1).reshape([batch, earlier + count, chunk, channels]);
    let seen = Tensor::cat((0..=earlier).map(|first| cut.clone().narrow(1, first, count)).collect(), 2);
    let seen = seen.narrow(2, earlier * chunk - side, side + chunk).reshape([batch * count, side + chunk, channels]);
    depthwise(convolution, with_zeros(seen, side), 0).reshape([batch, frames, channels])
}

/// The convolution module of a block.
#[derive(Module, Debug)]
pub(super) struct Convolution {
    norm: LayerNorm,
    expand: Linear,
    depthwise: Conv1d,
    middle: LayerNorm,
    out: Linear,
    dropout: Dropout,
    #[module(skip)]
    reach: Reach,
}

impl Convolution {
    pub(super) fn new(config: &ConformerConfig, device: &Device) -> Self {
        let dim = config.dim;
        Self {
            norm: LayerNormConfig::new(dim).init(device),
            expand: LinearConfig::new(dim, 2 * dim).init(device),
            depthwise: Conv1dConfig::new(dim, dim, config.kernel).with_groups(dim).init(device),
            middle: LayerNormConfig::new(dim).init(device),
            out: LinearConfig::new(dim, dim).init(device),
            dropout: DropoutConfig::new(config.dropout).init(),
            reach: config.convolution,
        }
    }

    /// # Shapes
    /// (batch, frames, dim), in and out
    pub(super) fn forward(&self, x: Tensor<3>, context: &Context) -> Tensor<3> {
        let gated = self.gated(x);
        self.finish(self.reach.whole(&self.depthwise, gated, context))
    }

    /// The next frames of a stream.
    ///
    /// # Shapes
    /// - `x`: (batch, frames, dim)
    /// - `cache`: as [`Reach::next`] takes it
    /// - returns: (batch, frames, dim) and the next cache
    pub(super) fn step(&self, x: Tensor<3>, cache: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let gated = self.gated(x);
        let (mixed, next) = self.reach.next(&self.depthwise, gated, cache);
        (self.finish(mixed), next)
    }

    fn gated(&self, x: Tensor<3>) -> Tensor<3> {
        glu(linear(&self.expand, layer_norm(&self.norm, x)))
    }

    fn finish(&self, mixed: Tensor<3>) -> Tensor<3> {
        dropout(linear(&self.out, silu(layer_norm(&self.middle, mixed))), &self.dropout)
    }
}
