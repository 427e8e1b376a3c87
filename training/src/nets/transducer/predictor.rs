use burn::module::{Module, Param};
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::{Dropout, DropoutConfig, Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

use super::JointConfig;
use crate::nets::lstm::Lstm;
use crate::ops::{depthwise, dropout, linear};

/// What a prediction net knows of the tokens so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum PredictorConfig {
    /// The last tokens, by a depthwise convolution over their embeddings (Ghodsi et al., "RNN-transducer with stateless
    /// prediction network", ICASSP 2020).
    Stateless {
        /// Their number.
        context: usize,
    },
    /// All tokens, by a layer of LSTM.
    Lstm,
}

impl Default for PredictorConfig {
    fn default() -> Self {
        Self::Stateless { context: 2 }
    }
}

/// What a prediction net gets of a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmbeddingKind {
    /// A vector that is learnt.
    #[default]
    Learnt,
    /// Which it is: zeros with a one, and zeros alone for the blank. SpeechBrain's `Embedding` with
    /// `consider_as_one_hot`.
    OneHot,
}

impl EmbeddingKind {
    /// The embedding, and its width.
    fn init(self, vocabulary: usize, dim: usize, device: &Device) -> (Embedding, usize) {
        match self {
            Self::Learnt => (EmbeddingConfig::new(vocabulary, dim).init(device), dim),
            Self::OneHot => {
                let width = vocabulary.saturating_sub(1);
                let blank = Tensor::zeros([1, width], device);
                let rows = Tensor::cat(vec![blank, Tensor::eye(width, device)], 0);
                (Embedding { weight: Param::from_tensor(rows).set_require_grad(false) }, width)
            }
        }
    }
}

/// A prediction net.
#[derive(Module, Debug)]
pub(super) struct Predictor {
    embedding: Embedding,
    convolution: Option<Conv1d>,
    cell: Option<Lstm>,
    out: Linear,
    embedding_dropout: Dropout,
    dropout: Dropout,
    #[module(skip)]
    context: usize,
    #[module(skip)]
    dim: usize,
}

impl Predictor {
    pub(super) fn new(config: &JointConfig, vocabulary: usize, device: &Device) -> Self {
        let dim = config.predictor_dim;
        let (embedding, width) = config.embedding.init(vocabulary, dim, device);
        let (context, convolution, cell) = match config.predictor {
            PredictorConfig::Stateless { context } => {
                let convolution = Conv1dConfig::new(dim, dim, context).with_groups(dim).with_bias(false);
                (context, Some(convolution.init(device)), None)
            }
            PredictorConfig::Lstm => (1, None, Some(Lstm::new(width, dim, device))),
        };
        let out = LinearConfig::new(dim, config.dim).with_bias(config.bias).init(device);
        let [embedding_dropout, dropout] =
            [config.embedding_dropout, config.dropout].map(|share| DropoutConfig::new(share).init());
        Self { embedding, convolution, cell, out, embedding_dropout, dropout, context, dim }
    }

    pub(super) fn context(&self) -> usize {
        self.context
    }

    pub(super) fn states(&self) -> Vec<[usize; 2]> {
        self.cell.iter().flat_map(|_| [[1, self.dim]; 2]).collect()
    }

    /// # Shapes
    /// - `tokens`: (batch, context + tokens), as many blanks as the context first
    /// - returns: (batch, tokens + 1, joint)
    pub(super) fn forward(&self, tokens: Tensor<2, Int>) -> Tensor<3> {
        let embedded = dropout(self.embedding.forward(tokens), &self.embedding_dropout); // (batch, context + tokens, width)
        let said = match &self.cell {
            Some(cell) => {
                let zeros = Tensor::zeros([embedded.dims()[0], self.dim], &embedded.device());
                cell.forward(embedded, (zeros.clone(), zeros)).0
            }
            None => self.look_back(embedded),
        };
        linear(&self.out, dropout(said, &self.dropout))
    }

    /// (batch, context + n, dim) to (batch, n + 1, dim).
    fn look_back(&self, embedded: Tensor<3>) -> Tensor<3> {
        match &self.convolution {
            Some(convolution) => relu(depthwise(convolution, embedded, 0)),
            None => embedded,
        }
    }

    /// As [`Transducer::predict`](super::Transducer::predict).
    pub(super) fn step(&self, tokens: Tensor<2, Int>, states: Vec<Tensor<2>>) -> (Tensor<2>, Vec<Tensor<2>>) {
        let embedded = self.embedding.forward(tokens); // (batch, context, dim)
        let (said, states) = match (&self.cell, <[Tensor<2>; 2]>::try_from(states)) {
            (Some(cell), Ok([hidden, memory])) => {
                let (hidden, memory) = cell.step(embedded.squeeze_dim(1), (hidden, memory));
                (hidden.clone(), vec![hidden, memory])
            }
            _ => (self.look_back(embedded).squeeze_dim(1), Vec::new()),
        };
        (linear(&self.out, said), states)
    }
}
