use burn::tensor::Tensor;
use rayon::prelude::*;

use super::BLOCK;
use super::fused::{Kernel, Values, handle, record};

/// The largest values over the third dimension, the first of equal ones, as [`Tensor::max_dim`]; at most 256 are compared.
///
/// # Shapes
/// (a, b, size, width) to (a, b, 1, width)
pub(crate) fn largest(x: Tensor<4>) -> Tensor<4> {
    let [a, b, size, width] = x.dims();
    match handle(&x) {
        Some(values) if size <= 256 => {
            drop(x);
            record(Largest { size, width }, [values], [a, b, 1, width])
        }
        _ => x.max_dim(2),
    }
}

#[derive(Clone, Copy, Debug)]
struct Largest {
    size: usize,
    width: usize,
}

impl Kernel<1> for Largest {
    /// Which of the values was the largest.
    type Saved = Vec<u8>;

    fn forward(&self, [x]: [Values; 1]) -> (Values, Vec<u8>) {
        let Self { size, width } = *self;
        let groups = BLOCK.div_ceil(size * width);
        let (mut y, mut chosen) = (vec![0.0; x.len() / size], vec![0; x.len() / size]);
        let blocks = y.par_chunks_mut(groups * width).zip(chosen.par_chunks_mut(groups * width));
        blocks.zip(x.par_chunks(groups * width * size)).for_each(|((y, chosen), x)| {
            let places = y.chunks_exact_mut(width).zip(chosen.chunks_exact_mut(width));
            for ((y, chosen), x) in places.zip(x.chunks_exact(width * size)) {
                y.copy_from_slice(&x[..width]);
                for (number, x) in (1..).zip(x.chunks_exact(width).skip(1)) {
                    for ((y, chosen), x) in y.iter_mut().zip(&mut *chosen).zip(x) {
                        if *x > *y {
                            (*y, *chosen) = (*x, number);
                        }
                    }
                }
            }
        });
        (y.into(), chosen)
    }

    fn backward(&self, chosen: Vec<u8>, gradient: Values, _wanted: [bool; 1]) -> [Option<Values>; 1] {
        let Self { size, width } = *self;
        let mut below = vec![0.0; gradient.len() * size];
        let groups = below.par_chunks_mut(width * size).zip(chosen.par_chunks(width)).zip(gradient.par_chunks(width));
        groups.with_min_len(BLOCK.div_ceil(size * width)).for_each(|((below, chosen), gradient)| {
            for (column, (chosen, gradient)) in chosen.iter().zip(gradient).enumerate() {
                below[usize::from(*chosen) * width + column] = *gradient;
            }
        });
        [Some(below.into())]
    }
}
