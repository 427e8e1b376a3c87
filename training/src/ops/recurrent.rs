//! Recurrent layers over all steps of a sequence as one operation: what the input says of the gates is known, each step adds
//! what the state before it says.

use burn::nn::Linear;
use burn::tensor::Tensor;

use super::fused::{Kernel, Values, handle, record};
use super::matrix::{Matrix, multiply};
use super::simd::{sigmoid, vectorized};

/// Long short-term memory without peepholes, gates in PyTorch's order: input, forget, cell, output. `None` where another
/// backend than flex differentiates, or none.
///
/// # Shapes
/// - `gates`: (batch, steps, 4 dim), what the input says of them
/// - `recurrent`: (dim, 4 dim), without a bias
/// - `state`: hidden state and memory before the first step, (batch, dim) each
/// - returns: (batch, steps, 2 dim), the hidden state and behind it the memory of each step
pub(crate) fn lstm(gates: &Tensor<3>, recurrent: &Linear, state: &(Tensor<2>, Tensor<2>)) -> Option<Tensor<3>> {
    let [batch, steps, width] = gates.dims();
    let sizes = Sizes { batch, steps, dim: width / 4 };
    let inputs = [handle(gates)?, handle(&recurrent.weight.val())?, handle(&state.0)?, handle(&state.1)?];
    Some(record(Lstm(sizes), inputs, [batch, steps, 2 * sizes.dim]))
}

/// A gated recurrent unit in PyTorch's form, gates in its order: reset, update, candidate. `None` as for [`lstm`].
///
/// # Shapes
/// - `given`: (batch, steps, 3 dim), what the input says of the gates
/// - `recurrent`: (dim, 3 dim), with a bias
/// - `state`: (batch, dim), before the first step
/// - returns: (batch, steps, dim), the state of each step
pub(crate) fn gru(given: &Tensor<3>, recurrent: &Linear, state: &Tensor<2>) -> Option<Tensor<3>> {
    let [batch, steps, width] = given.dims();
    let sizes = Sizes { batch, steps, dim: width / 3 };
    let bias = handle(&recurrent.bias.as_ref()?.val())?;
    let inputs = [handle(given)?, handle(&recurrent.weight.val())?, bias, handle(state)?];
    Some(record(Gru(sizes), inputs, [batch, steps, sizes.dim]))
}

#[derive(Clone, Copy, Debug)]
struct Sizes {
    batch: usize,
    steps: usize,
    dim: usize,
}

impl Sizes {
    /// Where `width` values of a clip's step begin.
    fn at(self, clip: usize, step: usize, width: usize) -> usize {
        (clip * self.steps + step) * width
    }

    /// Rows of `values` that stand apart by the steps of a clip: those of one step of all clips.
    fn of_step(self, values: &[f32], step: usize, width: usize, taken: usize) -> Matrix<'_> {
        Matrix::new(&values[step * width..], [self.batch, taken], self.steps * width)
    }

    /// The state before each step, of states that stand `width` apart: (batch, steps, dim).
    fn before(self, first: &[f32], states: &[f32], width: usize) -> Vec<f32> {
        let mut before = Vec::with_capacity(self.batch * self.steps * self.dim);
        for (clip, first) in first.chunks_exact(self.dim).enumerate() {
            before.extend_from_slice(first);
            for step in 1..self.steps {
                before.extend_from_slice(&states[self.at(clip, step - 1, width)..][..self.dim]);
            }
        }
        before
    }

    /// The gradient of the recurrent weights, of the states before each step and the gradients of what they gave.
    fn weights(self, before: &[f32], gates: &[f32], width: usize) -> Vec<f32> {
        let rows = self.batch * self.steps;
        let mut weights = vec![0.0; self.dim * width];
        let before = Matrix::new(before, [rows, self.dim], self.dim).transposed();
        multiply(&mut weights, width, before, Matrix::new(gates, [rows, width], width), false);
        weights
    }
}

#[inline(always)]
fn tanh(x: f32) -> f32 {
    2.0 * sigmoid(2.0 * x) - 1.0
}

#[derive(Clone, Copy, Debug)]
struct Lstm(Sizes);

#[derive(Clone, Debug)]
struct LstmSaved {
    /// (batch, steps, 4 dim), open or shut.
    gates: Vec<f32>,
    /// (batch, steps, 2 dim).
    states: Values,
    weight: Values,
    hidden: Values,
    memory: Values,
}

impl Kernel<4> for Lstm {
    type Saved = LstmSaved;

    fn forward(&self, [gates, weight, hidden, memory]: [Values; 4]) -> (Values, LstmSaved) {
        let Self(sizes) = *self;
        let Sizes { batch, steps, dim } = sizes;
        let mut gates = gates.to_vec();
        let mut states = vec![0.0; batch * steps * 2 * dim];
        for step in 0..steps {
            let before = match step {
                0 => Matrix::new(&hidden, [batch, dim], dim),
                _ => sizes.of_step(&states, step - 1, 2 * dim, dim),
            };
            let weight = Matrix::new(&weight, [dim, 4 * dim], 4 * dim);
            multiply(&mut gates[step * 4 * dim..], steps * 4 * dim, before, weight, true);
            for clip in 0..batch {
                let (past, now) = states[sizes.at(clip, 0, 2 * dim)..].split_at_mut(step * 2 * dim);
                let memory = match step {
                    0 => &memory[clip * dim..][..dim],
                    _ => &past[(2 * step - 1) * dim..],
                };
                remember(&mut gates[sizes.at(clip, step, 4 * dim)..][..4 * dim], memory, &mut now[..2 * dim]);
            }
        }
        let states = Values::from(states);
        (states.clone(), LstmSaved { gates, states, weight, hidden, memory })
    }

    fn backward(&self, saved: LstmSaved, gradient: Values, _wanted: [bool; 4]) -> [Option<Values>; 4] {
        let Self(sizes) = *self;
        let Sizes { batch, steps, dim } = sizes;
        let LstmSaved { mut gates, states, weight, hidden, memory } = saved;
        let [mut to_hidden, mut to_memory] = [(); 2].map(|()| vec![0.0; batch * dim]);
        for step in (0..steps).rev() {
            for clip in 0..batch {
                let before = match step {
                    0 => &memory[clip * dim..][..dim],
                    _ => &states[sizes.at(clip, step - 1, 2 * dim) + dim..][..dim],
                };
                let at = sizes.at(clip, step, 2 * dim);
                remember_gradient(
                    &mut gates[sizes.at(clip, step, 4 * dim)..][..4 * dim],
                    [before, &states[at + dim..][..dim]],
                    &gradient[at..][..2 * dim],
                    &to_hidden[clip * dim..][..dim],
                    &mut to_memory[clip * dim..][..dim],
                );
            }
            let weight = Matrix::new(&weight, [dim, 4 * dim], 4 * dim).transposed();
            multiply(&mut to_hidden, dim, sizes.of_step(&gates, step, 4 * dim, 4 * dim), weight, false);
        }
        let weights = sizes.weights(&sizes.before(&hidden, &states, 2 * dim), &gates, 4 * dim);
        [gates, weights, to_hidden, to_memory].map(|gradient| Some(gradient.into()))
    }
}

vectorized! {
    /// One step of a clip: `gates` are opened in place, `state` gets the hidden state and the memory.
    fn remember(gates: &mut [f32], before: &[f32], state: &mut [f32]) {
        let dim = before.len();
        let (input, rest) = gates.split_at_mut(dim);
        let (forget, rest) = rest.split_at_mut(dim);
        let (cell, output) = rest.split_at_mut(dim);
        let (hidden, memory) = state.split_at_mut(dim);
        for unit in 0..dim {
            input[unit] = sigmoid(input[unit]);
            forget[unit] = sigmoid(forget[unit]);
            cell[unit] = tanh(cell[unit]);
            output[unit] = sigmoid(output[unit]);
            memory[unit] = forget[unit] * before[unit] + input[unit] * cell[unit];
            hidden[unit] = output[unit] * tanh(memory[unit]);
        }
    }
}

vectorized! {
    /// The gradients of one step of a clip: those of the gates, before they were opened, take their place; `later` is what
    /// the next step asks of the hidden state, and `to_memory` what it asks of the memory, which becomes that of the step
    /// before.
    fn remember_gradient(
        gates: &mut [f32], memories: [&[f32]; 2], gradient: &[f32], later: &[f32], to_memory: &mut [f32],
    ) {
        let [before, memory] = memories;
        let dim = before.len();
        let (input, rest) = gates.split_at_mut(dim);
        let (forget, rest) = rest.split_at_mut(dim);
        let (cell, output) = rest.split_at_mut(dim);
        let (hidden, kept) = gradient.split_at(dim);
        for unit in 0..dim {
            let (i, f, g, o) = (input[unit], forget[unit], cell[unit], output[unit]);
            let told = tanh(memory[unit]);
            let above = hidden[unit] + later[unit];
            let asked = kept[unit] + to_memory[unit] + above * o * (1.0 - told * told);
            input[unit] = asked * g * i * (1.0 - i);
            forget[unit] = asked * before[unit] * f * (1.0 - f);
            cell[unit] = asked * i * (1.0 - g * g);
            output[unit] = above * told * o * (1.0 - o);
            to_memory[unit] = asked * f;
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Gru(Sizes);

#[derive(Clone, Debug)]
struct GruSaved {
    /// (batch, steps, 4 dim): reset, update, candidate, and what the state says of the candidate.
    gates: Vec<f32>,
    /// (batch, steps, dim).
    states: Values,
    weight: Values,
    first: Values,
}

impl Kernel<4> for Gru {
    type Saved = GruSaved;

    fn forward(&self, [given, weight, bias, first]: [Values; 4]) -> (Values, GruSaved) {
        let Self(sizes) = *self;
        let Sizes { batch, steps, dim } = sizes;
        let mut gates = vec![0.0; batch * steps * 4 * dim];
        let (mut states, mut kept) = (vec![0.0; batch * steps * dim], vec![0.0; batch * 3 * dim]);
        for step in 0..steps {
            let before = match step {
                0 => Matrix::new(&first, [batch, dim], dim),
                _ => sizes.of_step(&states, step - 1, dim, dim),
            };
            kept.chunks_exact_mut(3 * dim).for_each(|kept| kept.copy_from_slice(&bias));
            multiply(&mut kept, 3 * dim, before, Matrix::new(&weight, [dim, 3 * dim], 3 * dim), true);
            for (clip, kept) in kept.chunks_exact(3 * dim).enumerate() {
                let (past, now) = states[sizes.at(clip, 0, dim)..].split_at_mut(step * dim);
                let before = match step {
                    0 => &first[clip * dim..][..dim],
                    _ => &past[(step - 1) * dim..],
                };
                let given = &given[sizes.at(clip, step, 3 * dim)..][..3 * dim];
                renew([given, kept], before, &mut gates[sizes.at(clip, step, 4 * dim)..][..4 * dim], &mut now[..dim]);
            }
        }
        let states = Values::from(states);
        (states.clone(), GruSaved { gates, states, weight, first })
    }

    fn backward(&self, saved: GruSaved, gradient: Values, _wanted: [bool; 4]) -> [Option<Values>; 4] {
        let Self(sizes) = *self;
        let Sizes { batch, steps, dim } = sizes;
        let GruSaved { gates, states, weight, first } = saved;
        let [mut to_given, mut to_kept] = [(); 2].map(|()| vec![0.0; batch * steps * 3 * dim]);
        let mut to_state = vec![0.0; batch * dim];
        for step in (0..steps).rev() {
            for clip in 0..batch {
                let before = match step {
                    0 => &first[clip * dim..][..dim],
                    _ => &states[sizes.at(clip, step - 1, dim)..][..dim],
                };
                let at = sizes.at(clip, step, 3 * dim);
                renew_gradient(
                    &gates[sizes.at(clip, step, 4 * dim)..][..4 * dim],
                    before,
                    &gradient[sizes.at(clip, step, dim)..][..dim],
                    &mut to_state[clip * dim..][..dim],
                    [&mut to_given[at..][..3 * dim], &mut to_kept[at..][..3 * dim]],
                );
            }
            let weight = Matrix::new(&weight, [dim, 3 * dim], 3 * dim).transposed();
            multiply(&mut to_state, dim, sizes.of_step(&to_kept, step, 3 * dim, 3 * dim), weight, true);
        }
        let weights = sizes.weights(&sizes.before(&first, &states, dim), &to_kept, 3 * dim);
        let mut bias = vec![0.0; 3 * dim];
        for kept in to_kept.chunks_exact(3 * dim) {
            bias.iter_mut().zip(kept).for_each(|(bias, kept)| *bias += kept);
        }
        [to_given, weights, bias, to_state].map(|gradient| Some(gradient.into()))
    }
}

vectorized! {
    /// One step of a clip: `gates` gets reset, update, candidate and what the state says of the candidate.
    fn renew(told: [&[f32]; 2], before: &[f32], gates: &mut [f32], state: &mut [f32]) {
        let [given, kept] = told;
        let dim = before.len();
        for unit in 0..dim {
            let reset = sigmoid(given[unit] + kept[unit]);
            let update = sigmoid(given[dim + unit] + kept[dim + unit]);
            let told = kept[2 * dim + unit];
            let candidate = tanh(given[2 * dim + unit] + reset * told);
            state[unit] = candidate + update * (before[unit] - candidate);
            for (gate, value) in [reset, update, candidate, told].into_iter().enumerate() {
                gates[gate * dim + unit] = value;
            }
        }
    }
}

vectorized! {
    /// The gradients of one step of a clip: of what the input says of the gates, and of what the state says. `to_state` is
    /// what the next step asks of the state, and becomes what this one asks of the state before past the weights.
    fn renew_gradient(
        gates: &[f32], before: &[f32], gradient: &[f32], to_state: &mut [f32], to_told: [&mut [f32]; 2],
    ) {
        let [given, kept] = to_told;
        let dim = before.len();
        for unit in 0..dim {
            let (reset, update) = (gates[unit], gates[dim + unit]);
            let (candidate, told) = (gates[2 * dim + unit], gates[3 * dim + unit]);
            let above = gradient[unit] + to_state[unit];
            let to_candidate = above * (1.0 - update) * (1.0 - candidate * candidate);
            let to_update = above * (before[unit] - candidate) * update * (1.0 - update);
            let to_reset = to_candidate * told * reset * (1.0 - reset);
            to_state[unit] = above * update;
            for (gate, value) in [to_reset, to_update, to_candidate].into_iter().enumerate() {
                given[gate * dim + unit] = value;
            }
            for (gate, value) in [to_reset, to_update, to_candidate * reset].into_iter().enumerate() {
                kept[gate * dim + unit] = value;
            }
        }
    }
}
