//! A streaming Conformer encoder with a CTC head, and its relatives: the same net with blocks of another kind.
//!
//! Gulati et al., "Conformer", Interspeech 2020, with subsampling by 4, or by 8 (Rekesh et al., "Fast Conformer", ASRU
//! 2023), attention over chunks (Zhang et al., "Unified streaming and non-streaming", 2020), rotary
//! positions (Su et al., "RoFormer", 2021), convolution that is causal or ends with its chunk, and layer norm in place of
//! batch norm, so that neither the batch nor the padding changes a result.

mod attention;
mod block;
mod branchformer;
mod chunks;
mod config;
mod convolution;
mod crdnn;
mod layer;
mod mixing;
mod subsampling;
mod transformer;

use burn::module::{Module, Param};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{DType, Device, Tensor};

use super::blocks::{normalise, statistics};
use super::bottleneck::Parts;
use crate::ops::{layer_norm, linear, log_softmax};
pub use attention::chunk_mask;
use attention::{Attention, Positions};
use block::Block;
use branchformer::BranchformerBlock;
pub use chunks::{Chunks, DynamicChunks};
pub use config::ConformerConfig;
pub use convolution::Reach;
use crdnn::{Cnn, DnnBlock, Recurrent};
pub use layer::Kind;
use layer::{Layer, blocks};
use mixing::HyperMixing;
pub use subsampling::FrontEnd;
use subsampling::{Subsampling, Subsampling2d};
use transformer::TransformerBlock;

/// Layers of a CRDNN's perceptron.
const DNN_BLOCKS: usize = 2;

impl ConformerConfig {
    /// A net with fresh weights for `vocabulary` tokens and as many `phones`, blanks included; without phones it has no
    /// phone head.
    pub fn init(&self, vocabulary: usize, phones: usize, device: &Device) -> Conformer {
        let dnn = if self.kind == Kind::Crdnn { DNN_BLOCKS } else { 0 };
        let phone_head = || LinearConfig::new(self.dim, self.phone_frames() * phones).init(device);
        let front = (self.kind != Kind::Crdnn).then_some(self.front);
        Conformer {
            mean: Param::from_tensor(Tensor::zeros([self.bins], device)).set_require_grad(false),
            scale: Param::from_tensor(Tensor::ones([self.bins], device)).set_require_grad(false),
            subsampling: (front == Some(FrontEnd::Conv1d)).then(|| Subsampling::new(self, device)),
            subsampling_2d: (front == Some(FrontEnd::Conv2d)).then(|| Subsampling2d::new(self, device)),
            cnn: (self.kind == Kind::Crdnn).then(|| Cnn::new(self, device)),
            blocks: blocks(Kind::Conformer, self, Block::<Attention>::new, device),
            branches: blocks(Kind::Branchformer, self, BranchformerBlock::new, device),
            mixing: blocks(Kind::Hyperconformer, self, Block::<HyperMixing>::new, device),
            recurrent: blocks(Kind::Crdnn, self, Recurrent::new, device),
            transformer: blocks(Kind::Transformer, self, TransformerBlock::new, device),
            dnn: (0..dnn).map(|_| DnnBlock::new(self, device)).collect(),
            norm: LayerNormConfig::new(self.dim).init(device),
            head: LinearConfig::new(self.dim, vocabulary).init(device),
            phones: (phones > 0).then(phone_head),
            config: self.clone(),
        }
    }
}

/// What a stream carries from chunk to chunk.
#[derive(Clone, Debug)]
pub struct Caches {
    /// Keys before rotation, or what else blocks keep of frames, (layers, heads, left, head_dim); hidden states of a
    /// CRDNN, (layers, 1, 1, dim), whose memory stands in `values`.
    pub keys: Tensor<4>,
    /// Values, (layers, heads, left, width).
    pub values: Tensor<4>,
    /// Inputs of the depthwise convolutions, (layers, kernel - 1, channels), or (layers, kernel / 2, channels) where they end
    /// with their chunks; one value a layer where there are none.
    pub convolution: Tensor<3>,
    /// How many frames of `keys` and `values` are filled, (1); nothing in a CRDNN, whose states are whole.
    pub valid: Tensor<1>,
}

/// The last block, and the log-probabilities that it gives.
#[derive(Clone, Debug)]
pub struct Heads {
    /// The normalised frames of the block, (batch, frames, dim).
    pub frames: Tensor<3>,
    /// Of tokens, (batch, frames, vocabulary).
    pub tokens: Tensor<3>,
    /// Of phones, (batch, [`ConformerConfig::phone_frames`] x frames, phones), where the net has a head for them.
    pub phones: Option<Tensor<3>>,
}

/// What one chunk of a stream gives.
#[derive(Clone, Debug)]
pub struct Stepped {
    /// The heads, of a batch of one chunk.
    pub heads: Heads,
    /// What the middle block, nearer to the sound, and the last one know of each frame, (1, chunk, 2 dim).
    pub states: Tensor<3>,
    /// The caches for the next chunk.
    pub caches: Caches,
}

/// What blocks have to know of whole utterances.
struct Context {
    /// (batch, 1, frames, frames), query by key: 0 for a key that a query sees and -10,000 for others.
    mask: Tensor<4>,
    positions: Positions,
    chunks: Chunks,
    /// (batch, frames, 1): 1 for the frames of an utterance and 0 for those behind it.
    present: Tensor<3>,
}

impl Context {
    fn new(config: &ConformerConfig, chunks: Chunks, frames: usize, lengths: &[usize], device: &Device) -> Self {
        Self {
            mask: chunk_mask(frames, chunks, lengths, device),
            positions: Positions::new(0, frames, config.dim / config.heads, device),
            chunks,
            present: attention::present(frames, lengths, device),
        }
    }
}

/// The net.
#[derive(Module, Debug)]
pub struct Conformer {
    mean: Param<Tensor<1>>,
    scale: Param<Tensor<1>>,
    // What makes one frame of several: one of these.
    subsampling: Option<Subsampling>,
    subsampling_2d: Option<Subsampling2d>,
    cnn: Option<Cnn>,
    // The blocks of a net are all of one kind; the other lists are empty.
    blocks: Vec<Block<Attention>>,
    branches: Vec<BranchformerBlock>,
    mixing: Vec<Block<HyperMixing>>,
    recurrent: Vec<Recurrent>,
    transformer: Vec<TransformerBlock>,
    dnn: Vec<DnnBlock>,
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
        [self.mean, self.scale] = statistics([self.mean, self.scale], mean, deviation);
        self
    }

    /// The net with a bottleneck of this width behind each feed-forward part that `behind` chooses by its name, such as
    /// `blocks.0.before`, to be trained beside weights that stay; `None` where blocks have no such part.
    pub fn with_bottlenecks(mut self, width: usize, behind: Parts<'_>) -> Option<Self> {
        if !self.recurrent.is_empty() {
            return None;
        }
        let (blocks, branches) = (self.blocks.into_iter().enumerate(), self.branches.into_iter().enumerate());
        let (mixing, plain) = (self.mixing.into_iter().enumerate(), self.transformer.into_iter().enumerate());
        self.blocks = blocks.map(|(n, block)| block.with_bottlenecks(width, &format!("blocks.{n}"), behind)).collect();
        self.branches =
            branches.map(|(n, block)| block.with_bottlenecks(width, &format!("branches.{n}"), behind)).collect();
        self.mixing = mixing.map(|(n, block)| block.with_bottlenecks(width, &format!("mixing.{n}"), behind)).collect();
        self.transformer =
            plain.map(|(n, block)| block.with_bottlenecks(width, &format!("transformer.{n}"), behind)).collect();
        Some(self)
    }

    fn layers(&self) -> impl Iterator<Item = Layer<'_>> {
        let blocks = self.blocks.iter().map(Layer::Conformer);
        let blocks = blocks.chain(self.branches.iter().map(Layer::Branchformer));
        let blocks = blocks.chain(self.mixing.iter().map(Layer::Hyperconformer));
        let blocks = blocks.chain(self.transformer.iter().map(Layer::Transformer));
        blocks.chain(self.recurrent.iter().map(Layer::Crdnn))
    }

    /// (batch, [`ConformerConfig::features_for`] frames, bins) to (batch, frames, dim).
    fn front(&self, features: Tensor<3>) -> Tensor<3> {
        let x = normalise(features, &self.mean, &self.scale);
        let x = match (&self.subsampling, &self.subsampling_2d, &self.cnn) {
            (Some(front), _, _) => front.forward(x),
            (_, Some(front), _) => front.forward(x),
            (_, _, Some(front)) => front.forward(x),
            (None, None, None) => x,
        };
        x.cast(DType::F32)
    }

    /// A block's frames as the heads take them.
    fn finished(&self, x: Tensor<3>) -> Tensor<3> {
        layer_norm(&self.norm, self.dnn.iter().fold(x, |x, block| block.forward(x)))
    }

    /// (batch, frames, dim) to (batch, [`ConformerConfig::phone_frames`] x frames, phones).
    fn phone_log_probs(&self, head: &Linear, x: Tensor<3>) -> Tensor<3> {
        let scores = linear(head, x);
        let ([batch, frames, width], split) = (scores.dims(), self.config.phone_frames());
        log_softmax(scores.reshape([batch, split * frames, width / split]))
    }

    /// What the heads say of an encoder's frames.
    fn heads(&self, x: Tensor<3>) -> Heads {
        let x = self.finished(x);
        let phones = self.phones.as_ref().map(|head| self.phone_log_probs(head, x.clone()));
        Heads { tokens: log_softmax(linear(&self.head, x.clone())), phones, frames: x }
    }

    /// What is asked of the middle block: phones where the net knows them, since they are nearer to the sound.
    fn middle(&self, x: Tensor<3>) -> Tensor<3> {
        let x = self.finished(x);
        match &self.phones {
            Some(head) => self.phone_log_probs(head, x),
            None => log_softmax(linear(&self.head, x)),
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
    /// - `features`: (batch, [`ConformerConfig::features_for`] frames, bins); the first are padding
    /// - `lengths`: encoder frames of each utterance, whole chunks
    /// - returns: the heads, and what the middle block says, shaped as one of them
    pub fn forward_in(&self, chunks: Chunks, features: Tensor<3>, lengths: &[usize]) -> (Heads, Tensor<3>) {
        let mut x = self.front(features); // (batch, frames, dim)
        let [_, frames, _] = x.dims();
        let context = Context::new(&self.config, chunks, frames, lengths, &x.device());
        let middle = self.config.layers / 2;
        let mut intermediate = None;
        for (index, block) in self.layers().enumerate() {
            x = block.forward(x, &context);
            if index + 1 == middle {
                intermediate = Some(self.middle(x.clone()));
            }
        }
        let intermediate = intermediate.unwrap_or_else(|| self.middle(x.clone()));
        (self.heads(x), intermediate)
    }

    /// One chunk of one stream, as long as its features, with a left context as long as its caches.
    ///
    /// # Shapes
    /// - `features`: (1, [`ConformerConfig::features_for`] the chunk, bins)
    pub fn step(&self, features: Tensor<3>, caches: Caches) -> Stepped {
        let mut x = self.front(features); // (1, chunk, dim)
        let ([_, chunk, dim], [_, _, left, _]) = (x.dims(), caches.keys.dims());
        let (device, heads) = (x.device(), self.config.heads);
        let bias = attention::valid_bias(caches.valid.clone(), left, chunk, &device);
        let positions = Positions::new(left, chunk, dim / heads, &device);
        let (mut keys, mut values, mut convolution) = (Vec::new(), Vec::new(), Vec::new());
        let (middle, mut half_way) = (self.config.layers / 2, x.clone());
        for (index, block) in self.layers().enumerate() {
            let cache = (
                caches.keys.clone().narrow(0, index, 1),
                caches.values.clone().narrow(0, index, 1),
                caches.convolution.clone().narrow(0, index, 1),
            );
            let (next, (k, v, c)) = block.step(x, &bias, &positions, cache);
            x = next;
            if index + 1 == middle {
                half_way = x.clone();
            }
            keys.push(k);
            values.push(v);
            convolution.push(c);
        }
        // Of the frames that stay in the caches, those are filled that were not hidden.
        let kept = bias.narrow(3, chunk, left);
        let caches = Caches {
            keys: Tensor::cat(keys, 0),
            values: Tensor::cat(values, 0),
            convolution: Tensor::cat(convolution, 0),
            valid: kept.greater_elem(-1.0).float().sum(),
        };
        let heads = self.heads(x);
        let states = Tensor::cat(vec![half_way, heads.frames.clone()], 2);
        Stepped { heads, states, caches }
    }

    /// The caches of a stream that has heard nothing.
    pub fn caches(&self, device: &Device) -> Caches {
        self.caches_in(self.config.left, device)
    }

    /// As [`caches`](Self::caches), with this left context.
    pub fn caches_in(&self, left: usize, device: &Device) -> Caches {
        let (keys, values, convolution) = Kind::cache_shapes(&ConformerConfig { left, ..self.config.clone() });
        Caches {
            keys: Tensor::zeros(keys, device),
            values: Tensor::zeros(values, device),
            convolution: Tensor::zeros(convolution, device),
            valid: Tensor::zeros([1], device),
        }
    }
}

#[cfg(test)]
mod tests;
