use burn::nn::Dropout;
use burn::tensor::{Tensor, activation};
use rayon::prelude::*;

use super::dropout::Keep;
use super::fused::{Kernel, Values, handle, record};
use super::simd::{normal, sigmoid, sum_pairs, vectorized};
use super::{BLOCK, sum_in_order};

/// The sigmoid linear unit, x sigmoid(x).
pub(crate) fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match handle(&x) {
        Some(values) => {
            let shape = x.dims();
            record(Silu { keep: Keep::ALL }, [values], shape)
        }
        None => activation::silu(x),
    }
}

/// As [`silu`], with some of its values dropped.
pub(crate) fn silu_dropout<const D: usize>(x: Tensor<D>, dropout: &Dropout) -> Tensor<D> {
    match handle(&x) {
        Some(values) => {
            let (shape, keep) = (x.dims(), Keep::draw(dropout, &x.device()));
            drop(x);
            record(Silu { keep }, [values], shape)
        }
        None => dropout.forward(activation::silu(x)),
    }
}

/// The Gaussian error linear unit, x times how likely a standard normal value is to lie below x (Hendrycks and Gimpel, 2016).
pub(crate) fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match handle(&x) {
        Some(values) => {
            let shape = x.dims();
            drop(x);
            record(Gelu, [values], shape)
        }
        None => activation::gelu(x),
    }
}

/// The rectified linear unit: x where it is above zero, else zero.
pub(crate) fn relu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match handle(&x) {
        Some(_) => leaky_relu(x, 0.0),
        None => activation::relu(x),
    }
}

/// The leaky rectified linear unit: x, times `slope` where it is below zero.
pub(crate) fn leaky_relu<const D: usize>(x: Tensor<D>, slope: f32) -> Tensor<D> {
    match handle(&x) {
        Some(values) => {
            let shape = x.dims();
            drop(x);
            record(LeakyRelu { slope }, [values], shape)
        }
        None => activation::leaky_relu(x, f64::from(slope)),
    }
}

/// The leaky rectified linear unit with a slope that is learnt, of shape (1) (He et al., "Delving deep into rectifiers", 2015).
pub(crate) fn prelu<const D: usize>(x: Tensor<D>, slope: Tensor<1>) -> Tensor<D> {
    match (handle(&x), handle(&slope)) {
        (Some(values), Some(slope)) => {
            let shape = x.dims();
            drop(x);
            record(Prelu, [values, slope], shape)
        }
        _ => activation::relu(x.clone()) - activation::relu(x.neg()) * slope.reshape([1; D]),
    }
}

/// The gated linear unit over the last dimension, as [`activation::glu`]: the first half, gated by the second.
pub(crate) fn glu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match handle(&x) {
        Some(values) => {
            let mut shape = x.dims();
            drop(x);
            shape[D - 1] /= 2;
            record(Glu { width: shape[D - 1] }, [values], shape)
        }
        None => activation::glu(x, D - 1),
    }
}

#[derive(Clone, Copy, Debug)]
struct Silu {
    keep: Keep,
}

impl Kernel<1> for Silu {
    type Saved = Values;

    fn forward(&self, [x]: [Values; 1]) -> (Values, Values) {
        let mut y = vec![0.0; x.len()];
        let blocks = y.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK)).enumerate();
        blocks.for_each(|(block, (y, x))| silu_of(x, y, self.keep, block * BLOCK));
        (y.into(), x)
    }

    fn backward(&self, x: Values, mut gradient: Values, _wanted: [bool; 1]) -> [Option<Values>; 1] {
        let blocks = gradient.make_mut().par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK)).enumerate();
        blocks.for_each(|(block, (gradient, x))| silu_gradient(x, gradient, self.keep, block * BLOCK));
        [Some(gradient)]
    }
}

vectorized! {
    fn silu_of(x: &[f32], y: &mut [f32], keep: Keep, first: usize) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = x * sigmoid(*x);
        }
        keep.apply(y, 1.0, first);
    }
}

vectorized! {
    fn silu_gradient(x: &[f32], gradient: &mut [f32], keep: Keep, first: usize) {
        keep.apply(gradient, 1.0, first);
        for (gradient, x) in gradient.iter_mut().zip(x) {
            let gate = sigmoid(*x);
            *gradient *= gate * (1.0 + x * (1.0 - gate));
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Gelu;

impl Kernel<1> for Gelu {
    type Saved = Values;

    fn forward(&self, [x]: [Values; 1]) -> (Values, Values) {
        let mut y = vec![0.0; x.len()];
        y.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK)).for_each(|(y, x)| gelu_of(x, y));
        (y.into(), x)
    }

    fn backward(&self, x: Values, mut gradient: Values, _wanted: [bool; 1]) -> [Option<Values>; 1] {
        let blocks = gradient.make_mut().par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK));
        blocks.for_each(|(gradient, x)| gelu_gradient(x, gradient));
        [Some(gradient)]
    }
}

vectorized! {
    fn gelu_of(x: &[f32], y: &mut [f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = x * normal(*x).0;
        }
    }
}

vectorized! {
    fn gelu_gradient(x: &[f32], gradient: &mut [f32]) {
        for (gradient, x) in gradient.iter_mut().zip(x) {
            let (below, density) = normal(*x);
            *gradient *= below + x * density;
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct LeakyRelu {
    slope: f32,
}

impl Kernel<1> for LeakyRelu {
    type Saved = Values;

    fn forward(&self, [mut x]: [Values; 1]) -> (Values, Values) {
        let slope = self.slope;
        let saved = x.clone();
        x.make_mut().par_chunks_mut(BLOCK).for_each(|x| x.iter_mut().for_each(|x| *x *= factor(*x, slope)));
        (x, saved)
    }

    fn backward(&self, x: Values, mut gradient: Values, _wanted: [bool; 1]) -> [Option<Values>; 1] {
        let slope = self.slope;
        let blocks = gradient.make_mut().par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK));
        blocks.for_each(|(gradient, x)| gradient.iter_mut().zip(x).for_each(|(g, x)| *g *= factor(*x, slope)));
        [Some(gradient)]
    }
}

#[inline(always)]
fn factor(x: f32, slope: f32) -> f32 {
    if x > 0.0 { 1.0 } else { slope }
}

#[derive(Clone, Copy, Debug)]
struct Prelu;

impl Kernel<2> for Prelu {
    /// The input and the slope.
    type Saved = (Values, f32);

    fn forward(&self, [mut x, slope]: [Values; 2]) -> (Values, Self::Saved) {
        let (saved, slope) = (x.clone(), slope[0]);
        x.make_mut().par_chunks_mut(BLOCK).for_each(|x| x.iter_mut().for_each(|x| *x *= factor(*x, slope)));
        (x, (saved, slope))
    }

    fn backward(&self, (x, slope): Self::Saved, mut gradient: Values, _wanted: [bool; 2]) -> [Option<Values>; 2] {
        let blocks = gradient.make_mut().par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK));
        let parts = blocks.map(|(gradient, x)| vec![prelu_gradient(x, slope, gradient)]);
        let below = sum_in_order(parts, 1);
        [Some(gradient), Some(below.into())]
    }
}

vectorized! {
    /// The gradient of the input takes the place of the output's; returns that of the slope.
    fn prelu_gradient(x: &[f32], slope: f32, gradient: &mut [f32]) -> f32 {
        let below = sum_pairs(gradient, x, |g, x| g * x.min(0.0));
        for (gradient, x) in gradient.iter_mut().zip(x) {
            *gradient *= factor(*x, slope);
        }
        below
    }
}

#[derive(Clone, Copy, Debug)]
struct Glu {
    width: usize,
}

impl Kernel<1> for Glu {
    type Saved = Values;

    fn forward(&self, [x]: [Values; 1]) -> (Values, Values) {
        let (width, mut y) = (self.width, vec![0.0; x.len() / 2]);
        y.par_chunks_mut(BLOCK * width).zip(x.par_chunks(2 * BLOCK * width)).for_each(|(y, x)| gate(x, width, y));
        (y.into(), x)
    }

    fn backward(&self, mut x: Values, gradient: Values, _wanted: [bool; 1]) -> [Option<Values>; 1] {
        let width = self.width;
        let blocks = x.make_mut().par_chunks_mut(2 * BLOCK * width).zip(gradient.par_chunks(BLOCK * width));
        blocks.for_each(|(x, gradient)| gate_gradient(gradient, width, x));
        [Some(x)]
    }
}

vectorized! {
    fn gate(x: &[f32], width: usize, y: &mut [f32]) {
        for (x, y) in x.chunks_exact(2 * width).zip(y.chunks_exact_mut(width)) {
            let (values, gates) = x.split_at(width);
            for ((y, value), gate) in y.iter_mut().zip(values).zip(gates) {
                *y = value * sigmoid(*gate);
            }
        }
    }
}

vectorized! {
    /// The gradient takes the place of `x`.
    fn gate_gradient(gradient: &[f32], width: usize, x: &mut [f32]) {
        for (x, gradient) in x.chunks_exact_mut(2 * width).zip(gradient.chunks_exact(width)) {
            let (values, gates) = x.split_at_mut(width);
            for ((value, gate), gradient) in values.iter_mut().zip(gates).zip(gradient) {
                let open = sigmoid(*gate);
                *gate = gradient * *value * open * (1.0 - open);
                *value = gradient * open;
            }
        }
    }
}
