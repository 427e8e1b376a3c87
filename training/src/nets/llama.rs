//! A Llama-architecture language model (Touvron et al., "LLaMA", 2023): RMS norm before each part, rotary positions,
//! grouped-query attention, SwiGLU. What llama.cpp runs as `llama` is this net.

use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear, LinearConfig, RmsNorm, RmsNormConfig};
use burn::tensor::activation::silu;
use burn::tensor::{DType, Device, Distribution, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::ops::{find, linear, rotate};

/// Added to a score that must not count; large, yet finite in every float type.
const HIDDEN: f32 = -1e4;

/// The shape of a Llama.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LlamaConfig {
    /// Width.
    pub dim: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Query heads; divides `dim` into even parts.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of the feed-forward part.
    pub feed_forward: usize,
    /// Whether the output uses the input's embedding. Default: true.
    #[serde(default = "tied")]
    pub tied: bool,
    /// The base of the rotary frequencies (RoFormer, section 3.2.2). Default: 10,000.
    #[serde(default = "rope_base")]
    pub rope_base: f32,
    /// Added to the mean square in RMS norm. Default: 1e-5.
    #[serde(default = "norm_epsilon")]
    pub norm_epsilon: f64,
}

fn tied() -> bool {
    true
}

fn rope_base() -> f32 {
    10_000.0
}

fn norm_epsilon() -> f64 {
    1e-5
}

impl LlamaConfig {
    /// The width of a head.
    pub fn head_dim(&self) -> usize {
        self.dim / self.heads
    }

    /// A net with fresh weights for `vocabulary` tokens.
    ///
    /// It begins as one that repeats what it looks at: the output's table is the input's, and attention's output
    /// undoes its values (in the spirit of Trockman and Kolter, "Mimetic initialization of self-attention layers",
    /// ICML 2023). An assistant mostly repeats words that it has heard, and finds that out much sooner so.
    pub fn init(&self, vocabulary: usize, device: &Device) -> Llama {
        let table = Tensor::random([vocabulary, self.dim], normal(0.02), device);
        Llama {
            embedding: Param::from_tensor(table.clone()),
            blocks: (0..self.layers).map(|_| Block::new(self, device)).collect(),
            norm: RmsNormConfig::new(self.dim).with_epsilon(self.norm_epsilon).init(device),
            output: (!self.tied).then(|| Param::from_tensor(table)),
            heads: self.heads,
            kv_heads: self.kv_heads,
            rope_base: self.rope_base,
        }
    }

    /// A projection without bias whose outputs are about as large as its inputs, times `scale`.
    fn linear(&self, input: usize, output: usize, scale: f64, device: &Device) -> Linear {
        let initializer = Initializer::Normal { mean: 0.0, std: scale / (input as f64).sqrt() };
        LinearConfig::new(input, output).with_bias(false).with_initializer(initializer).init(device)
    }

    /// The projections around attention, the second the transpose of the first's values times [`REPEAT`].
    fn attention(&self, device: &Device) -> (Linear, Linear) {
        let (dim, head_dim) = (self.dim, self.head_dim());
        let queries_keys = (self.heads + self.kv_heads) * head_dim;
        let mut all = self.linear(dim, queries_keys + self.kv_heads * head_dim, 1.0, device);
        let mut out = self.linear(dim, dim, 1.0, device);
        let weight = all.weight.val();
        let undo = (0..self.heads).map(|head| {
            let group = head / (self.heads / self.kv_heads);
            weight.clone().narrow(1, queries_keys + group * head_dim, head_dim).transpose() // (head_dim, dim)
        });
        out.weight = Param::from_tensor(Tensor::cat(undo.collect(), 0).mul_scalar(REPEAT).detach());
        all.weight = Param::from_tensor(weight.detach());
        (all, out)
    }
}

/// How loudly attention repeats a token at first, beside the embedding's scale.
const REPEAT: f32 = 0.1;

fn normal(std: f64) -> Distribution {
    Distribution::Normal(0.0, std)
}

/// One block. The weights are open, since the exporter reads them.
#[derive(Module, Debug)]
pub struct Block {
    /// Before attention.
    pub attention_norm: RmsNorm,
    /// Queries, keys and values in one projection: (dim, (heads + 2 kv_heads) x head_dim).
    pub query_key_value: Linear,
    /// (dim, dim).
    pub attention_out: Linear,
    /// Before the feed-forward part.
    pub feed_forward_norm: RmsNorm,
    /// Gate and up in one projection: (dim, 2 feed_forward).
    pub gate_up: Linear,
    /// (feed_forward, dim).
    pub down: Linear,
}

impl Block {
    fn new(config: &LlamaConfig, device: &Device) -> Self {
        let norm = || RmsNormConfig::new(config.dim).with_epsilon(config.norm_epsilon).init(device);
        let (query_key_value, attention_out) = config.attention(device);
        Self {
            attention_norm: norm(),
            query_key_value,
            attention_out,
            feed_forward_norm: norm(),
            gate_up: config.linear(config.dim, 2 * config.feed_forward, 1.0, device),
            down: config.linear(config.feed_forward, config.dim, 0.1, device),
        }
    }

    fn forward(&self, x: Tensor<3>, shape: &Shape) -> Tensor<3> {
        let x = x.clone() + self.attend(self.attention_norm.forward(x), shape).cast(DType::F32);
        let both = linear(&self.gate_up, self.feed_forward_norm.forward(x.clone())); // (batch, time, 2 feed_forward)
        let width = both.dims()[2] / 2;
        let hidden = silu(both.clone().narrow(2, 0, width)) * both.narrow(2, width, width);
        x + linear(&self.down, hidden).cast(DType::F32)
    }

    fn attend(&self, x: Tensor<3>, shape: &Shape) -> Tensor<3> {
        let [batch, time, dim] = x.dims();
        let head_dim = dim / shape.heads;
        let all = linear(&self.query_key_value, x); // (batch, time, (heads + 2 kv_heads) head_dim)
        let part = |start: usize, heads: usize| {
            let one = all.clone().narrow(2, start * head_dim, heads * head_dim);
            one.reshape([batch, time, heads, head_dim]).swap_dims(1, 2) // (batch, heads, time, head_dim)
        };
        let groups = shape.heads / shape.kv_heads;
        let q = rotate(part(0, shape.heads), &shape.rotation).div_scalar((head_dim as f64).sqrt());
        let k = repeat(rotate(part(shape.heads, shape.kv_heads), &shape.rotation), groups);
        let v = repeat(part(shape.heads + shape.kv_heads, shape.kv_heads), groups);
        let scores = q.matmul(k.swap_dims(2, 3)); // (batch, heads, queries, keys)
        let mixed = find(scores, Some(&shape.mask), v).0; // (batch, heads, time, head_dim)
        linear(&self.attention_out, mixed.swap_dims(1, 2).reshape([batch, time, dim]))
    }
}

/// What all blocks of one forward share.
struct Shape {
    heads: usize,
    kv_heads: usize,
    /// Sines and cosines, (1, 1, time, head_dim / 2) each. The halves of each head are rotated against each other, the order
    /// of Hugging Face's Llama; llama.cpp rotates neighbours, so the exporter reorders the rows of queries and keys.
    rotation: (Tensor<4>, Tensor<4>),
    mask: Tensor<4>,
}

/// Each head of keys or values, `groups` times in a row. (batch, kv_heads, time, head_dim) to (batch, heads, ...).
fn repeat(x: Tensor<4>, groups: usize) -> Tensor<4> {
    if groups == 1 {
        return x;
    }
    let [batch, heads, time, head_dim] = x.dims();
    x.unsqueeze_dim::<5>(2).expand([batch, heads, groups, time, head_dim]).reshape([
        batch,
        heads * groups,
        time,
        head_dim,
    ])
}

/// A Llama.
#[derive(Module, Debug)]
pub struct Llama {
    /// (vocabulary, dim).
    pub embedding: Param<Tensor<2>>,
    /// The blocks, first to last.
    pub blocks: Vec<Block>,
    /// After the last block.
    pub norm: RmsNorm,
    /// (vocabulary, dim) where the output has a table of its own.
    pub output: Option<Param<Tensor<2>>>,
    heads: usize,
    kv_heads: usize,
    rope_base: f32,
}

impl Llama {
    /// Hidden states of every position, ready for [`logits`](Self::logits).
    ///
    /// # Shapes
    /// - `tokens`: (batch, time)
    /// - `mask`: (batch, 1, time, time), query by key, added to the scores; see [`packed_mask`]
    /// - returns: (batch, time, dim)
    pub fn forward(&self, tokens: Tensor<2, Int>, mask: Tensor<4>) -> Tensor<3> {
        let [batch, time] = tokens.dims();
        let device = tokens.device();
        let dim = self.embedding.dims()[1];
        let rows = self.embedding.val().select(0, tokens.reshape([batch * time]));
        let mut x = rows.reshape([batch, time, dim]);
        let rotation = self.rotations(time, dim / self.heads, &device);
        let shape = Shape { heads: self.heads, kv_heads: self.kv_heads, rotation, mask };
        for block in &self.blocks {
            x = block.forward(x, &shape);
        }
        self.norm.forward(x)
    }

    /// Scores of the next token.
    ///
    /// # Shapes
    /// - `hidden`: (rows, dim)
    /// - returns: (rows, vocabulary)
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        let table = self.output.as_ref().unwrap_or(&self.embedding);
        hidden.matmul(table.val().transpose())
    }

    /// Scores of the token after `tokens`: (vocabulary).
    pub fn score(&self, tokens: &[i32], device: &Device) -> Vec<f32> {
        let time = tokens.len();
        let ids = Tensor::<2, Int>::from_data(TensorData::new(tokens.to_vec(), [1, time]), device);
        let hidden = self.forward(ids, packed_mask(&[vec![0]], time, device)); // (1, time, dim)
        let dim = hidden.dims()[2];
        self.logits(hidden.narrow(1, time - 1, 1).reshape([1, dim])).into_data().iter::<f32>().collect()
    }

    fn rotations(&self, time: usize, head_dim: usize, device: &Device) -> (Tensor<4>, Tensor<4>) {
        let half = head_dim / 2;
        let angles = (0..time * half).map(|at| {
            let (position, index) = ((at / half) as f32, (at % half) as f32);
            position * self.rope_base.powf(-index / half as f32)
        });
        let angles: Vec<f32> = angles.collect();
        let angles = Tensor::<4>::from_data(TensorData::new(angles, [1, 1, time, half]), device);
        (angles.clone().sin(), angles.cos())
    }
}

/// A causal mask for rows that hold several texts each: a token sees itself and the earlier tokens of its own text.
///
/// # Shapes
/// - `starts`: for each row, where its texts begin, ascending from 0
/// - returns: (rows, 1, time, time), 0 where a key is seen and -10,000 where not
pub fn packed_mask(starts: &[Vec<usize>], time: usize, device: &Device) -> Tensor<4> {
    let texts = starts.iter().flat_map(|starts| {
        (0..time).map(move |at| starts.iter().filter(|start| **start <= at).count() as i32) // the text of each token
    });
    let texts = TensorData::new(texts.collect::<Vec<i32>>(), [starts.len(), 1, time, 1]);
    let texts = Tensor::<4, Int>::from_data(texts, device);
    let places = Tensor::<1, Int>::arange(0..time as i64, device).reshape([1, 1, time, 1]);
    let other = texts.clone().not_equal(texts.swap_dims(2, 3)); // (rows, 1, queries, keys)
    let later = places.clone().lower(places.swap_dims(2, 3)); // (1, 1, queries, keys)
    other.float().add(later.float()).clamp_max(1.0).mul_scalar(HIDDEN)
}
