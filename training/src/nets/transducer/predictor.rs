use burn::module::Module;
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::tensor::activation::{relu, sigmoid, tanh};
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

use super::JointConfig;
use crate::nets::depthwise::depthwise;

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

/// A prediction net.
#[derive(Module, Debug)]
pub(super) struct Predictor {
    embedding: Embedding,
    convolution: Option<Conv1d>,
    cell: Option<Cell>,
    out: Linear,
    #[module(skip)]
    context: usize,
    #[module(skip)]
    dim: usize,
}

impl Predictor {
    pub(super) fn new(config: &JointConfig, vocabulary: usize, device: &Device) -> Self {
        let dim = config.predictor_dim;
        let (context, convolution, cell) = match config.predictor {
            PredictorConfig::Stateless { context } => {
                let convolution = Conv1dConfig::new(dim, dim, context).with_groups(dim).with_bias(false);
                (context, Some(convolution.init(device)), None)
            }
            PredictorConfig::Lstm => (1, None, Some(Cell::new(dim, device))),
        };
        let embedding = EmbeddingConfig::new(vocabulary, dim).init(device);
        let out = LinearConfig::new(dim, config.dim).init(device);
        Self { embedding, convolution, cell, out, context, dim }
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
        let embedded = self.embedding.forward(tokens); // (batch, context + tokens, dim)
        let said = match &self.cell {
            Some(cell) => cell.forward(embedded),
            None => self.look_back(embedded),
        };
        self.out.forward(said)
    }

    /// (batch, context + n, dim) to (batch, n + 1, dim).
    fn look_back(&self, embedded: Tensor<3>) -> Tensor<3> {
        match &self.convolution {
            Some(convolution) => relu(depthwise(convolution, embedded)),
            None => embedded,
        }
    }

    /// As [`Transducer::predict`](super::Transducer::predict).
    pub(super) fn step(&self, tokens: Tensor<2, Int>, states: Vec<Tensor<2>>) -> (Tensor<2>, Vec<Tensor<2>>) {
        let embedded = self.embedding.forward(tokens); // (batch, context, dim)
        let (said, states) = match (&self.cell, <[Tensor<2>; 2]>::try_from(states)) {
            (Some(cell), Ok([hidden, memory])) => {
                let (hidden, memory) = cell.step(cell.input.forward(embedded.squeeze_dim(1)), hidden, memory);
                (hidden.clone(), vec![hidden, memory])
            }
            _ => (self.look_back(embedded).squeeze_dim(1), Vec::new()),
        };
        (self.out.forward(said), states)
    }
}

/// Long short-term memory (Hochreiter and Schmidhuber, 1997) with the gates in PyTorch's order: input, forget, cell,
/// output.
#[derive(Module, Debug)]
struct Cell {
    input: Linear,
    recurrent: Linear,
}

impl Cell {
    fn new(dim: usize, device: &Device) -> Self {
        let input = LinearConfig::new(dim, 4 * dim).init(device);
        Self { input, recurrent: LinearConfig::new(dim, 4 * dim).with_bias(false).init(device) }
    }

    /// (batch, steps, dim) in and out.
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, steps, dim] = x.dims();
        let gates = self.input.forward(x); // (batch, steps, 4 dim)
        let mut hidden = Tensor::<2>::zeros([batch, dim], &gates.device());
        let mut memory = hidden.clone();
        let mut all = Vec::with_capacity(steps);
        for step in 0..steps {
            (hidden, memory) = self.step(gates.clone().narrow(1, step, 1).squeeze_dim(1), hidden, memory);
            all.push(hidden.clone());
        }
        Tensor::stack(all, 1)
    }

    /// # Shapes
    /// - `gates`: (batch, 4 dim), what the input says of them
    /// - `hidden`, `memory`: (batch, dim)
    /// - returns: the next hidden state and memory
    fn step(&self, gates: Tensor<2>, hidden: Tensor<2>, memory: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let dim = memory.dims()[1];
        let gates = gates + self.recurrent.forward(hidden);
        let gate = |number: usize| gates.clone().narrow(1, number * dim, dim);
        let memory = sigmoid(gate(1)) * memory + sigmoid(gate(0)) * tanh(gate(2));
        (sigmoid(gate(3)) * tanh(memory.clone()), memory)
    }
}
