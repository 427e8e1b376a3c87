use burn::nn::Linear;
use burn::tensor::Tensor;

use super::fused::{Kernel, Values, handle, record};
use super::matrix::{Matrix, multiply};
use super::simd::vectorized;

/// A linear layer, as [`Linear::forward`], with all rows of a batch in one product. It computes in the type of its weights,
/// and so is what it gives.
pub(crate) fn linear<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    let bias = layer.bias.as_ref().and_then(|bias| handle(&bias.val()));
    match (handle(&x), handle(&layer.weight.val()), bias) {
        (Some(values), Some(weight), Some(bias)) => {
            let mut shape = x.dims();
            drop(x);
            let [_, out] = layer.weight.dims();
            shape[D - 1] = out;
            record(Product, [values, weight, bias], shape)
        }
        _ => layer.forward(x.cast(layer.weight.dtype())),
    }
}

/// y = x W + b.
#[derive(Clone, Copy, Debug)]
struct Product;

impl Kernel<3> for Product {
    /// The input, the weight, and the width of the output.
    type Saved = (Values, Values, usize);

    fn forward(&self, [x, weight, bias]: [Values; 3]) -> (Values, Self::Saved) {
        let to = bias.len();
        let from = weight.len() / to;
        let rows = x.len() / from;
        let mut y = Vec::with_capacity(rows * to);
        for _ in 0..rows {
            y.extend_from_slice(&bias);
        }
        multiply(&mut y, to, Matrix::new(&x, [rows, from], from), Matrix::new(&weight, [from, to], to), true);
        (y.into(), (x, weight, to))
    }

    fn backward(&self, saved: Self::Saved, gradient: Values, wanted: [bool; 3]) -> [Option<Values>; 3] {
        let (x, weight, to) = saved;
        let from = weight.len() / to;
        let rows = x.len() / from;
        let above = Matrix::new(&gradient, [rows, to], to);
        let below = wanted[0].then(|| {
            let mut below = vec![0.0; x.len()];
            multiply(&mut below, from, above, Matrix::new(&weight, [from, to], to).transposed(), false);
            below.into()
        });
        let weights = wanted[1].then(|| {
            let mut weights = vec![0.0; weight.len()];
            multiply(&mut weights, to, Matrix::new(&x, [rows, from], from).transposed(), above, false);
            weights.into()
        });
        let biases = wanted[2].then(|| {
            let mut biases = vec![0.0; to];
            add_rows(&gradient, &mut biases);
            biases.into()
        });
        [below, weights, biases]
    }
}

vectorized! {
    fn add_rows(rows: &[f32], sum: &mut [f32]) {
        for row in rows.chunks_exact(sum.len()) {
            for (sum, value) in sum.iter_mut().zip(row) {
                *sum += value;
            }
        }
    }
}
