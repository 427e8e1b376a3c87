use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

/// How far a probability of being wrong stays from 0, where its powers may have no derivative.
const LEAST_PROBABILITY: f64 = 1e-8;

/// The loss of a question with two answers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum BinaryLoss {
    /// [`weighted_binary_cross_entropy`].
    CrossEntropy(CrossEntropyConfig),
    /// [`focal_loss`].
    Focal(FocalConfig),
}

/// Cross-entropy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CrossEntropyConfig {
    /// How much a positive counts beside a negative. Default: 1.
    pub positive_weight: f64,
}

/// The focal loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FocalConfig {
    /// How much less what is all but certain counts. Default: 2.
    pub gamma: f64,
    /// The weight of positives; that of negatives is 1 less it. Default: none, which weighs neither.
    pub alpha: Option<f64>,
}

impl Default for BinaryLoss {
    fn default() -> Self {
        Self::CrossEntropy(CrossEntropyConfig::default())
    }
}

impl Default for CrossEntropyConfig {
    fn default() -> Self {
        Self { positive_weight: 1.0 }
    }
}

impl Default for FocalConfig {
    fn default() -> Self {
        Self { gamma: 2.0, alpha: None }
    }
}

impl BinaryLoss {
    /// The loss of each element.
    ///
    /// # Shapes
    /// - `log_odds`, `targets` (0 to 1), returns: any, the same
    pub fn forward<const D: usize>(&self, log_odds: Tensor<D>, targets: Tensor<D>) -> Tensor<D> {
        match self {
            Self::CrossEntropy(CrossEntropyConfig { positive_weight: 1.0 }) => binary_cross_entropy(log_odds, targets),
            Self::CrossEntropy(config) => {
                let weight = Tensor::full([1; D], config.positive_weight, &log_odds.device());
                weighted_binary_cross_entropy(log_odds, targets, weight)
            }
            Self::Focal(config) => focal_loss(log_odds, targets, config),
        }
    }
}

/// Binary cross-entropy of log-odds, for each element: `max(x, 0) - x y + log(1 + exp(-|x|))`, which never overflows
/// (PyTorch's `binary_cross_entropy_with_logits`).
///
/// # Shapes
/// - `log_odds`, `targets` (0 to 1), returns: any, the same
pub fn binary_cross_entropy<const D: usize>(log_odds: Tensor<D>, targets: Tensor<D>) -> Tensor<D> {
    let softplus = log_odds.clone().abs().neg().exp().log1p();
    activation::relu(log_odds.clone()) - log_odds * targets + softplus
}

/// As [`binary_cross_entropy`], where what is lost on positives is multiplied: by PyTorch's `pos_weight`, which
/// SpeechBrain's `bce_loss` hands on.
///
/// # Shapes
/// - `log_odds`, `targets` (0 to 1), returns: any, the same
/// - `positive_weights`: that, or 1 along axes on which the weight is the same
pub fn weighted_binary_cross_entropy<const D: usize>(
    log_odds: Tensor<D>,
    targets: Tensor<D>,
    positive_weights: Tensor<D>,
) -> Tensor<D> {
    let missed = log_odds.clone().abs().neg().exp().log1p() + activation::relu(log_odds.clone().neg());
    let weights = (positive_weights.sub_scalar(1.0) * targets.clone()).add_scalar(1.0);
    targets.neg().add_scalar(1.0) * log_odds + weights * missed
}

/// The focal loss (T.-Y. Lin et al., "Focal loss for dense object detection", ICCV 2017, equation 5), for each element:
/// the cross-entropy times the probability of being wrong to the power `gamma`; torchvision's `sigmoid_focal_loss`.
///
/// # Shapes
/// - `log_odds`, `targets` (0 to 1), returns: any, the same
pub fn focal_loss<const D: usize>(log_odds: Tensor<D>, targets: Tensor<D>, config: &FocalConfig) -> Tensor<D> {
    let others = targets.clone().neg().add_scalar(1.0);
    let (yes, no) = (activation::sigmoid(log_odds.clone()), activation::sigmoid(log_odds.clone().neg()));
    let mut losses = binary_cross_entropy(log_odds, targets.clone());
    if config.gamma != 0.0 {
        let wrong = yes * others.clone() + no * targets.clone();
        losses = losses * wrong.clamp_min(LEAST_PROBABILITY).powf_scalar(config.gamma);
    }
    match config.alpha {
        Some(alpha) => losses * (targets.mul_scalar(alpha) + others.mul_scalar(1.0 - alpha)),
        None => losses,
    }
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

    #[test]
    fn what_is_certain_has_finite_gradients() {
        let device = Device::flex().autodiff();
        for gamma in [0.0, 0.5, 2.0] {
            let log_odds = Tensor::<1>::from_floats([-200.0, 200.0], &device).require_grad();
            let targets = Tensor::from_floats([0.0, 1.0], &device);
            let loss = focal_loss(log_odds.clone(), targets, &FocalConfig { gamma, alpha: Some(0.25) }).sum();
            let gradients = loss.backward();
            let found: Vec<f32> = log_odds.grad(&gradients).unwrap().into_data().iter().collect();
            assert!(found.iter().all(|gradient| gradient.abs() < 1e-6), "{gamma}: {found:?}");
        }
    }
}
