use burn::tensor::activation::softmax;
use burn::tensor::{DType, Tensor};
use rayon::prelude::*;

use super::fused::{Kernel, Values, handle, record};
use super::matrix::{Matrix, multiply};
use super::simd::{exp, largest, sum, sum_pairs, vectorized};

/// Multi-head self-attention with rotary positions (Su et al., "RoFormer", 2021) on queries, keys and values that lie
/// beside each other.
///
/// # Shapes
/// - `all`: (batch, frames, 3 dim): queries, keys, values, each head by head
/// - `bias`: (batch, 1, frames, frames), added to the scores of each query and key; not differentiated
/// - `rotation`: sines and cosines, (1, 1, frames, dim / heads / 2) each
/// - returns: (batch, frames, dim)
pub(crate) fn attention(
    all: Tensor<3>,
    bias: &Tensor<4>,
    rotation: &(Tensor<4>, Tensor<4>),
    heads: usize,
) -> Tensor<3> {
    let [batch, frames, width] = all.dims();
    let dim = width / 3;
    match (handle(&all), handle(bias), handle(&rotation.0), handle(&rotation.1)) {
        (Some(values), Some(seen), Some(sines), Some(cosines)) if bias.dims()[0] == batch => {
            drop(all);
            record(Attend { frames, heads, dim }, [values, seen, sines, cosines], [batch, frames, dim])
        }
        _ => {
            let [q, k, v] = [0, 1, 2].map(|part| {
                let one = all.clone().narrow(2, part * dim, dim);
                one.reshape([batch, frames, heads, dim / heads]).swap_dims(1, 2)
            });
            attend([rotate(q, rotation), rotate(k, rotation), v], bias)
        }
    }
}

/// The values that queries find by keys.
///
/// # Shapes
/// - queries, keys, values: (batch, heads, frames, dim / heads), of queries perhaps fewer
/// - `bias`: (batch or 1, 1, queries or 1, keys)
/// - returns: (batch, queries, dim)
pub(crate) fn attend([q, k, v]: [Tensor<4>; 3], bias: &Tensor<4>) -> Tensor<3> {
    let [batch, heads, frames, head_dim] = q.dims();
    let scores = q.div_scalar((head_dim as f64).sqrt()).matmul(k.swap_dims(2, 3));
    let mixed = find(scores, Some(bias), v).0; // (batch, heads, queries, head_dim)
    mixed.swap_dims(1, 2).reshape([batch, frames, heads * head_dim])
}

/// The sums of values, weighted by the softmax of scores with a bias added, and the weights. The softmax is one of 32-bit
/// floats, the product is in the type of the values.
///
/// # Shapes
/// - `scores`: (batch, heads, queries, keys), as are the weights
/// - `bias`: (batch or 1, 1, queries or 1, keys)
/// - `values`: (batch, heads, keys, width)
/// - returns: (batch, heads, queries, width)
pub(crate) fn find(scores: Tensor<4>, bias: Option<&Tensor<4>>, values: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
    let scores = scores.cast(DType::F32);
    let weights = softmax(bias.map_or(scores.clone(), |bias| scores + bias.clone()), 3);
    (weights.clone().cast(values.dtype()).matmul(values), weights)
}

/// Rotates the halves of each head against each other, in the type of the angles. (batch, heads, frames, head_dim) in and
/// out, in the type that it comes in.
pub(crate) fn rotate(x: Tensor<4>, (sine, cosine): &(Tensor<4>, Tensor<4>)) -> Tensor<4> {
    let (half, given) = (x.dims()[3] / 2, x.dtype());
    let x = x.cast(sine.dtype());
    let (a, b) = (x.clone().narrow(3, 0, half), x.narrow(3, half, half));
    let rotated_a = a.clone() * cosine.clone() - b.clone() * sine.clone();
    let rotated_b = a * sine.clone() + b * cosine.clone();
    Tensor::cat(vec![rotated_a, rotated_b], 3).cast(given)
}

#[derive(Clone, Copy, Debug)]
struct Attend {
    frames: usize,
    heads: usize,
    dim: usize,
}

/// What attention remembers: queries, keys and values, sines and cosines, and the weights (batch, heads, frames, frames).
type Saved = (Values, Values, Values, Values);

impl Attend {
    fn width(self) -> usize {
        self.dim / self.heads
    }

    /// The scaled queries and the keys of a head, rotated: (frames, head_dim) each.
    fn rotated(self, all: &[f32], head: usize, sines: &[f32], cosines: &[f32]) -> [Vec<f32>; 2] {
        let width = self.width();
        [(0, 1.0 / (width as f32).sqrt()), (self.dim, 1.0)].map(|(part, scale)| {
            let mut out = vec![0.0; self.frames * width];
            let rows =
                all.chunks_exact(3 * self.dim).zip(sines.chunks_exact(width / 2).zip(cosines.chunks_exact(width / 2)));
            for ((row, (sines, cosines)), out) in rows.zip(out.chunks_exact_mut(width)) {
                turn(&row[part + head * width..][..width], sines, cosines, [scale, scale], out);
            }
            out
        })
    }

    /// One clip: writes what the queries find, and the weights by which they do.
    fn mix(self, all: &[f32], bias: &[f32], sines: &[f32], cosines: &[f32], weights: &mut [f32], out: &mut [f32]) {
        let Self { frames, heads, dim } = self;
        let width = self.width();
        for (head, weights) in (0..heads).zip(weights.chunks_exact_mut(frames * frames)) {
            let [q, k] = self.rotated(all, head, sines, cosines);
            let (q, k) = (Matrix::new(&q, [frames, width], width), Matrix::new(&k, [frames, width], width));
            multiply(weights, frames, q, k.transposed(), false);
            normalise(weights, bias, frames);
            let values = Matrix::new(&all[2 * dim + head * width..], [frames, width], 3 * dim);
            multiply(&mut out[head * width..], dim, Matrix::new(weights, [frames, frames], frames), values, false);
        }
    }

    /// One clip: the gradient of queries, keys and values in `below`.
    fn unmix(self, all: &[f32], [sines, cosines]: [&[f32]; 2], weights: &[f32], gradient: &[f32], below: &mut [f32]) {
        let Self { frames, heads, dim } = self;
        let width = self.width();
        let mut scores = vec![0.0; frames * frames];
        let mut turned = vec![0.0; frames * width];
        for (head, weights) in (0..heads).zip(weights.chunks_exact(frames * frames)) {
            let [q, k] = self.rotated(all, head, sines, cosines);
            let above = Matrix::new(&gradient[head * width..], [frames, width], dim);
            let mixed = Matrix::new(weights, [frames, frames], frames);
            multiply(&mut below[2 * dim + head * width..], 3 * dim, mixed.transposed(), above, false);
            let values = Matrix::new(&all[2 * dim + head * width..], [frames, width], 3 * dim);
            multiply(&mut scores, frames, above, values.transposed(), false);
            differentiate(weights, &mut scores, frames);
            let scores = Matrix::new(&scores, [frames, frames], frames);
            let scale = 1.0 / (width as f32).sqrt();
            for (part, scores, other, scale) in [(0, scores, &k, scale), (dim, scores.transposed(), &q, 1.0)] {
                multiply(&mut turned, width, scores, Matrix::new(other, [frames, width], width), false);
                let rows = below.chunks_exact_mut(3 * dim).zip(turned.chunks_exact(width));
                let angles = sines.chunks_exact(width / 2).zip(cosines.chunks_exact(width / 2));
                for ((row, turned), (sines, cosines)) in rows.zip(angles) {
                    turn(turned, sines, cosines, [scale, -scale], &mut row[part + head * width..][..width]);
                }
            }
        }
    }
}

impl Kernel<4> for Attend {
    type Saved = Saved;

    fn forward(&self, [all, bias, sines, cosines]: [Values; 4]) -> (Values, Saved) {
        let Self { frames, heads, dim } = *self;
        let clips = all.len() / (3 * dim * frames);
        let mut out = vec![0.0; clips * frames * dim];
        let mut weights = vec![0.0; clips * heads * frames * frames];
        let parts = out.par_chunks_mut(frames * dim).zip(weights.par_chunks_mut(heads * frames * frames));
        let parts = parts.zip(all.par_chunks(3 * dim * frames).zip(bias.par_chunks(frames * frames)));
        parts.for_each(|((out, weights), (all, bias))| self.mix(all, bias, &sines, &cosines, weights, out));
        (out.into(), (all, sines, cosines, weights.into()))
    }

    fn backward(&self, saved: Saved, gradient: Values, _wanted: [bool; 4]) -> [Option<Values>; 4] {
        let Self { frames, heads, dim } = *self;
        let (all, sines, cosines, weights) = saved;
        let mut below = vec![0.0; all.len()];
        let parts = below.par_chunks_mut(3 * dim * frames).zip(all.par_chunks(3 * dim * frames));
        let parts = parts.zip(weights.par_chunks(heads * frames * frames).zip(gradient.par_chunks(frames * dim)));
        parts.for_each(|((below, all), (weights, gradient))| {
            self.unmix(all, [&sines, &cosines], weights, gradient, below);
        });
        [Some(below.into()), None, None, None]
    }
}

vectorized! {
    /// Rotates the halves of a row against each other, with cosines times the one and sines times the other factor.
    fn turn(row: &[f32], sines: &[f32], cosines: &[f32], factors: [f32; 2], out: &mut [f32]) {
        let (a, b) = row.split_at(row.len() / 2);
        let (out_a, out_b) = out.split_at_mut(row.len() / 2);
        let angles = sines.iter().zip(cosines);
        for ((((a, b), (sine, cosine)), out_a), out_b) in a.iter().zip(b).zip(angles).zip(out_a).zip(out_b) {
            let (cosine, sine) = (factors[0] * cosine, factors[1] * sine);
            *out_a = a * cosine - b * sine;
            *out_b = a * sine + b * cosine;
        }
    }
}

vectorized! {
    /// The softmax of scores with the bias added, row by row.
    fn normalise(scores: &mut [f32], bias: &[f32], keys: usize) {
        for (row, bias) in scores.chunks_exact_mut(keys).zip(bias.chunks_exact(keys)) {
            for (score, bias) in row.iter_mut().zip(bias) {
                *score += bias;
            }
            let most = largest(row);
            for score in row.iter_mut() {
                *score = exp(*score - most);
            }
            let inverse = 1.0 / sum(row, |weight| weight);
            for weight in row {
                *weight *= inverse;
            }
        }
    }
}

vectorized! {
    /// The gradient of the scores, w (g - sum(w g)), takes the place of that of the weights.
    fn differentiate(weights: &[f32], gradient: &mut [f32], keys: usize) {
        for (weights, gradient) in weights.chunks_exact(keys).zip(gradient.chunks_exact_mut(keys)) {
            let along = sum_pairs(weights, gradient, |weight, gradient| weight * gradient);
            for (gradient, weight) in gradient.iter_mut().zip(weights) {
                *gradient = weight * (*gradient - along);
            }
        }
    }
}
