use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::super::bottleneck::Parts;
use super::attention::{Attention, Positions};
use super::block::{FeedForward, LayerCache, Mixer};
use super::{ConformerConfig, Context};

/// One Transformer block, normalised before its parts (Vaswani et al., 2017; Xiong et al., "On layer normalization in the
/// Transformer architecture", ICML 2020), as SpeechBrain's `TransformerEncoderLayer` with `normalize_before`.
#[derive(Module, Debug)]
pub(super) struct TransformerBlock {
    attention: Attention,
    feed_forward: FeedForward,
}

impl TransformerBlock {
    pub(super) fn new(config: &ConformerConfig, device: &Device) -> Self {
        Self { attention: Attention::new(config, device), feed_forward: FeedForward::new(config, device) }
    }

    /// The block with a bottleneck behind its feed-forward part, where that is chosen.
    pub(super) fn with_bottlenecks(self, width: usize, name: &str, behind: Parts<'_>) -> Self {
        let feed_forward = self.feed_forward.with_bottleneck(width, &format!("{name}.feed_forward"), behind);
        Self { feed_forward, ..self }
    }

    fn finish(&self, x: Tensor<3>, attended: Tensor<3>) -> Tensor<3> {
        let attended = attended.cast(x.dtype());
        self.feed_forward.add_to(x + attended, 1.0)
    }

    /// (batch, frames, dim) in and out.
    pub(super) fn forward(&self, x: Tensor<3>, context: &Context) -> Tensor<3> {
        let attended = self.attention.forward(x.clone(), context);
        self.finish(x, attended)
    }

    /// # Shapes
    /// - `x`: (1, chunk, dim)
    /// - `bias`: (1, 1, 1, left + chunk)
    pub(super) fn step(
        &self,
        x: Tensor<3>,
        bias: &Tensor<4>,
        positions: &Positions,
        (keys, values, none): LayerCache,
    ) -> (Tensor<3>, LayerCache) {
        let (attended, keys, values) = self.attention.step(x.clone(), bias, positions, (keys, values));
        (self.finish(x, attended), (keys, values, none))
    }
}
