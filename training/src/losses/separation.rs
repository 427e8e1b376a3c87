use std::f64::consts::LN_10;

use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::given::floats;
use crate::metrics::assign;

/// What keeps quotients and logarithms finite, as in SpeechBrain's `cal_si_snr`.
const EPSILON: f64 = 1e-8;
/// The share of a source's energy that always counts as noise: -30 dB.
const SOFT_FLOOR: f64 = 1e-3;

/// A loss that does not ask in which order a net gives the sources.
#[derive(Debug)]
pub struct Permuted {
    /// For each mixture the least loss of all orders: (batch).
    pub losses: Tensor<1>,
    /// For each mixture and estimate, the number of the source that it is taken for.
    pub sources: Vec<Vec<usize>>,
}

/// What is made small in telling voices apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeparationLoss {
    /// The negative scale-invariant signal-to-noise ratio in decibels (Y. Luo and N. Mesgarani, "TasNet", ICASSP 2018, equations
    /// 13 to 15): SpeechBrain's `cal_si_snr`. Estimates may be of any level.
    #[default]
    SiSnr,
    /// The negative signal-to-noise ratio in decibels, so that estimates have the level of their sources; one of more than 30 dB
    /// counts for little (S. Wisdom et al., "Unsupervised sound separation using mixture invariant training", NeurIPS 2020,
    /// equation 3).
    Snr,
}

impl SeparationLoss {
    /// The mean over the sources, in the order of estimates that has the least: permutation-invariant training (D. Yu et al.,
    /// "Permutation invariant training of deep models", ICASSP 2017). Of [`SiSnr`](Self::SiSnr) it is SpeechBrain's
    /// `get_si_snr_with_pitwrapper`, for any number of sources, and mixtures of different lengths.
    ///
    /// # Shapes
    /// - `estimates`, `sources`: (batch, sources, samples)
    /// - `lengths`: the number of samples that count, for each mixture
    pub fn forward(self, estimates: Tensor<3>, sources: Tensor<3>, lengths: &[usize]) -> Permuted {
        let [batch, count, _] = estimates.dims();
        let device = estimates.device();
        let [estimates, sources] = centred([estimates, sources], lengths);
        let pairs = floats(self.pairwise(estimates.clone().detach(), sources.clone().detach()));
        let mut orders = Vec::with_capacity(batch);
        let mut choice = vec![0.0_f32; batch * count * count];
        let squares = pairs.chunks_exact((count * count).max(1)).zip(choice.chunks_exact_mut((count * count).max(1)));
        for (pairs, choice) in squares {
            let pairs: Vec<f64> = pairs.iter().copied().map(f64::from).collect();
            let order: Vec<usize> = assign(&pairs, count).into_iter().flatten().collect();
            order.iter().enumerate().for_each(|(estimate, source)| choice[estimate * count + source] = 1.0);
            orders.push(order);
        }
        let choice = Tensor::<3>::from_data(TensorData::new(choice, [batch, count, count]), &device);
        let losses = self.decibels(estimates, choice.matmul(sources)).neg().mean_dim(1).reshape([batch]);
        Permuted { losses, sources: orders }
    }

    /// Of estimates and sources of the same number, (batch, sources, samples) each: (batch, sources).
    fn decibels(self, estimates: Tensor<3>, sources: Tensor<3>) -> Tensor<2> {
        let [batch, count, _] = sources.dims();
        let energy = sources.clone().square().sum_dim(2); // (batch, sources, 1)
        let (target, floor) = match self {
            Self::SiSnr => {
                let dot = (estimates.clone() * sources.clone()).sum_dim(2);
                (sources * (dot / energy.add_scalar(EPSILON)), None)
            }
            Self::Snr => (sources, Some(energy.mul_scalar(SOFT_FLOOR))),
        };
        let noise = (estimates - target.clone()).square().sum_dim(2).add_scalar(EPSILON);
        let noise = match floor {
            Some(floor) => noise + floor,
            None => noise,
        };
        logarithm(target.square().sum_dim(2) / noise).reshape([batch, count])
    }

    /// Of every pair, (batch, estimates, sources): by products of matrices, so that what is left of a good estimate's noise
    /// is less exact than that of [`decibels`](Self::decibels).
    fn pairwise(self, estimates: Tensor<3>, sources: Tensor<3>) -> Tensor<3> {
        let dots = estimates.clone().matmul(sources.clone().swap_dims(1, 2));
        let energies = sources.square().sum_dim(2).swap_dims(1, 2); // (batch, 1, sources)
        let own = estimates.square().sum_dim(2); // (batch, estimates, 1)
        let (targets, noise) = match self {
            Self::SiSnr => {
                let floored = energies.clone().add_scalar(EPSILON);
                let targets = dots.clone().square() * (energies / floored.clone().square());
                let noise = own - (dots.square() / floored).mul_scalar(2.0) + targets.clone();
                (targets, noise.clamp_min(0.0))
            }
            Self::Snr => {
                let noise = own - dots.mul_scalar(2.0) + energies.clone();
                (energies.clone(), noise.clamp_min(0.0) + energies.mul_scalar(SOFT_FLOOR))
            }
        };
        logarithm(targets / noise.add_scalar(EPSILON))
    }
}

/// Signals without their means, and nothing after their ends.
fn centred(signals: [Tensor<3>; 2], lengths: &[usize]) -> [Tensor<3>; 2] {
    let ([batch, _, samples], device) = (signals[0].dims(), signals[0].device());
    let mask = lengths.iter().flat_map(|length| (0..samples).map(|at| f32::from(u8::from(at < *length))));
    let mask = Tensor::<3>::from_data(TensorData::new(mask.collect::<Vec<_>>(), [batch, 1, samples]), &device);
    let counts = mask.clone().sum_dim(2).clamp_min(1.0); // (batch, 1, 1)
    signals.map(|signal| {
        let mean = (signal.clone() * mask.clone()).sum_dim(2) / counts.clone(); // (batch, sources, 1)
        (signal - mean) * mask.clone()
    })
}

fn logarithm<const D: usize>(ratio: Tensor<D>) -> Tensor<D> {
    ratio.add_scalar(EPSILON).log().mul_scalar(10.0 / LN_10)
}
