use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use super::super::bottleneck::{Bottleneck, Parts};
use super::attention::Positions;
use super::convolution::Convolution;
use super::{ConformerConfig, Context};
use crate::ops::{layer_norm, linear, residual, silu_dropout};

/// A layer's part of the caches: keys, values, convolution inputs.
pub(super) type LayerCache = (Tensor<4>, Tensor<4>, Tensor<3>);

/// What lets each frame know of the others, within chunks and the context before them.
pub(super) trait Mixer: Module {
    /// A mixer with fresh weights.
    fn new(config: &ConformerConfig, device: &Device) -> Self;

    /// The widths of both caches, for each head and frame.
    fn cache_widths(config: &ConformerConfig) -> [usize; 2];

    /// Whole utterances: (batch, frames, dim) in and out.
    fn forward(&self, x: Tensor<3>, context: &Context) -> Tensor<3>;

    /// One chunk of one stream; returns the next caches too.
    ///
    /// # Shapes
    /// - `x`: (1, chunk, dim)
    /// - `bias`: (1, 1, 1, left + chunk), -10,000 for cached frames that are not filled yet
    /// - `caches`: (1, heads, left, width), as wide as `cache_widths` says
    fn step(
        &self,
        x: Tensor<3>,
        bias: &Tensor<4>,
        positions: &Positions,
        caches: (Tensor<4>, Tensor<4>),
    ) -> (Tensor<3>, Tensor<4>, Tensor<4>);
}

#[derive(Module, Debug)]
pub(super) struct FeedForward {
    norm: LayerNorm,
    expand: Linear,
    out: Linear,
    bottleneck: Option<Bottleneck>,
    dropout: Dropout,
}

impl FeedForward {
    pub(super) fn new(config: &ConformerConfig, device: &Device) -> Self {
        Self {
            norm: LayerNormConfig::new(config.dim).init(device),
            expand: LinearConfig::new(config.dim, config.feed_forward).init(device),
            out: LinearConfig::new(config.feed_forward, config.dim).init(device),
            bottleneck: None,
            dropout: DropoutConfig::new(config.dropout).init(),
        }
    }

    /// Half of what it makes of `x`, added to `x`.
    fn half_step(&self, x: Tensor<3>) -> Tensor<3> {
        self.add_to(x, 0.5)
    }

    /// This share of what it makes of `x`, added to `x`.
    pub(super) fn add_to(&self, x: Tensor<3>, share: f32) -> Tensor<3> {
        let hidden = silu_dropout(linear(&self.expand, layer_norm(&self.norm, x.clone())), &self.dropout);
        let y = linear(&self.out, hidden);
        let y = match &self.bottleneck {
            Some(bottleneck) => bottleneck.forward(y),
            None => y,
        };
        residual(x, y, share, &self.dropout)
    }

    /// The part with a bottleneck behind it, where its name is chosen.
    pub(super) fn with_bottleneck(mut self, width: usize, name: &str, behind: Parts<'_>) -> Self {
        if behind(name) {
            let [_, dim] = self.out.weight.dims();
            self.bottleneck = Some(Bottleneck::new(dim, width, &self.out.weight.device()));
        }
        self
    }
}

/// One Conformer block: half a feed-forward, attention or another mixer, convolution, half a feed-forward (Conformer,
/// section 2.4).
#[derive(Module, Debug)]
pub(super) struct Block<M: Module> {
    before: FeedForward,
    attention: M,
    convolution: Convolution,
    after: FeedForward,
    norm: LayerNorm,
}

impl<M: Mixer> Block<M> {
    pub(super) fn new(config: &ConformerConfig, device: &Device) -> Self {
        Self {
            before: FeedForward::new(config, device),
            attention: M::new(config, device),
            convolution: Convolution::new(config, device),
            after: FeedForward::new(config, device),
            norm: LayerNormConfig::new(config.dim).init(device),
        }
    }

    /// The block with a bottleneck behind those of its feed-forward parts that are chosen.
    pub(super) fn with_bottlenecks(self, width: usize, name: &str, behind: Parts<'_>) -> Self {
        let before = self.before.with_bottleneck(width, &format!("{name}.before"), behind);
        let after = self.after.with_bottleneck(width, &format!("{name}.after"), behind);
        Self { before, after, ..self }
    }

    /// (batch, frames, dim) in and out.
    pub(super) fn forward(&self, x: Tensor<3>, context: &Context) -> Tensor<3> {
        let x = self.before.half_step(x);
        let attended = self.attention.forward(x.clone(), context).cast(x.dtype());
        let x = x + attended;
        let mixed = self.convolution.forward(x.clone(), context).cast(x.dtype());
        let x = x + mixed;
        layer_norm(&self.norm, self.after.half_step(x))
    }

    /// # Shapes
    /// - `x`: (1, chunk, dim)
    /// - `bias`: (1, 1, 1, left + chunk)
    pub(super) fn step(
        &self,
        x: Tensor<3>,
        bias: &Tensor<4>,
        positions: &Positions,
        (keys, values, convolution): LayerCache,
    ) -> (Tensor<3>, LayerCache) {
        let x = self.before.half_step(x);
        let (attended, keys, values) = self.attention.step(x.clone(), bias, positions, (keys, values));
        let x = x + attended;
        let (mixed, convolution) = self.convolution.step(x.clone(), convolution);
        let x = x + mixed;
        let x = self.after.half_step(x);
        (layer_norm(&self.norm, x), (keys, values, convolution))
    }
}
