use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, Initializer, LayerNorm, LayerNormConfig};
use burn::tensor::{Device, Tensor, TensorData};

use super::attention::Positions;
use super::block::Mixer;
use super::{ConformerConfig, Context};
use crate::ops::{gelu, layer_norm};

/// Hidden units of the mixing MLP, all heads together, as a multiple of the encoder's width: SpeechBrain's.
const EXPANSION: usize = 4;
/// The base of the sinusoidal positions (Vaswani et al., 2017, section 3.5).
const POSITION_BASE: f64 = 10_000.0;

/// Two-layer perceptrons side by side, one for each head's share of the channels: SpeechBrain's `ParallelMLPs`.
#[derive(Module, Debug)]
struct HeadMlps {
    /// (heads, head_dim, head_dim)
    first: Param<Tensor<3>>,
    /// (heads, head_dim)
    first_bias: Param<Tensor<2>>,
    /// (heads, head_dim, units)
    second: Param<Tensor<3>>,
    /// (heads, units)
    second_bias: Param<Tensor<2>>,
}

impl HeadMlps {
    fn new(heads: usize, head_dim: usize, units: usize, device: &Device) -> Self {
        let xavier = Initializer::XavierUniform { gain: 2.0_f64.sqrt() };
        let matrices = |from, to| xavier.init_with([heads, from, to], Some(from * to), Some(heads * from), device);
        let biases = |to| xavier.init_with([heads, to], Some(to), Some(heads), device);
        Self {
            first: matrices(head_dim, head_dim),
            first_bias: biases(head_dim),
            second: matrices(head_dim, units),
            second_bias: biases(units),
        }
    }

    /// (batch, heads, frames, head_dim) to (batch, heads, frames, units)
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let layer = |x: Tensor<4>, weight: &Param<Tensor<3>>, bias: &Param<Tensor<2>>| {
            let [heads, width] = bias.val().dims();
            x.matmul(weight.val().unsqueeze::<4>()) + bias.val().reshape([1, heads, 1, width])
        };
        layer(gelu(layer(x, &self.first, &self.first_bias)), &self.second, &self.second_bias)
    }
}

/// Multi-head HyperMixing in place of attention (Mai et al., "HyperMixer", ACL 2023; for speech: "HyperConformer",
/// Interspeech 2023), as SpeechBrain's `nnet/hypermixing.py`: an MLP over time whose weights are made of the frames that
/// it mixes, in a time that grows with the frames and not with their square.
///
/// A chunk is mixed with the frames before it that attention would see. Positions are those within a chunk, so that a
/// frame's weights are the same however old the stream is; a chunk as long as the utterance gives SpeechBrain's.
#[derive(Module, Debug)]
pub(super) struct HyperMixing {
    norm: LayerNorm,
    into: HeadMlps,
    back: HeadMlps,
    mixed: LayerNorm,
    dropout: Dropout,
    heads: usize,
    chunk: usize,
    left: usize,
}

impl HyperMixing {
    /// For each head the frames and the rows of both weight matrices that they make.
    fn weights(&self, x: Tensor<3>) -> [Tensor<4>; 3] {
        let [batch, frames, dim] = x.dims();
        let x = layer_norm(&self.norm, x);
        let placed = x.clone() + positions(frames, self.chunk, dim, &x.device());
        let split = |y: Tensor<3>| y.reshape([batch, frames, self.heads, dim / self.heads]).swap_dims(1, 2);
        let (x, placed) = (split(x), split(placed)); // (batch, heads, frames, head_dim)
        [x, self.into.forward(placed.clone()), self.back.forward(placed)]
    }

    /// (batch, heads, frames, head_dim) to (batch, frames, dim)
    fn finish(&self, mixed: Tensor<4>) -> Tensor<3> {
        let [batch, heads, frames, head_dim] = mixed.dims();
        let joined = mixed.swap_dims(1, 2).reshape([batch, frames, heads * head_dim]);
        self.dropout.forward(layer_norm(&self.mixed, joined))
    }
}

impl Mixer for HyperMixing {
    fn new(config: &ConformerConfig, device: &Device) -> Self {
        let (dim, heads) = (config.dim, config.heads);
        let mlps = || HeadMlps::new(heads, dim / heads, EXPANSION * dim / heads, device);
        Self {
            norm: LayerNormConfig::new(dim).init(device),
            into: mlps(),
            back: mlps(),
            mixed: LayerNormConfig::new(dim).init(device),
            dropout: DropoutConfig::new(config.dropout).init(),
            heads,
            chunk: config.chunk,
            left: config.left,
        }
    }

    fn cache_widths(config: &ConformerConfig) -> [usize; 2] {
        [config.dim / config.heads, EXPANSION * config.dim / config.heads]
    }

    fn forward(&self, x: Tensor<3>, context: &Context) -> Tensor<3> {
        let [x, into, back] = self.weights(x);
        let ([batch, heads, frames, head_dim], units) = (x.dims(), into.dims()[3]);
        let (chunks, rows) = (frames / self.chunk, batch * heads);
        // A frame that is there sees itself.
        let itself = Tensor::<2>::eye(frames, &x.device()).reshape([1, 1, frames, frames]);
        let there = (context.mask.clone() * itself).sum_dim(3).exp(); // (batch, 1, frames, 1)
        let cut = |y: Tensor<4>| {
            let width = y.dims()[3];
            y.reshape([rows, chunks, self.chunk, width])
        };
        // What each chunk adds to the hidden layer, and the sum over the chunks that a chunk sees.
        let added = cut(x * there).swap_dims(2, 3).matmul(cut(into)); // (rows, chunks, head_dim, units)
        let seen = band(chunks, self.left / self.chunk, &added.device());
        let summed = seen.unsqueeze::<3>().matmul(added.reshape([rows, chunks, head_dim * units]));
        let hidden = gelu(summed).reshape([rows, chunks, head_dim, units]);
        let mixed = cut(back).matmul(hidden.swap_dims(2, 3)); // (rows, chunks, chunk, head_dim)
        self.finish(mixed.reshape([batch, heads, frames, head_dim]))
    }

    /// The caches hold frames and the rows of the first matrix that they made; zeros, as at the start, add nothing.
    fn step(
        &self,
        x: Tensor<3>,
        _: &Tensor<4>,
        _: &Positions,
        (frames, rows): (Tensor<4>, Tensor<4>),
    ) -> (Tensor<3>, Tensor<4>, Tensor<4>) {
        let (chunk, left) = (x.dims()[1], frames.dims()[2]);
        let [x, into, back] = self.weights(x);
        let x = Tensor::cat(vec![frames, x], 2); // (1, heads, left + chunk, head_dim)
        let into = Tensor::cat(vec![rows, into], 2); // (1, heads, left + chunk, units)
        let (next_frames, next_rows) = (x.clone().narrow(2, chunk, left), into.clone().narrow(2, chunk, left));
        let hidden = gelu(x.swap_dims(2, 3).matmul(into)); // (1, heads, head_dim, units)
        let mixed = back.matmul(hidden.swap_dims(2, 3)); // (1, heads, chunk, head_dim)
        (self.finish(mixed), next_frames, next_rows)
    }
}

/// Sinusoids of the places within chunks. (1, frames, dim)
fn positions(frames: usize, chunk: usize, dim: usize, device: &Device) -> Tensor<3> {
    let value = |index: usize| {
        let (place, channel) = (index / dim % chunk, index % dim);
        let angle = place as f64 * POSITION_BASE.powf(-((channel - channel % 2) as f64) / dim as f64);
        (if channel.is_multiple_of(2) { angle.sin() } else { angle.cos() }) as f32
    };
    let values: Vec<f32> = (0..frames * dim).map(value).collect();
    Tensor::from_data(TensorData::new(values, [1, frames, dim]), device)
}

/// 1 where a chunk (row) sees a chunk (column): itself and `before` chunks before it.
fn band(chunks: usize, before: usize, device: &Device) -> Tensor<2> {
    let sees = |index: usize| {
        let (row, column) = (index / chunks, index % chunks);
        if (row.saturating_sub(before)..=row).contains(&column) { 1.0 } else { 0.0 }
    };
    let values: Vec<f32> = (0..chunks * chunks).map(sees).collect();
    Tensor::from_data(TensorData::new(values, [chunks, chunks]), device)
}
