use burn::nn::Dropout;
use burn::tensor::{Device, Distribution, Int, Tensor};
use rayon::prelude::*;

use super::BLOCK;
use super::fused::{Kernel, Values, handle, record};
use super::simd::vectorized;

/// A residual connection: x + scale dropout(y), in the type of x.
pub(crate) fn residual<const D: usize>(x: Tensor<D>, y: Tensor<D>, scale: f32, dropout: &Dropout) -> Tensor<D> {
    match (handle(&x), handle(&y)) {
        (Some(base), Some(branch)) if x.dims() == y.dims() => {
            let (shape, keep) = (x.dims(), Keep::draw(dropout, &x.device()));
            drop((x, y));
            record(Residual { scale, keep }, [base, branch], shape)
        }
        _ => {
            let kept = dropout.forward(y);
            let kept = if scale == 1.0 { kept } else { kept.mul_scalar(scale) };
            let kept = kept.cast(x.dtype());
            x + kept
        }
    }
}

/// Some values dropped, as [`Dropout::forward`].
pub(crate) fn dropout<const D: usize>(x: Tensor<D>, layer: &Dropout) -> Tensor<D> {
    match handle(&x) {
        Some(values) => {
            let (shape, keep) = (x.dims(), Keep::draw(layer, &x.device()));
            if keep.dropped == 0 {
                return x;
            }
            drop(x);
            record(Drop { keep }, [values], shape)
        }
        None => layer.forward(x),
    }
}

/// Which values of a tensor are kept (Srivastava et al., "Dropout", JMLR 2014). Each value's number and a seed decide of
/// it, so that the backward pass finds the same again and nothing is stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep {
    seed: [u32; 2],
    /// Hashes below this drop a value.
    dropped: u32,
    /// The inverse of the share that is kept.
    scale: f32,
}

impl Keep {
    /// Nothing is dropped.
    pub(super) const ALL: Self = Self { seed: [0; 2], dropped: 0, scale: 1.0 };

    /// A seed by the device's generator, so that `Device::seed` makes a run repeatable.
    pub(super) fn draw(dropout: &Dropout, device: &Device) -> Self {
        if !dropout.training.is_enabled() || dropout.prob == 0.0 {
            return Self::ALL;
        }
        let drawn = Tensor::<1, Int>::random([2], Distribution::Uniform(0.0, f64::from(i32::MAX)), device);
        let mut words = drawn.into_data().iter::<i64>().map(|word| word as u32).collect::<Vec<_>>().into_iter();
        let [first, second] = std::array::from_fn(|_| words.next().unwrap_or_default());
        let seed = [first, second | 1];
        let dropped = (dropout.prob * f64::from(u32::MAX)) as u32;
        Self { seed, dropped, scale: (1.0 / (1.0 - dropout.prob)) as f32 }
    }

    /// What the value of this number is multiplied by.
    #[inline(always)]
    fn factor(self, number: u32) -> f32 {
        // The finaliser of Wellons' `lowbias32`, with the seed for one of its factors.
        let mut hash = number.wrapping_mul(0x9e37_79b9).wrapping_add(self.seed[0]);
        hash = (hash ^ (hash >> 16)).wrapping_mul(self.seed[1]);
        hash = (hash ^ (hash >> 15)).wrapping_mul(0x846c_a68b);
        hash ^= hash >> 16;
        if hash < self.dropped { 0.0 } else { self.scale }
    }

    /// Multiplies values by `scale`, and drops some; `first` is the number of the first.
    #[inline(always)]
    pub(super) fn apply(self, values: &mut [f32], scale: f32, first: usize) {
        if self.dropped == 0 {
            if scale != 1.0 {
                values.iter_mut().for_each(|value| *value *= scale);
            }
            return;
        }
        for (number, value) in (first as u32..).zip(values) {
            *value *= scale * self.factor(number);
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Residual {
    scale: f32,
    keep: Keep,
}

impl Kernel<2> for Residual {
    type Saved = ();

    fn forward(&self, [x, mut y]: [Values; 2]) -> (Values, ()) {
        let blocks = y.make_mut().par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK)).enumerate();
        blocks.for_each(|(block, (y, x))| add_kept(y, x, self.scale, self.keep, block * BLOCK));
        (y, ())
    }

    fn backward(&self, (): (), gradient: Values, wanted: [bool; 2]) -> [Option<Values>; 2] {
        let branch = wanted[1].then(|| {
            let mut branch = gradient.clone();
            let blocks = branch.make_mut().par_chunks_mut(BLOCK).enumerate();
            blocks.for_each(|(block, values)| keep_only(values, self.scale, self.keep, block * BLOCK));
            branch
        });
        [Some(gradient), branch]
    }
}

#[derive(Clone, Copy, Debug)]
struct Drop {
    keep: Keep,
}

impl Drop {
    fn apply(self, mut values: Values) -> Values {
        let blocks = values.make_mut().par_chunks_mut(BLOCK).enumerate();
        blocks.for_each(|(block, values)| keep_only(values, 1.0, self.keep, block * BLOCK));
        values
    }
}

impl Kernel<1> for Drop {
    type Saved = ();

    fn forward(&self, [x]: [Values; 1]) -> (Values, ()) {
        (self.apply(x), ())
    }

    fn backward(&self, (): (), gradient: Values, _wanted: [bool; 1]) -> [Option<Values>; 1] {
        [Some(self.apply(gradient))]
    }
}

vectorized! {
    fn add_kept(y: &mut [f32], x: &[f32], scale: f32, keep: Keep, first: usize) {
        keep.apply(y, scale, first);
        for (y, x) in y.iter_mut().zip(x) {
            *y += x;
        }
    }
}

vectorized! {
    fn keep_only(values: &mut [f32], scale: f32, keep: Keep, first: usize) {
        keep.apply(values, scale, first);
    }
}
