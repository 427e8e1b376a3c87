use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, LayerNorm, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use super::{TransformerConfig, layer_norm};
use crate::ops::{find, gelu, linear, residual};

/// Attention to the tokens so far, attention to an encoder's frames where there is one, and a feed-forward part.
#[derive(Module, Debug)]
pub(super) struct Layer {
    norm: LayerNorm,
    query_key_value: Linear,
    out: Linear,
    cross: Option<Cross>,
    feed_norm: LayerNorm,
    expand: Linear,
    contract: Linear,
    dropout: Dropout,
    heads: usize,
}

/// Attention to the frames.
#[derive(Module, Debug)]
struct Cross {
    norm: LayerNorm,
    query: Linear,
    key_value: Linear,
    out: Linear,
}

impl Cross {
    fn new(config: &TransformerConfig, memory: usize, device: &Device) -> Self {
        let linear = || LinearConfig::new(config.dim, config.dim).init(device);
        Self {
            norm: layer_norm(config.dim, device),
            query: linear(),
            key_value: LinearConfig::new(memory, 2 * config.dim).init(device),
            out: linear(),
        }
    }
}

impl Layer {
    pub(super) fn new(config: &TransformerConfig, memory: Option<usize>, device: &Device) -> Self {
        let dim = config.dim;
        Self {
            norm: layer_norm(dim, device),
            query_key_value: LinearConfig::new(dim, 3 * dim).init(device),
            out: LinearConfig::new(dim, dim).init(device),
            cross: memory.map(|width| Cross::new(config, width, device)),
            feed_norm: layer_norm(dim, device),
            expand: LinearConfig::new(dim, config.feed_forward).init(device),
            contract: LinearConfig::new(config.feed_forward, dim).init(device),
            dropout: DropoutConfig::new(config.dropout).init(),
            heads: config.heads,
        }
    }

    /// Keys and values of an encoder's frames: (batch, frames, width) to (batch, frames, 2 dim).
    pub(super) fn memory(&self, frames: Tensor<3>) -> Option<Tensor<3>> {
        self.cross.as_ref().map(|cross| linear(&cross.key_value, frames))
    }

    /// This layer's keys and values, (batch, frames, 2 dim), of those of all layers.
    pub(super) fn part(&self, memory: &Tensor<3>, index: usize) -> Tensor<3> {
        let width = 2 * self.out.weight.dims()[0];
        memory.clone().narrow(2, index * width, width)
    }

    /// # Shapes
    /// - `x`: (batch, places, dim), also returned
    /// - `mask`: (1, 1, places, places)
    /// - `memory`: (batch, frames, 2 dim) and (batch, 1, 1, frames)
    pub(super) fn forward(&self, x: Tensor<3>, mask: &Tensor<4>, memory: Option<(Tensor<3>, Tensor<4>)>) -> Tensor<3> {
        let [q, k, v] = self.project(x.clone());
        let (mixed, _) = self.attend(q, k, v, Some(mask.clone()));
        let mut x = residual(x, linear(&self.out, mixed), 1.0, &self.dropout);
        if let (Some(cross), Some((memory, mask))) = (&self.cross, memory) {
            x = residual(x.clone(), self.look(cross, x, memory, Some(mask)).0, 1.0, &self.dropout);
        }
        self.feed(x)
    }

    /// One token of each hypothesis. Returns also the keys and values with its own, and where it looked.
    ///
    /// # Shapes
    /// - `x`: (hypotheses, 1, dim), also returned
    /// - `kept`: keys and values, (hypotheses, places, dim) each; returned with a place more
    /// - `mask`: (1, 1, 1, places + 1)
    /// - `memory`: (1, frames, 2 dim)
    /// - returns also: (hypotheses, frames)
    pub(super) fn step(
        &self,
        x: Tensor<3>,
        [keys, values]: [Tensor<3>; 2],
        mask: &Tensor<4>,
        memory: Option<Tensor<3>>,
    ) -> (Tensor<3>, [Tensor<3>; 2], Option<Tensor<2>>) {
        let [hypotheses, _, dim] = x.dims();
        let [q, k, v] = self.project(x.clone());
        let (keys, values) = (Tensor::cat(vec![keys, k], 1), Tensor::cat(vec![values, v], 1));
        let (mixed, _) = self.attend(q, keys.clone(), values.clone(), Some(mask.clone()));
        let mut x = x + linear(&self.out, mixed);
        let mut looked = None;
        if let (Some(cross), Some(memory)) = (&self.cross, memory) {
            // The frames are the same for all: the hypotheses are the queries of one utterance.
            let queries = x.clone().reshape([1, hypotheses, dim]);
            let (mixed, weights) = self.look(cross, queries, memory, None);
            x = x + mixed.reshape([hypotheses, 1, dim]);
            looked = Some(weights.mean_dim(1).squeeze_dim::<3>(1).squeeze_dim(0)); // (hypotheses, frames)
        }
        (self.feed(x), [keys, values], looked)
    }

    /// Queries, keys and values of the tokens.
    fn project(&self, x: Tensor<3>) -> [Tensor<3>; 3] {
        let dim = x.dims()[2];
        let all = linear(&self.query_key_value, self.norm.forward(x));
        [0, 1, 2].map(|part| all.clone().narrow(2, part * dim, dim))
    }

    fn look(&self, cross: &Cross, x: Tensor<3>, memory: Tensor<3>, mask: Option<Tensor<4>>) -> (Tensor<3>, Tensor<4>) {
        let dim = x.dims()[2];
        let [keys, values] = [0, dim].map(|from| memory.clone().narrow(2, from, dim));
        let (mixed, weights) = self.attend(linear(&cross.query, cross.norm.forward(x)), keys, values, mask);
        (linear(&cross.out, mixed), weights)
    }

    /// # Shapes
    /// - `q`: (batch, queries, dim); `k` and `v`: (batch, keys, dim)
    /// - returns: (batch, queries, dim), and the weights, (batch, heads, queries, keys)
    fn attend(&self, q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, mask: Option<Tensor<4>>) -> (Tensor<3>, Tensor<4>) {
        let [batch, queries, dim] = q.dims();
        let head_dim = dim / self.heads;
        let split = |x: Tensor<3>| {
            let [batch, length, _] = x.dims();
            x.reshape([batch, length, self.heads, head_dim]).swap_dims(1, 2) // (batch, heads, length, head_dim)
        };
        let scores = split(q).div_scalar((head_dim as f64).sqrt()).matmul(split(k).swap_dims(2, 3));
        let (mixed, weights) = find(scores, mask.as_ref(), split(v));
        (mixed.swap_dims(1, 2).reshape([batch, queries, dim]), weights)
    }

    fn feed(&self, x: Tensor<3>) -> Tensor<3> {
        let inner = self.dropout.forward(gelu(linear(&self.expand, self.feed_norm.forward(x.clone()))));
        residual(x, linear(&self.contract, inner), 1.0, &self.dropout)
    }
}
