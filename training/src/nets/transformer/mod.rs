//! A Transformer that says one token after another: the decoder of a recogniser, or, where it has no encoder to look at, a
//! language model.
//!
//! Vaswani et al., "Attention is all you need", NeurIPS 2017, with layer norm before each part: what SpeechBrain's
//! `TransformerASR` and `TransformerLM` are with `normalize_before` and sines for positions. The number of the blank,
//! which is never said, stands for the beginning of a sentence and for its end.

mod layer;

use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::ops::{linear, log_softmax};
use layer::Layer;

/// Added to a score that must not count; large, yet finite in every float type.
const HIDDEN: f32 = -1e4;
/// Of layer norms, as in SpeechBrain.
const EPSILON: f64 = 1e-6;
/// The longest wavelength of the positions, in tokens by 2π (Vaswani et al., section 3.5).
const LONGEST: f64 = 10_000.0;

/// The shape of a Transformer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransformerConfig {
    /// Width.
    pub dim: usize,
    /// Number of layers.
    pub layers: usize,
    /// Attention heads; divides `dim`.
    pub heads: usize,
    /// Width of the feed-forward parts.
    pub feed_forward: usize,
    /// Share of activations dropped in training. Default: 0.1.
    #[serde(default = "dropout")]
    pub dropout: f64,
}

fn dropout() -> f64 {
    0.1
}

impl TransformerConfig {
    /// What is wrong with the sizes, if something is.
    pub fn mistake(&self) -> Option<String> {
        let Self { dim, heads, .. } = *self;
        let fits = heads > 0 && dim.is_multiple_of(heads) && dim.is_multiple_of(2);
        (!fits).then(|| format!("expected dim to be even and a multiple of the heads, found {dim} and {heads}"))
    }

    /// A net with fresh weights for `vocabulary` tokens, that looks at an encoder's frames of width `memory`; without, it
    /// is a language model.
    pub fn init(&self, vocabulary: usize, memory: Option<usize>, device: &Device) -> Transformer {
        // Its rows are multiplied by the root of the width, to be as large as the positions.
        let initializer = Initializer::Normal { mean: 0.0, std: (self.dim as f64).powf(-0.5) };
        Transformer {
            embedding: EmbeddingConfig::new(vocabulary, self.dim).with_initializer(initializer).init(device),
            layers: (0..self.layers).map(|_| Layer::new(self, memory, device)).collect(),
            norm: layer_norm(self.dim, device),
            out: LinearConfig::new(self.dim, vocabulary).init(device),
        }
    }
}

fn layer_norm(dim: usize, device: &Device) -> LayerNorm {
    LayerNormConfig::new(dim).with_epsilon(EPSILON).init(device)
}

/// The net.
#[derive(Module, Debug)]
pub struct Transformer {
    embedding: Embedding,
    layers: Vec<Layer>,
    norm: LayerNorm,
    out: Linear,
}

/// What a net makes of one more token of each hypothesis.
#[derive(Clone, Debug)]
pub struct Stepped {
    /// Log probabilities of the next, (hypotheses, vocabulary).
    pub log_probs: Tensor<2>,
    /// Where the last layer looked, all heads alike, (hypotheses, frames); none for a language model.
    pub attention: Option<Tensor<2>>,
    /// Keys and values of all tokens so far, (hypotheses, 2 layers, places, dim).
    pub cache: Tensor<4>,
}

impl Transformer {
    /// Its width.
    pub fn dim(&self) -> usize {
        self.out.weight.dims()[0]
    }

    /// The number of its layers.
    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// The numbers of tokens, the boundary included.
    pub fn vocabulary(&self) -> usize {
        self.out.weight.dims()[1]
    }

    /// The keys and values that the layers look at: (batch, frames, width of the encoder) to (batch, frames, 2 layers
    /// dim), those of the first layer first.
    pub fn memory(&self, frames: Tensor<3>) -> Tensor<3> {
        Tensor::cat(self.layers.iter().filter_map(|layer| layer.memory(frames.clone())).collect(), 2)
    }

    /// All tokens at once, each of which sees those before it.
    ///
    /// # Shapes
    /// - `tokens`: (batch, places), the boundary first
    /// - `memory`: (batch, frames, 2 layers dim), and (batch, 1, 1, frames), 0 for a frame that counts and -10,000 for
    ///   others; none for a language model
    /// - returns: log probabilities of the token after each, (batch, places, vocabulary)
    pub fn forward(&self, tokens: Tensor<2, Int>, memory: Option<(Tensor<3>, Tensor<4>)>) -> Tensor<3> {
        let (device, [_, places]) = (tokens.device(), tokens.dims());
        let at = Tensor::<1, Int>::arange(0..places as i64, &device).float();
        let mut x = self.embed(tokens, at); // (batch, places, dim)
        let mask = causal_mask(places, &device);
        for (index, layer) in self.layers.iter().enumerate() {
            let memory = memory.as_ref().map(|(memory, mask)| (layer.part(memory, index), mask.clone()));
            x = layer.forward(x, &mask, memory);
        }
        log_softmax(linear(&self.out, self.norm.forward(x)))
    }

    /// One token of each hypothesis. All hypotheses look at the same frames.
    ///
    /// # Shapes
    /// - `tokens`: (hypotheses, 1), the last of each
    /// - `position`: (1), how many tokens were before them, the boundary included
    /// - `cache`: (hypotheses, 2 layers, places, dim), as [`cache`](Self::cache) or the last step gave it
    /// - `memory`: (1, frames, 2 layers dim); none for a language model
    pub fn step(
        &self,
        tokens: Tensor<2, Int>,
        position: Tensor<1>,
        cache: Tensor<4>,
        memory: Option<Tensor<3>>,
    ) -> Stepped {
        let (device, [_, _, places, _]) = (tokens.device(), cache.dims());
        let mut x = self.embed(tokens, position); // (hypotheses, 1, dim)
        let filled = Tensor::<4>::zeros([1, 1, 1, places], &device);
        let mask = Tensor::cat(vec![Tensor::full([1, 1, 1, 1], HIDDEN, &device), filled], 3);
        let (mut entries, mut attention) = (Vec::new(), None);
        for (index, layer) in self.layers.iter().enumerate() {
            let entry = |kind: usize| cache.clone().narrow(1, 2 * index + kind, 1).squeeze_dim::<3>(1);
            let memory = memory.as_ref().map(|memory| layer.part(memory, index));
            let (next, kept, looked) = layer.step(x, [entry(0), entry(1)], &mask, memory);
            x = next;
            entries.extend(kept.map(|entry| entry.unsqueeze_dim::<4>(1)));
            attention = looked;
        }
        let log_probs = log_softmax(linear(&self.out, self.norm.forward(x))).squeeze_dim(1);
        Stepped { log_probs, attention, cache: Tensor::cat(entries, 1) }
    }

    /// The cache of one hypothesis before its first token: a place that is never seen, since engines do not all take
    /// tensors without elements.
    pub fn cache(&self, device: &Device) -> Tensor<4> {
        Tensor::zeros([1, 2 * self.layers(), 1, self.dim()], device)
    }

    /// (batch, places) and (places) to (batch, places, dim).
    fn embed(&self, tokens: Tensor<2, Int>, positions: Tensor<1>) -> Tensor<3> {
        let scale = (self.dim() as f64).sqrt();
        self.embedding.forward(tokens).mul_scalar(scale) + sinusoids(positions, self.dim()).unsqueeze_dim(0)
    }
}

/// (places) to (places, dim): a sine and a cosine of each wavelength beside each other.
fn sinusoids(positions: Tensor<1>, dim: usize) -> Tensor<2> {
    let (places, half) = (positions.dims()[0], dim / 2);
    let frequency = |index: usize| LONGEST.powf(-2.0 * index as f64 / dim as f64) as f32;
    let frequencies: Vec<f32> = (0..half).map(frequency).collect();
    let frequencies = Tensor::<2>::from_data(TensorData::new(frequencies, [1, half]), &positions.device());
    let angles = positions.reshape([places, 1]) * frequencies; // (places, dim / 2)
    Tensor::stack::<3>(vec![angles.clone().sin(), angles.cos()], 2).reshape([places, dim])
}

/// (1, 1, places, places), query by key: 0 for a key that is no later, -10,000 for others.
fn causal_mask(places: usize, device: &Device) -> Tensor<4> {
    let seen = |at: usize| if at % places <= at / places { 0.0 } else { HIDDEN };
    let mask: Vec<f32> = (0..places * places).map(seen).collect();
    Tensor::from_data(TensorData::new(mask, [1, 1, places, places]), device)
}

/// Hides the frames after the last of each utterance: (batch, 1, 1, frames), 0 or -10,000.
pub fn length_mask(frames: usize, lengths: &[usize], device: &Device) -> Tensor<4> {
    let row =
        |length: &usize| (0..frames).map(|frame| if frame < *length { 0.0 } else { HIDDEN }).collect::<Vec<f32>>();
    let mask: Vec<f32> = lengths.iter().flat_map(row).collect();
    Tensor::from_data(TensorData::new(mask, [lengths.len(), 1, 1, frames]), device)
}

/// The tokens of sentences as [`Transformer::forward`] takes them, the boundary before them: (batch, most tokens + 1).
/// What comes after each is [`said_next`].
pub fn shifted(tokens: &[Vec<u32>], device: &Device) -> Tensor<2, Int> {
    let places = 1 + tokens.iter().map(Vec::len).max().unwrap_or(0);
    let mut rows = vec![0_i64; tokens.len() * places];
    for (row, tokens) in rows.chunks_exact_mut(places).zip(tokens) {
        row[1..].iter_mut().zip(tokens).for_each(|(slot, token)| *slot = i64::from(*token));
    }
    Tensor::from_data(TensorData::new(rows, [tokens.len(), places]), device)
}

/// What is to be said at each place: the tokens and then the boundary, which ends the sentence.
pub fn said_next(tokens: &[Vec<u32>]) -> Vec<Vec<u32>> {
    tokens.iter().map(|tokens| tokens.iter().copied().chain([0]).collect()).collect()
}

#[cfg(test)]
mod tests;
