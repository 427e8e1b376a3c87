//! Operations of nets that flex, in training, runs and differentiates as one.
//!
//! Burn composes them of elementwise operations, each of which reads and writes whole tensors, forward and backward.
//! Here each is a kernel on rows with a derivative of its own: [`fused`] makes an operation of it, and every function
//! falls back on burn's operations for other backends, for inference and for an export, where it does the same.
//!
//! Layers compute in the type of their weights. In mixed precision ([`Precision`](crate::trainer::Precision)) linear layers
//! and convolutions over two dimensions have weights of 16 bits, and all else has 32: what a layer gives is brought to 32
//! bits where it meets something else. A kernel is for 32-bit floats, and never sees others.

mod activation;
mod attention;
mod batch_norm;
mod conv2d;
mod depthwise;
mod dropout;
mod fused;
mod given;
mod join;
mod largest;
mod layer_norm;
mod linear;
mod log_softmax;
mod matrix;
mod recurrent;
mod simd;
mod statistics;
mod windows;

use rayon::iter::IndexedParallelIterator;

pub(crate) use activation::{gelu, glu, leaky_relu, prelu, relu, silu, silu_dropout};
pub(crate) use attention::{attend, attention, find, rotate};
pub(crate) use batch_norm::batch_norm;
pub(crate) use conv2d::conv2d;
pub(crate) use depthwise::depthwise;
pub(crate) use dropout::{dropout, residual};
pub(crate) use given::given;
pub(crate) use join::join;
pub(crate) use largest::largest;
pub(crate) use layer_norm::layer_norm;
pub(crate) use linear::linear;
pub(crate) use log_softmax::{log_denominator, log_softmax, shifted_exp};
pub(crate) use recurrent::{gru, lstm};
pub(crate) use statistics::{attentive_statistics, statistics};
pub(crate) use windows::windows;

/// Rows that a thread takes at a time.
const ROWS: usize = 64;

/// Values that a thread takes at a time, where rows do not matter.
const BLOCK: usize = 1 << 14;

/// The sum of the parts of a gradient in their order, whichever thread made which first: a run can be repeated bit for bit.
fn sum_in_order(parts: impl IndexedParallelIterator<Item = Vec<f32>>, length: usize) -> Vec<f32> {
    let mut sum = vec![0.0; length];
    for part in parts.collect::<Vec<_>>() {
        sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
    sum
}

#[cfg(test)]
mod tests;
