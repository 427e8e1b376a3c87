use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::attention::{Attention, Positions};
use super::block::{Block, LayerCache, Mixer};
use super::branchformer::BranchformerBlock;
use super::crdnn::Recurrent;
use super::mixing::HyperMixing;
use super::transformer::TransformerBlock;
use super::{ConformerConfig, Context};

/// What the net is a stack of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Conformer blocks.
    #[default]
    Conformer,
    /// Branchformer blocks.
    Branchformer,
    /// Conformer blocks with HyperMixing in place of attention.
    Hyperconformer,
    /// Convolutions over time and frequency, LSTM layers, a perceptron. `heads`, `feed_forward`, `kernel`, `convolution`,
    /// `front` and `left` say nothing of it.
    Crdnn,
    /// Transformer blocks. `kernel` and `convolution` say nothing of it.
    Transformer,
}

impl Kind {
    /// The shapes of a stream's caches: keys, values, convolution inputs.
    pub(super) fn cache_shapes(config: &ConformerConfig) -> ([usize; 4], [usize; 4], [usize; 3]) {
        let ConformerConfig { layers, heads, left, kernel, dim, feed_forward, .. } = *config;
        // What nothing is kept in has one value, since no runtime takes empty tensors.
        let nothing = [layers, 1, 1];
        let convolved = |channels| [layers, config.convolution.before(kernel), channels];
        let (widths, convolution) = match config.kind {
            Kind::Conformer => (Attention::cache_widths(config), convolved(dim)),
            Kind::Branchformer => (Attention::cache_widths(config), convolved(feed_forward / 2)),
            Kind::Hyperconformer => (HyperMixing::cache_widths(config), convolved(dim)),
            Kind::Transformer => (Attention::cache_widths(config), nothing),
            Kind::Crdnn => return ([layers, 1, 1, dim], [layers, 1, 1, dim], nothing),
        };
        let [keys, values] = widths.map(|width| [layers, heads, left, width]);
        (keys, values, convolution)
    }

    /// Whether blocks have depthwise convolutions.
    pub(super) fn has_convolutions(self) -> bool {
        !matches!(self, Self::Crdnn | Self::Transformer)
    }
}

/// The blocks of this kind: none in a net of another.
pub(super) fn blocks<B>(
    kind: Kind,
    config: &ConformerConfig,
    new: fn(&ConformerConfig, &Device) -> B,
    device: &Device,
) -> Vec<B> {
    let count = if kind == config.kind { config.layers } else { 0 };
    (0..count).map(|_| new(config, device)).collect()
}

/// A block of a net, whatever its kind.
pub(super) enum Layer<'a> {
    Conformer(&'a Block<Attention>),
    Branchformer(&'a BranchformerBlock),
    Hyperconformer(&'a Block<HyperMixing>),
    Crdnn(&'a Recurrent),
    Transformer(&'a TransformerBlock),
}

impl Layer<'_> {
    /// As [`Block::forward`].
    pub(super) fn forward(&self, x: Tensor<3>, context: &Context) -> Tensor<3> {
        match self {
            Self::Conformer(block) => block.forward(x, context),
            Self::Branchformer(block) => block.forward(x, context),
            Self::Hyperconformer(block) => block.forward(x, context),
            Self::Transformer(block) => block.forward(x, context),
            Self::Crdnn(layer) => layer.forward(x),
        }
    }

    /// As [`Block::step`].
    pub(super) fn step(
        &self,
        x: Tensor<3>,
        bias: &Tensor<4>,
        positions: &Positions,
        cache: LayerCache,
    ) -> (Tensor<3>, LayerCache) {
        match self {
            Self::Conformer(block) => block.step(x, bias, positions, cache),
            Self::Branchformer(block) => block.step(x, bias, positions, cache),
            Self::Hyperconformer(block) => block.step(x, bias, positions, cache),
            Self::Transformer(block) => block.step(x, bias, positions, cache),
            Self::Crdnn(layer) => layer.step(x, cache),
        }
    }
}
