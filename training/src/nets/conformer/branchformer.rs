use burn::module::{Module, Param};
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::{Dropout, DropoutConfig, Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use super::super::bottleneck::{Bottleneck, Parts};
use super::attention::{Attention, Positions};
use super::block::{LayerCache, Mixer};
use super::convolution::Reach;
use super::{ConformerConfig, Context};
use crate::ops::{dropout, gelu, layer_norm, linear, residual};

/// The gate's convolution begins as next to nothing beside a bias of 1, so that a fresh branch passes all on.
const GATE_DEVIATION: f64 = 1e-6;

/// The convolutional gating MLP (Sakuma et al., "MLP-based architecture with variable length input for automatic speech
/// recognition", 2021), as SpeechBrain's `ConvolutionBranch`: half of the hidden channels gate the other half by what they
/// were in the frames around.
#[derive(Module, Debug)]
struct GatingMlp {
    norm: LayerNorm,
    expand: Linear,
    gate_norm: LayerNorm,
    depthwise: Conv1d,
    out: Linear,
    bottleneck: Option<Bottleneck>,
    gate_dropout: Dropout,
    dropout: Dropout,
    #[module(skip)]
    reach: Reach,
}

impl GatingMlp {
    fn new(config: &ConformerConfig, device: &Device) -> Self {
        let (dim, half) = (config.dim, config.feed_forward / 2);
        let scarcely = Initializer::Normal { mean: 0.0, std: GATE_DEVIATION };
        let convolution = Conv1dConfig::new(half, half, config.kernel).with_groups(half).with_initializer(scarcely);
        let one: Param<Tensor<1>> = Initializer::Ones.init([half], device);
        Self {
            norm: LayerNormConfig::new(dim).init(device),
            expand: LinearConfig::new(dim, 2 * half).init(device),
            gate_norm: LayerNormConfig::new(half).init(device),
            depthwise: Conv1d { bias: Some(one), ..convolution.init(device) },
            out: LinearConfig::new(half, dim).init(device),
            bottleneck: None,
            gate_dropout: DropoutConfig::new(config.dropout).init(),
            dropout: DropoutConfig::new(config.dropout).init(),
            reach: config.convolution,
        }
    }

    /// # Shapes
    /// (batch, frames, dim), in and out
    fn forward(&self, x: Tensor<3>, context: &Context) -> Tensor<3> {
        let [hidden, gate] = self.halves(x);
        self.finish(hidden, self.reach.whole(&self.depthwise, gate, context))
    }

    /// # Shapes
    /// - `x`: (batch, frames, dim)
    /// - `cache`: as [`Reach::next`] takes it, of feed_forward / 2 channels
    /// - returns: (batch, frames, dim) and the next cache
    fn step(&self, x: Tensor<3>, cache: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let [hidden, gate] = self.halves(x);
        let (gate, next) = self.reach.next(&self.depthwise, gate, cache);
        (self.finish(hidden, gate), next)
    }

    /// What is gated, and what gates it before the convolution, (batch, frames, feed_forward / 2) each.
    fn halves(&self, x: Tensor<3>) -> [Tensor<3>; 2] {
        let hidden = gelu(linear(&self.expand, layer_norm(&self.norm, x))); // (batch, frames, 2 half)
        let half = hidden.dims()[2] / 2;
        let gate = layer_norm(&self.gate_norm, hidden.clone().narrow(2, half, half));
        [hidden.narrow(2, 0, half), gate]
    }

    fn finish(&self, hidden: Tensor<3>, gate: Tensor<3>) -> Tensor<3> {
        let gate = gate.cast(hidden.dtype());
        let gated = hidden * gate;
        let y = linear(&self.out, dropout(gated, &self.gate_dropout));
        let y = match &self.bottleneck {
            Some(bottleneck) => bottleneck.forward(y),
            None => y,
        };
        dropout(y, &self.dropout)
    }
}

/// One Branchformer block: attention and a gating MLP side by side, put together by a matrix (Peng et al.,
/// "Branchformer: Parallel MLP-Attention Architectures", ICML 2022, section 3), as SpeechBrain's
/// `BranchformerEncoderLayer`. `feed_forward` is the width of the MLP.
#[derive(Module, Debug)]
pub(super) struct BranchformerBlock {
    attention: Attention,
    gating: GatingMlp,
    merge: Linear,
    dropout: Dropout,
}

impl BranchformerBlock {
    pub(super) fn new(config: &ConformerConfig, device: &Device) -> Self {
        Self {
            attention: Attention::new(config, device),
            gating: GatingMlp::new(config, device),
            merge: LinearConfig::new(2 * config.dim, config.dim).init(device),
            dropout: DropoutConfig::new(config.dropout).init(),
        }
    }

    /// The block with a bottleneck behind its gating MLP, where that is chosen.
    pub(super) fn with_bottlenecks(mut self, width: usize, name: &str, behind: Parts<'_>) -> Self {
        if behind(&format!("{name}.gating")) {
            let out = &self.gating.out.weight;
            self.gating.bottleneck = Some(Bottleneck::new(out.dims()[1], width, &out.device()));
        }
        self
    }

    fn merge(&self, x: Tensor<3>, global: Tensor<3>, local: Tensor<3>) -> Tensor<3> {
        residual(x, linear(&self.merge, Tensor::cat(vec![global, local], 2)), 1.0, &self.dropout)
    }

    /// (batch, frames, dim) in and out.
    pub(super) fn forward(&self, x: Tensor<3>, context: &Context) -> Tensor<3> {
        let global = self.attention.forward(x.clone(), context);
        let local = self.gating.forward(x.clone(), context);
        self.merge(x, global, local)
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
        let (global, keys, values) = self.attention.step(x.clone(), bias, positions, (keys, values));
        let (local, convolution) = self.gating.step(x.clone(), convolution);
        (self.merge(x, global, local), (keys, values, convolution))
    }
}
