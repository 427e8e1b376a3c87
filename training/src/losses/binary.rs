use burn::tensor::{Tensor, activation};

/// Binary cross-entropy of log-odds, for each element: `max(x, 0) - x y + log(1 + exp(-|x|))`, which never overflows
/// (PyTorch's `binary_cross_entropy_with_logits`).
///
/// # Shapes
/// - `log_odds`, `targets` (0 to 1), returns: any, the same
pub fn binary_cross_entropy<const D: usize>(log_odds: Tensor<D>, targets: Tensor<D>) -> Tensor<D> {
    let softplus = log_odds.clone().abs().neg().exp().log1p();
    activation::relu(log_odds.clone()) - log_odds * targets + softplus
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    /// ```python
    /// torch.nn.functional.binary_cross_entropy_with_logits(
    ///     torch.tensor([-90., -2., 0., 0.5, 3., 90.]), torch.tensor([1., 0., 1., 0.25, 1., 0.]), reduction="none")
    /// ```
    #[test]
    fn it_is_pytorchs() {
        let device = Device::flex();
        let log_odds = Tensor::<1>::from_floats([-90.0, -2.0, 0.0, 0.5, 3.0, 90.0], &device);
        let targets = Tensor::<1>::from_floats([1.0, 0.0, 1.0, 0.25, 1.0, 0.0], &device);
        let found: Vec<f32> = binary_cross_entropy(log_odds, targets).into_data().iter().collect();
        let expected = [90.0, 0.126_928_01, std::f32::consts::LN_2, 0.849_077, 0.048_587_36, 90.0];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }
}
