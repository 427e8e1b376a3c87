use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{DType, Device, Tensor, activation};

use crate::ops::{gru, linear};

/// A gated recurrent unit in PyTorch's form (`torch.nn.GRU`): the reset gate is applied after the product with the
/// hidden state,
///
/// `r = s(W x + b + U h + c)`, `z` likewise, `n = tanh(W x + b + r (U h + c))`, `h' = (1 - z) n + z h`.
///
/// The products of all frames with the input's weights are one matrix product; only those with the hidden state wait for
/// each other.
#[derive(Module, Debug)]
pub(super) struct Gru {
    /// (input, 3 width): reset gate, update gate, candidate.
    input: Linear,
    /// (width, 3 width).
    hidden: Linear,
    width: usize,
}

impl Gru {
    /// A unit with fresh weights.
    pub(super) fn new(inputs: usize, width: usize, device: &Device) -> Self {
        let linear = |from| LinearConfig::new(from, 3 * width).init(device);
        Self { input: linear(inputs), hidden: linear(width), width }
    }

    /// The width of the hidden state.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// # Shapes
    /// - x: (batch, frames, inputs)
    /// - state: (batch, width), zeros at the beginning
    /// - returns: (batch, frames, width), and the state after the last frame
    pub(super) fn forward(&self, x: Tensor<3>, state: Tensor<2>) -> (Tensor<3>, Tensor<2>) {
        let ([batch, frames, _], width) = (x.dims(), self.width);
        let given = linear(&self.input, x).cast(DType::F32); // (batch, frames, 3 width)
        let Some(states) = gru(&given, &self.hidden, &state) else { return self.step_by_step(given, state) };
        let last = states.clone().narrow(1, frames - 1, 1).reshape([batch, width]);
        (states, last)
    }

    /// `given`: (batch, frames, 3 width), what the input says of the gates.
    fn step_by_step(&self, given: Tensor<3>, state: Tensor<2>) -> (Tensor<3>, Tensor<2>) {
        let ([batch, frames, _], width) = (given.dims(), self.width);
        let (mut state, mut states) = (state, Vec::with_capacity(frames));
        for frame in 0..frames {
            let given = given.clone().narrow(1, frame, 1).reshape([batch, 3 * width]);
            let kept = linear(&self.hidden, state.clone()).cast(DType::F32);
            let gates =
                activation::sigmoid(given.clone().narrow(1, 0, 2 * width) + kept.clone().narrow(1, 0, 2 * width));
            let (reset, update) = (gates.clone().narrow(1, 0, width), gates.narrow(1, width, width));
            let candidate = (given.narrow(1, 2 * width, width) + reset * kept.narrow(1, 2 * width, width)).tanh();
            state = candidate.clone() + update * (state - candidate);
            states.push(state.clone().reshape([batch, 1, width]));
        }
        (Tensor::cat(states, 1), state)
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Param;
    use burn::tensor::{Distribution, TensorData};

    use super::*;

    #[test]
    fn all_steps_at_once_are_the_steps_one_by_one() {
        let device = Device::flex().autodiff();
        device.seed(7);
        let random = |shape| Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), &device).require_grad();
        let net = Gru::new(4, 5, &device);
        let (x, state) = (random([3 * 7, 4]), random([3, 5]));
        let frames = || x.clone().reshape([3, 7, 4]);
        let weights = Tensor::<3>::random([3, 7, 5], Distribution::Normal(0.0, 1.0), &device);
        let both =
            [net.forward(frames(), state.clone()), net.step_by_step(linear(&net.input, frames()), state.clone())];
        let [found, expected] = both.map(|(all, last)| {
            let gradients = ((all.clone() * weights.clone()).sum() + (last.clone() * last).sum()).backward();
            let of =
                |tensor: &Tensor<2>| tensor.grad(&gradients).unwrap().into_data().iter::<f32>().collect::<Vec<_>>();
            let mut values: Vec<f32> = all.into_data().iter().collect();
            let matrices = [&net.input, &net.hidden].map(|layer| layer.weight.val());
            values.extend([&x, &state].into_iter().chain(&matrices).flat_map(of));
            let bias = net.hidden.bias.as_ref().unwrap().val();
            values.extend(bias.grad(&gradients).unwrap().into_data().iter::<f32>());
            values
        });
        assert_eq!(found.len(), 3 * 7 * (5 + 4) + 3 * 5 + (4 + 5) * 15 + 15);
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 2e-5 * expected.abs().max(1.0), "{found}, expected {expected}");
        }
    }

    /// ```python
    /// gru = torch.nn.GRU(2, 2, batch_first=True)
    /// for parameter in gru.parameters():  # weight_ih, weight_hh, bias_ih, bias_hh
    ///     with torch.no_grad():
    ///         parameter.copy_((torch.arange(parameter.numel()) * 0.7).sin().reshape(parameter.shape))
    /// x = (torch.arange(8.0) * 1.3).cos().reshape(1, 4, 2)
    /// print(gru(x)[0])
    /// ```
    #[test]
    fn it_is_pytorchs() {
        let device = Device::flex();
        let waves = |count: usize| (0..count).map(|n| (n as f32 * 0.7).sin()).collect::<Vec<_>>();
        // PyTorch keeps (out, in), we (in, out).
        let weight =
            || Param::from_tensor(Tensor::<2>::from_data(TensorData::new(waves(12), [6, 2]), &device).transpose());
        let bias = || Some(Param::from_tensor(Tensor::<1>::from_data(TensorData::new(waves(6), [6]), &device)));
        let linear = || Linear { weight: weight(), bias: bias() };
        let gru = Gru { input: linear(), hidden: linear(), width: 2 };
        let x: Vec<f32> = (0..8).map(|n| (n as f32 * 1.3).cos()).collect();
        let x = Tensor::<3>::from_data(TensorData::new(x, [1, 4, 2]), &device);
        let (found, last) = gru.forward(x, Tensor::zeros([1, 2], &device));
        let found: Vec<f32> = found.into_data().iter().collect();
        let expected =
            [-0.010_799_81, 0.085_974_08, 0.089_307_61, 0.042_123_14, 0.109_978_1, 0.286_118_2, 0.134_870_1, 0.176_362];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
        assert_eq!(last.into_data().iter::<f32>().collect::<Vec<_>>(), found[6..]);
    }
}
