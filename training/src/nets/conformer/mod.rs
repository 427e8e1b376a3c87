//! A streaming Conformer encoder with a CTC head.
//!
//! Gulati et al., "Conformer", Interspeech 2020, with subsampling by 8 (Rekesh et al., "Fast Conformer", ASRU
//! 2023), attention over chunks (Zhang et al., "Unified streaming and non-streaming", 2020), rotary
//! positions (Su et al., "RoFormer", 2021), causal convolution, and layer norm in place of batch norm, so that neither
//! the batch nor the padding changes a result.

mod attention;
mod block;
mod chunks;
mod convolution;
mod subsampling;

use burn::module::{Module, Param};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use attention::Positions;
pub use attention::chunk_mask;
use block::Block;
pub use chunks::{Chunks, DynamicChunks};
use subsampling::Subsampling;

/// The shape of a streaming Conformer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConformerConfig {
    /// Mel bins of the input.
    pub bins: usize,
    /// Width of the encoder.
    pub dim: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Attention heads; divides `dim` into even parts.
    pub heads: usize,
    /// Width of the feed-forward parts.
    pub feed_forward: usize,
    /// Frames that the depthwise convolution sees, its own and earlier ones.
    pub kernel: usize,
    /// Width of the subsampling.
    pub channels: usize,
    /// Encoder frames of a chunk (80 ms each at a hop of 10 ms), where none is drawn. No weight depends on it.
    pub chunk: usize,
    /// Encoder frames before the chunk that attention sees, likewise.
    pub left: usize,
    /// Share of activations dropped in training.
    pub dropout: f64,
}

impl ConformerConfig {
    /// Feature frames for one encoder frame.
    pub const SUBSAMPLING: usize = 8;
    /// Feature frames before a chunk that the subsampling sees: 2 (1 + 2 + 4) for three kernels of 3 with stride 2.
    pub const LEFT_FEATURES: usize = 14;

    /// Frames of the phone head for one encoder frame: 40 ms each, since people speak more phones in a second than there
    /// are encoder frames.
    pub const PHONE_FRAMES: usize = 2;

    /// A net with fresh weights for `vocabulary` tokens and as many `phones`, blanks included; without phones it has no
    /// phone head.
    pub fn init(&self, vocabulary: usize, phones: usize, device: &Device) -> Conformer {
        let phone_head = || LinearConfig::new(self.dim, Self::PHONE_FRAMES * phones).init(device);
        Conformer {
            mean: Param::from_tensor(Tensor::zeros([self.bins], device)).set_require_grad(false),
            scale: Param::from_tensor(Tensor::ones([self.bins], device)).set_require_grad(false),
            subsampling: Subsampling::new(self, device),
            blocks: (0..self.layers).map(|_| Block::new(self, device)).collect(),
            norm: LayerNormConfig::new(self.dim).init(device),
            head: LinearConfig::new(self.dim, vocabulary).init(device),
            phones: (phones > 0).then(phone_head),
            config: self.clone(),
        }
    }

    /// The chunks of a stream.
    pub fn chunks(&self) -> Chunks {
        Chunks { chunk: self.chunk, left: self.left }
    }
}

/// What a stream carries from chunk to chunk.
#[derive(Clone, Debug)]
pub struct Caches {
    /// Keys before rotation, (layers, heads, left, head_dim).
    pub keys: Tensor<4>,
    /// Values, (layers, heads, left, head_dim).
    pub values: Tensor<4>,
    /// Inputs of the depthwise convolutions, (layers, kernel - 1, dim).
    pub convolution: Tensor<3>,
    /// How many frames of `keys` and `values` are filled, (1).
    pub valid: Tensor<1>,
}

/// The last block, and the log-probabilities that it gives.
#[derive(Clone, Debug)]
pub struct Heads {
    /// The normalised frames of the block, (batch, frames, dim).
    pub frames: Tensor<3>,
    /// Of tokens, (batch, frames, vocabulary).
    pub tokens: Tensor<3>,
    /// Of phones, (batch, [`ConformerConfig::PHONE_FRAMES`] frames, phones), where the net has a head for them.
    pub phones: Option<Tensor<3>>,
}

/// (batch, frames, dim) to (batch, 2 frames, phones).
fn phone_log_probs(head: &Linear, x: Tensor<3>) -> Tensor<3> {
    let scores = head.forward(x);
    let [batch, frames, width] = scores.dims();
    let split = ConformerConfig::PHONE_FRAMES;
    log_softmax(scores.reshape([batch, split * frames, width / split]), 2)
}

/// The net.
#[derive(Module, Debug)]
pub struct Conformer {
    mean: Param<Tensor<1>>,
    scale: Param<Tensor<1>>,
    subsampling: Subsampling,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
    phones: Option<Linear>,
    #[module(skip)]
    config: ConformerConfig,
}

impl Conformer {
    /// Its shape.
    pub fn config(&self) -> &ConformerConfig {
        &self.config
    }

    /// The net with features normalised by `mean` and `deviation` of the training data, (bins) each.
    pub fn with_statistics(mut self, mean: &[f32], deviation: &[f32]) -> Self {
        let set = |param: Param<Tensor<1>>, values: Vec<f32>| {
            param.map(|old| {
                let tensor = Tensor::from_floats(values.as_slice(), &old.device());
                tensor.set_require_grad(false)
            })
        };
        self.mean = set(self.mean, mean.to_vec());
        self.scale = set(self.scale, deviation.iter().map(|d| 1.0 / d.max(1e-3)).collect());
        self
    }

    fn normalise(&self, features: Tensor<3>) -> Tensor<3> {
        let bins = self.config.bins;
        (features - self.mean.val().reshape([1, 1, bins])) * self.scale.val().reshape([1, 1, bins])
    }

    /// What the heads say of an encoder's frames.
    fn heads(&self, x: Tensor<3>) -> Heads {
        let x = self.norm.forward(x);
        let phones = self.phones.as_ref().map(|head| phone_log_probs(head, x.clone()));
        Heads { tokens: log_softmax(self.head.forward(x.clone()), 2), phones, frames: x }
    }

    /// What is asked of the middle block: phones where the net knows them, since they are nearer to the sound.
    fn middle(&self, x: Tensor<3>) -> Tensor<3> {
        let x = self.norm.forward(x);
        match &self.phones {
            Some(head) => phone_log_probs(head, x),
            None => log_softmax(self.head.forward(x), 2),
        }
    }

    /// As [`forward_in`](Self::forward_in), in the chunks of a stream.
    pub fn forward(&self, features: Tensor<3>, lengths: &[usize]) -> (Heads, Tensor<3>) {
        self.forward_in(self.config.chunks(), features, lengths)
    }

    /// Whole utterances at once, chunk by chunk as a stream would see them.
    ///
    /// Returns the log-probabilities of the last block and, for an auxiliary loss, those of the middle one (Lee and
    /// Watanabe, "Intermediate loss regularization for CTC", ICASSP 2021): of phones where the net has a head for them,
    /// else of tokens.
    ///
    /// # Shapes
    /// - `features`: (batch, [`ConformerConfig::LEFT_FEATURES`] + 8 frames, bins); the first are padding
    /// - `lengths`: encoder frames of each utterance, whole chunks
    /// - returns: the heads, and (batch, 2 frames, phones) or (batch, frames, vocabulary)
    pub fn forward_in(&self, chunks: Chunks, features: Tensor<3>, lengths: &[usize]) -> (Heads, Tensor<3>) {
        let mut x = self.subsampling.forward(self.normalise(features)); // (batch, frames, dim)
        let [_, frames, _] = x.dims();
        let device = x.device();
        let mask = chunk_mask(frames, chunks, lengths, &device);
        let positions = Positions::new(0..frames, 0..frames, self.config.dim / self.config.heads, &device);
        let middle = self.blocks.len() / 2;
        let mut intermediate = None;
        for (index, block) in self.blocks.iter().enumerate() {
            x = block.forward(x, &mask, &positions);
            if index + 1 == middle {
                intermediate = Some(self.middle(x.clone()));
            }
        }
        let intermediate = intermediate.unwrap_or_else(|| self.middle(x.clone()));
        (self.heads(x), intermediate)
    }

    /// One chunk of one stream.
    ///
    /// # Shapes
    /// - `features`: (1, [`ConformerConfig::LEFT_FEATURES`] + 8 chunk, bins)
    /// - returns: the heads of a batch of one chunk, and the caches for the next
    pub fn step(&self, features: Tensor<3>, caches: Caches) -> (Heads, Caches) {
        let ConformerConfig { left, chunk, dim, heads, .. } = self.config;
        let mut x = self.subsampling.forward(self.normalise(features)); // (1, chunk, dim)
        let device = x.device();
        let bias = attention::valid_bias(caches.valid.clone(), left, chunk, &device);
        let positions = Positions::new(left..left + chunk, 0..left + chunk, dim / heads, &device);
        let (mut keys, mut values, mut convolution) = (Vec::new(), Vec::new(), Vec::new());
        for (index, block) in self.blocks.iter().enumerate() {
            let cache = (
                caches.keys.clone().narrow(0, index, 1),
                caches.values.clone().narrow(0, index, 1),
                caches.convolution.clone().narrow(0, index, 1),
            );
            let (next, (k, v, c)) = block.step(x, &bias, &positions, cache);
            x = next;
            keys.push(k);
            values.push(v);
            convolution.push(c);
        }
        let caches = Caches {
            keys: Tensor::cat(keys, 0),
            values: Tensor::cat(values, 0),
            convolution: Tensor::cat(convolution, 0),
            valid: caches.valid.add_scalar(chunk as f64).clamp_max(left as f64),
        };
        (self.heads(x), caches)
    }

    /// The caches of a stream that has heard nothing.
    pub fn caches(&self, device: &Device) -> Caches {
        let ConformerConfig { layers, heads, left, dim, kernel, .. } = self.config;
        Caches {
            keys: Tensor::zeros([layers, heads, left, dim / heads], device),
            values: Tensor::zeros([layers, heads, left, dim / heads], device),
            convolution: Tensor::zeros([layers, kernel - 1, dim], device),
            valid: Tensor::zeros([1], device),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    fn tiny() -> ConformerConfig {
        ConformerConfig {
            bins: 80,
            dim: 32,
            layers: 3,
            heads: 2,
            feed_forward: 64,
            kernel: 5,
            channels: 32,
            chunk: 4,
            left: 8,
            dropout: 0.0,
        }
    }

    #[test]
    fn a_stream_of_chunks_equals_the_whole() {
        let device = Device::flex();
        device.seed(7);
        let config = tiny();
        let net = config.init(30, 12, &device);
        let chunks = 6;
        let step = 8 * config.chunk;
        let total = ConformerConfig::LEFT_FEATURES + chunks * step;
        let features = Tensor::<3>::random([1, total, 80], Distribution::Normal(0.0, 1.0), &device);
        let (whole, _) = net.forward(features.clone(), &[chunks * config.chunk]);
        let mut caches = net.caches(&device);
        let mut pieces = Vec::new();
        for chunk in 0..chunks {
            let piece = features.clone().narrow(1, chunk * step, ConformerConfig::LEFT_FEATURES + step);
            let (heads, next) = net.step(piece, caches);
            caches = next;
            pieces.push((heads.tokens, heads.phones.unwrap()));
        }
        let (tokens, phones): (Vec<_>, Vec<_>) = pieces.into_iter().unzip();
        assert_eq!(Tensor::cat(phones.clone(), 1).dims(), [1, 2 * chunks * config.chunk, 12]);
        for (whole, streamed) in [(whole.tokens, tokens), (whole.phones.unwrap(), phones)] {
            let difference: f32 = (whole - Tensor::cat(streamed, 1)).abs().max().into_scalar();
            assert!(difference < 2e-5, "{difference}");
        }
    }

    #[test]
    fn chunks_that_are_drawn_are_those_of_a_stream() {
        let device = Device::flex();
        device.seed(9);
        let net = tiny().init(30, 0, &device);
        let features = Tensor::<3>::random(
            [1, ConformerConfig::LEFT_FEATURES + 8 * 12, 80],
            Distribution::Normal(0.0, 1.0),
            &device,
        );
        let in_chunks = |chunks| net.forward_in(chunks, features.clone(), &[12]).0.tokens;
        let full = in_chunks(Chunks::FULL);
        for chunks in [Chunks { chunk: 2, left: 4 }, Chunks { chunk: 6, left: 12 }] {
            let other = ConformerConfig { chunk: chunks.chunk, left: chunks.left, ..tiny() };
            let stream = other.init(30, 0, &device).load_record(net.clone().into_record());
            let mut caches = stream.caches(&device);
            let mut pieces = Vec::new();
            for at in (0..12).step_by(chunks.chunk) {
                let piece = features.clone().narrow(1, 8 * at, ConformerConfig::LEFT_FEATURES + 8 * chunks.chunk);
                let (heads, next) = stream.step(piece, caches);
                caches = next;
                pieces.push(heads.tokens);
            }
            let whole = in_chunks(chunks);
            let difference: f32 = (whole.clone() - Tensor::cat(pieces, 1)).abs().max().into_scalar();
            assert!(difference < 2e-5, "{chunks:?}: {difference}");
            assert!((whole - full.clone()).abs().max().into_scalar::<f32>() > 1e-4);
        }
        let one = in_chunks(Chunks { chunk: 12, left: 0 });
        assert!((one - full).abs().max().into_scalar::<f32>() < 2e-5);
    }

    #[test]
    fn padding_and_batch_change_nothing() {
        let device = Device::flex();
        device.seed(8);
        let config = tiny();
        let net = config.init(30, 12, &device);
        let frames = ConformerConfig::LEFT_FEATURES + 8 * config.chunk * 4;
        let long = Tensor::<3>::random([1, frames, 80], Distribution::Normal(0.0, 1.0), &device);
        let short_frames = ConformerConfig::LEFT_FEATURES + 8 * config.chunk * 2;
        let short = long.clone().narrow(1, 0, short_frames);
        let (alone, _) = net.forward(short, &[8]);
        let (together, _) = net.forward(Tensor::cat(vec![long.clone(), long], 0), &[16, 8]);
        let cut = together.tokens.narrow(0, 1, 1).narrow(1, 0, 8);
        let difference: f32 = (alone.tokens - cut).abs().max().into_scalar();
        assert!(difference < 2e-5, "{difference}");
    }
}
