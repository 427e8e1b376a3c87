//! How weights follow their gradients.

use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{
    AdamConfig, AdamWConfig, AdaptiveMomentumState, LearningRate, ModuleOptimizer, Optimizer, SgdConfig,
};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::TrainOptions;

/// The optimizers of `torch.optim` that SpeechBrain's recipes name as `opt_class`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019).
    #[default]
    AdamW,
    /// Adam (Kingma and Ba, ICLR 2015); weight decay is added to the gradient.
    Adam,
    /// Adadelta (Zeiler 2012), whose rate is 1 as a rule; weight decay is added to the gradient.
    Adadelta,
    /// Gradient descent with momentum; weight decay is added to the gradient.
    Sgd,
}

impl OptimizerKind {
    /// A fresh optimizer.
    pub(super) fn init(self, options: &TrainOptions) -> ModuleOptimizer {
        let penalty = options.weight_decay.unwrap_or(if self == Self::AdamW { 0.01 } else { 0.0 });
        let epsilon = options.epsilon.unwrap_or(if self == Self::Adadelta { 1e-6 } else { 1e-8 });
        let decay = || (penalty > 0.0).then(|| WeightDecayConfig::new(penalty));
        let TrainOptions { beta_1, beta_2, momentum, rho, .. } = *options;
        match self {
            Self::AdamW => AdamWConfig::new()
                .with_beta_1(beta_1)
                .with_beta_2(beta_2)
                .with_epsilon(epsilon)
                .with_weight_decay(penalty)
                .init(),
            Self::Adam => AdamConfig::new()
                .with_beta_1(beta_1)
                .with_beta_2(beta_2)
                .with_epsilon(epsilon)
                .with_weight_decay(decay())
                .init(),
            Self::Adadelta => ModuleOptimizer::from(Adadelta { rho, epsilon, penalty }),
            Self::Sgd => {
                let momentum = MomentumConfig::new().with_momentum(momentum).with_dampening(0.0);
                let momentum = (momentum.momentum > 0.0).then_some(momentum);
                SgdConfig::new().with_momentum(momentum).with_weight_decay(decay()).init()
            }
        }
    }
}

/// `torch.optim.Adadelta`.
#[derive(Clone)]
struct Adadelta {
    rho: f32,
    epsilon: f32,
    penalty: f32,
}

impl Optimizer for Adadelta {
    /// Running means of squares: of the steps, and of the gradient. (Burn derives states within its own crate only.)
    type State<const D: usize> = AdaptiveMomentumState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        weights: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdaptiveMomentumState<D>>,
    ) -> (Tensor<D>, Option<AdaptiveMomentumState<D>>) {
        let gradient = match self.penalty > 0.0 {
            true => gradient + weights.clone().mul_scalar(self.penalty),
            false => gradient,
        };
        let none = || AdaptiveMomentumState::new(0, gradient.zeros_like(), gradient.zeros_like());
        let AdaptiveMomentumState { time, moment_1: steps, moment_2: gradients, .. } = state.unwrap_or_else(none);
        let mean =
            |before: Tensor<D>, now: Tensor<D>| before.mul_scalar(self.rho) + now.square().mul_scalar(1.0 - self.rho);
        let root = |squares: Tensor<D>| squares.add_scalar(self.epsilon).sqrt();
        let gradients = mean(gradients, gradient.clone());
        let step = gradient * root(steps.clone()) / root(gradients.clone());
        let moved = weights - step.clone().mul_scalar(rate);
        (moved, Some(AdaptiveMomentumState::new(time + 1, mean(steps, step), gradients)))
    }

    fn to_device<const D: usize>(state: AdaptiveMomentumState<D>, device: &Device) -> AdaptiveMomentumState<D> {
        state.to_device(device)
    }
}

#[cfg(test)]
mod tests {
    use burn::module::{Module, Param};
    use burn::optim::GradientsParams;
    use burn::tensor::TensorData;
    use serde_json::Value;

    use super::*;

    #[derive(Module, Debug)]
    struct Weights {
        w: Param<Tensor<1>>,
    }

    /// The golden file is written by `tests/peers/optimizers.py`: weights that `torch.optim` moves along the gradient of
    /// `sum(c * w^2) / 2`.
    #[test]
    fn weights_move_as_pytorchs_do() {
        let golden: Value = serde_json::from_str(include_str!("../../tests/golden/optimizers.json")).unwrap();
        let floats = |value: &Value| -> Vec<f32> {
            value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
        };
        let device = Device::flex().autodiff();
        let tensor = |values: Vec<f32>| {
            let length = values.len();
            Tensor::<1>::from_data(TensorData::new(values, [length]), &device)
        };
        let curvature = tensor(floats(&golden["curvature"]));
        for case in golden["cases"].as_array().unwrap() {
            let options: TrainOptions = serde_json::from_value(case["options"].clone()).unwrap();
            let mut optimizer = options.optimizer();
            let mut net = Weights { w: Param::from_tensor(tensor(floats(&golden["start"]))) };
            for expected in case["weights"].as_array().unwrap() {
                let loss = (net.w.val().square() * curvature.clone()).sum().div_scalar(2.0);
                let gradients = GradientsParams::from_grads(loss.backward(), &net);
                net = optimizer.step(options.learning_rate, net, gradients);
                let found: Vec<f32> = net.w.val().into_data().iter().collect();
                for (found, expected) in found.iter().zip(floats(expected)) {
                    assert!(
                        (found - expected).abs() <= 1e-5 * expected.abs().max(1.0),
                        "{}: {found} {expected}",
                        case["options"]
                    );
                }
            }
        }
    }
}
