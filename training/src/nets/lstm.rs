use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{sigmoid, tanh};
use burn::tensor::{DType, Device, Tensor};

use crate::ops::{linear, lstm};

/// Long short-term memory (Hochreiter and Schmidhuber, 1997) with the gates in PyTorch's order: input, forget, cell,
/// output.
#[derive(Module, Debug)]
pub(super) struct Lstm {
    /// (input, 4 dim).
    input: Linear,
    /// (dim, 4 dim), without a bias.
    recurrent: Linear,
}

/// The hidden state and the memory, (batch, dim) each.
pub(super) type LstmState = (Tensor<2>, Tensor<2>);

impl Lstm {
    pub(super) fn new(input: usize, dim: usize, device: &Device) -> Self {
        let input = LinearConfig::new(input, 4 * dim).init(device);
        Self { input, recurrent: LinearConfig::new(dim, 4 * dim).with_bias(false).init(device) }
    }

    /// # Shapes
    /// - `x`: (batch, steps, input)
    /// - `state`: zeros at the beginning
    /// - returns: (batch, steps, dim), and the state after the last step
    pub(super) fn forward(&self, x: Tensor<3>, state: LstmState) -> (Tensor<3>, LstmState) {
        let gates = self.gates(x); // (batch, steps, 4 dim)
        let Some(states) = lstm(&gates, &self.recurrent, &state) else { return self.step_by_step(gates, state) };
        let [batch, steps, width] = states.dims();
        let dim = width / 2;
        let half = |part: usize| states.clone().narrow(2, part * dim, dim);
        let last = |part: usize| half(part).narrow(1, steps - 1, 1).reshape([batch, dim]);
        (half(0), (last(0), last(1)))
    }

    fn step_by_step(&self, gates: Tensor<3>, state: LstmState) -> (Tensor<3>, LstmState) {
        let steps = gates.dims()[1];
        let (mut state, mut all) = (state, Vec::with_capacity(steps));
        for step in 0..steps {
            state = self.advance(gates.clone().narrow(1, step, 1).squeeze_dim(1), state);
            all.push(state.0.clone());
        }
        (Tensor::stack(all, 1), state)
    }

    /// # Shapes
    /// - `x`: (batch, input)
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

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    #[test]
    fn all_steps_at_once_are_the_steps_one_by_one() {
        let device = Device::flex().autodiff();
        device.seed(7);
        let random = |shape| Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), &device).require_grad();
        let net = Lstm::new(5, 5, &device);
        let (x, hidden, memory) = (random([3 * 7, 5]), random([3, 5]), random([3, 5]));
        let state = || (hidden.clone(), memory.clone());
        let gates = || net.gates(x.clone().reshape([3, 7, 5]));
        let weights = Tensor::<3>::random([3, 7, 5], Distribution::Normal(0.0, 1.0), &device);
        let both = [net.forward(x.clone().reshape([3, 7, 5]), state()), net.step_by_step(gates(), state())];
        let [found, expected] = both.map(|(all, (hidden, memory))| {
            let sum = (all.clone() * weights.clone()).sum() + hidden.sum() + (memory.clone() * memory).sum();
            let gradients = sum.backward();
            let of = |tensor: &Tensor<2>| tensor.grad(&gradients).unwrap();
            let parts = [&x, &state().0, &state().1].map(of);
            let [input, recurrent] = [&net.input, &net.recurrent].map(|layer| of(&layer.weight.val()));
            let flat = |tensor: Tensor<2>| tensor.into_data().iter::<f32>().collect::<Vec<_>>();
            let mut values: Vec<f32> = all.into_data().iter().collect();
            values.extend(parts.into_iter().chain([input, recurrent]).flat_map(flat));
            values
        });
        assert_eq!(found.len(), 3 * 7 * 5 * 2 + 3 * 5 * 2 + 5 * 20 * 2);
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 2e-5 * expected.abs().max(1.0), "{found}, expected {expected}");
        }
    }
}
