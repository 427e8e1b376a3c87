use burn::tensor::{Tensor, TensorData};

/// A loss whose value and gradient were computed by hand, as a tensor that any backend differentiates: its derivative
/// by `input` is `gradient`, times what comes from above.
///
/// # Shapes
/// - `gradient`: the elements of `input`, row by row
/// - returns: (1)
pub(super) fn with_gradient<const D: usize>(input: Tensor<D>, value: f64, gradient: Vec<f32>) -> Tensor<1> {
    let gradient = Tensor::<D>::from_data(TensorData::new(gradient, input.dims()), &input.device());
    let product = (input * gradient).sum();
    (product.clone() - product.detach()).add_scalar(value)
}

/// The logarithm of the sum of two numbers that are given by their logarithms; minus infinity stands for zero.
pub(super) fn log_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a >= b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}
