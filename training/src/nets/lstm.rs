use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{sigmoid, tanh};
use burn::tensor::{DType, Device, Tensor};

use crate::ops::linear;

/// Long short-term memory (Hochreiter and Schmidhuber, 1997) with the gates in PyTorch's order: input, forget, cell,
/// output.
#[derive(Module, Debug)]
pub(super) struct Lstm {
    /// (dim, 4 dim).
    input: Linear,
    /// (dim, 4 dim), without a bias.
    recurrent: Linear,
}

/// The hidden state and the memory, (batch, dim) each.
pub(super) type LstmState = (Tensor<2>, Tensor<2>);

impl Lstm {
    pub(super) fn new(dim: usize, device: &Device) -> Self {
        let input = LinearConfig::new(dim, 4 * dim).init(device);
        Self { input, recurrent: LinearConfig::new(dim, 4 * dim).with_bias(false).init(device) }
    }

    /// # Shapes
    /// - `x`: (batch, steps, dim)
    /// - `state`: zeros at the beginning
    /// - returns: (batch, steps, dim), and the state after the last step
    pub(super) fn forward(&self, x: Tensor<3>, state: LstmState) -> (Tensor<3>, LstmState) {
        let steps = x.dims()[1];
        let gates = self.gates(x); // (batch, steps, 4 dim)
        let (mut state, mut all) = (state, Vec::with_capacity(steps));
        for step in 0..steps {
            state = self.advance(gates.clone().narrow(1, step, 1).squeeze_dim(1), state);
            all.push(state.0.clone());
        }
        (Tensor::stack(all, 1), state)
    }

    /// # Shapes
    /// - `x`: (batch, dim)
    pub(super) fn step(&self, x: Tensor<2>, state: LstmState) -> LstmState {
        self.advance(self.gates(x), state)
    }

    /// What the input says of the gates.
    fn gates<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        linear(&self.input, x).cast(DType::F32)
    }

    /// `gates`: (batch, 4 dim), what the input says of them.
    fn advance(&self, gates: Tensor<2>, (hidden, memory): LstmState) -> LstmState {
        let dim = memory.dims()[1];
        let gates = gates + linear(&self.recurrent, hidden).cast(DType::F32);
        let gate = |number: usize| gates.clone().narrow(1, number * dim, dim);
        let memory = sigmoid(gate(1)) * memory + sigmoid(gate(0)) * tanh(gate(2));
        (sigmoid(gate(3)) * tanh(memory.clone()), memory)
    }
}
