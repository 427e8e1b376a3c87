use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::block::Mixer;
use super::{Chunks, ConformerConfig, Context};
use crate::ops::{attend, attention, dropout, layer_norm, linear, rotate};

/// Added to a score that must not count; large, yet finite in every float type.
const HIDDEN: f32 = -1e4;

/// The base of the rotary frequencies (RoFormer, section 3.2.2).
const ROTARY_BASE: f32 = 10_000.0;

/// What hides keys from queries: 0 where a frame is seen, -10,000 where not. A frame sees its chunk and the frames
/// to the left of it, as far as the utterance goes.
///
/// # Shapes
/// - `lengths`: frames of each utterance
/// - returns: (batch, 1, frames, frames), query by key
pub fn chunk_mask(frames: usize, chunks: Chunks, lengths: &[usize], device: &Device) -> Tensor<4> {
    let Chunks { chunk, left } = chunks;
    let mut mask = vec![HIDDEN; lengths.len() * frames * frames];
    for (rows, length) in mask.chunks_mut(frames * frames).zip(lengths) {
        for (query, row) in rows.chunks_mut(frames).enumerate() {
            let start = query / chunk * chunk;
            let end = start.saturating_add(chunk).min((*length).max(1)).min(frames);
            let begin = start.saturating_sub(left).min(end.saturating_sub(1));
            row[begin..end].fill(0.0);
        }
    }
    Tensor::from_data(TensorData::new(mask, [lengths.len(), 1, frames, frames]), device)
}

/// 1 for the frames of each utterance and 0 for those behind its end.
///
/// # Shapes
/// - `lengths`: frames of each utterance
/// - returns: (batch, frames, 1)
pub(super) fn present(frames: usize, lengths: &[usize], device: &Device) -> Tensor<3> {
    let row = |length: &usize| (0..frames).map(|frame| if frame < *length { 1.0 } else { 0.0 }).collect::<Vec<f32>>();
    let values = lengths.iter().flat_map(row).collect();
    Tensor::from_data(TensorData::new(values, [lengths.len(), frames, 1]), device)
}

/// Hides the cached frames that are not filled yet.
///
/// # Shapes
/// - `valid`: (1), filled frames at the end of the cache
/// - returns: (1, 1, 1, left + chunk)
pub(super) fn valid_bias(valid: Tensor<1>, left: usize, chunk: usize, device: &Device) -> Tensor<4> {
    let from_chunk = count(left, chunk, device);
    (from_chunk + valid).clamp_max(0.0).mul_scalar(-HIDDEN).reshape([1, 1, 1, left + chunk])
}

/// Frames from the beginning of a chunk, -left to chunk - 1. They are counted by the device, so that an export can count
/// as far as its caches go.
fn count(left: usize, chunk: usize, device: &Device) -> Tensor<1> {
    Tensor::<1, Int>::arange(-(left as i64)..chunk as i64, device).float()
}

/// Sines and cosines that rotate queries and keys to their positions. Only distances count: the first query stands at 0.
pub(super) struct Positions {
    queries: (Tensor<4>, Tensor<4>),
    keys: (Tensor<4>, Tensor<4>),
}

impl Positions {
    /// `queries` frames, which see themselves and `left` frames before the first of them.
    pub(super) fn new(left: usize, queries: usize, head_dim: usize, device: &Device) -> Self {
        let half = head_dim / 2;
        let frequencies = (0..half).map(|index| ROTARY_BASE.powf(-(index as f32) / half as f32)).collect();
        let frequencies = Tensor::<4>::from_data(TensorData::new(frequencies, [1, 1, 1, half]), device);
        let angles = count(left, queries, device).reshape([1, 1, left + queries, 1]) * frequencies;
        let keys = (angles.clone().sin(), angles.cos());
        let last = |table: &Tensor<4>| table.clone().narrow(2, left, queries);
        Self { queries: (last(&keys.0), last(&keys.1)), keys }
    }
}

/// Multi-head self-attention with rotary positions.
#[derive(Module, Debug)]
pub(super) struct Attention {
    norm: LayerNorm,
    query_key_value: Linear,
    out: Linear,
    dropout: Dropout,
    heads: usize,
}

impl Attention {
    /// Queries, keys and values: (batch, frames, dim) to (batch, frames, 3 dim).
    fn project(&self, x: Tensor<3>) -> Tensor<3> {
        linear(&self.query_key_value, layer_norm(&self.norm, x))
    }

    fn finish(&self, mixed: Tensor<3>) -> Tensor<3> {
        dropout(linear(&self.out, mixed), &self.dropout)
    }
}

impl Mixer for Attention {
    fn new(config: &ConformerConfig, device: &Device) -> Self {
        Self {
            norm: LayerNormConfig::new(config.dim).init(device),
            query_key_value: LinearConfig::new(config.dim, 3 * config.dim).init(device),
            out: LinearConfig::new(config.dim, config.dim).init(device),
            dropout: DropoutConfig::new(config.dropout).init(),
            heads: config.heads,
        }
    }

    fn cache_widths(config: &ConformerConfig) -> [usize; 2] {
        [config.dim / config.heads; 2]
    }

    fn forward(&self, x: Tensor<3>, context: &Context) -> Tensor<3> {
        let Context { mask, positions, .. } = context;
        self.finish(attention(self.project(x), mask, &positions.queries, self.heads))
    }

    /// The keys are cached before they are rotated.
    fn step(
        &self,
        x: Tensor<3>,
        bias: &Tensor<4>,
        positions: &Positions,
        (keys, values): (Tensor<4>, Tensor<4>),
    ) -> (Tensor<3>, Tensor<4>, Tensor<4>) {
        let [batch, chunk, dim] = x.dims();
        let left = keys.dims()[2];
        let all = self.project(x);
        let [q, k, v] = [0, 1, 2].map(|part| {
            let one = all.clone().narrow(2, part * dim, dim);
            one.reshape([batch, chunk, self.heads, dim / self.heads]).swap_dims(1, 2)
        });
        let k = Tensor::cat(vec![keys, k], 2); // (1, heads, left + chunk, head_dim)
        let v = Tensor::cat(vec![values, v], 2);
        let (next_keys, next_values) = (k.clone().narrow(2, chunk, left), v.clone().narrow(2, chunk, left));
        let (q, k) = (rotate(q, &positions.queries), rotate(k, &positions.keys));
        (self.finish(attend([q, k, v], bias)), next_keys, next_values)
    }
}
