use burn::tensor::{Tensor, TensorData};

use crate::ops;

/// The elements of a tensor, row by row.
pub(super) fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let data = tensor.into_data().convert::<f32>();
    data.try_into_vec().unwrap_or_else(|error| unreachable!("they were made 32-bit floats: {error}"))
}

/// A loss whose value and gradient were computed by hand, as a tensor that any backend differentiates: its derivative
/// by `input` is `gradient`, times what comes from above.
///
/// # Shapes
/// - `gradient`: the elements of `input`, row by row
/// - returns: (1)
pub(super) fn with_gradient<const D: usize>(input: Tensor<D>, value: f64, gradient: Vec<f32>) -> Tensor<1> {
    ops::given(&input, value, gradient).unwrap_or_else(|gradient| {
        let gradient = Tensor::<D>::from_data(TensorData::new(gradient, input.dims()), &input.device());
        let product = (input * gradient).sum();
        (product.clone() - product.detach()).add_scalar(value)
    })
}
