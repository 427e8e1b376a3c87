use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{DType, Device, Tensor};

use super::{Acoustic, Vocoder};
use crate::losses::adversarial::{discriminator_loss, feature_matching_loss, generator_loss};
use crate::ops::{leaky_relu, linear};

/// Bins in a patch.
const PATCH: usize = 8;
const SLOPE: f32 = 0.2;
/// Frames that a score is made of.
pub const JUDGED_FRAMES: usize = 13;
/// How much matching the layers of the judge counts, beside persuading it (J. Kong, J. Kim and J. Bae, "HiFi-GAN",
/// 2020, equation 5).
const FEATURES: f64 = 2.0;

/// Configuration of a [`Discriminator`].
#[derive(Config, Debug)]
pub struct DiscriminatorConfig {
    /// Bins or bands of a frame, 24 at least.
    pub bins: usize,
    /// Channels.
    #[config(default = 64)]
    pub width: usize,
}

/// Tells recorded spectrograms from made ones, patch by patch: convolutions over time and frequency, written as matrix
/// products so that every backend runs and differentiates them well.
#[derive(Module, Debug)]
pub struct Discriminator {
    first: Linear,
    place: Param<Tensor<2>>,
    second: Linear,
    third: Linear,
    out: Linear,
}

/// A net in training with the judges of what it makes.
#[derive(Module, Debug)]
pub struct JudgedVocoder {
    /// What is trained and exported.
    pub net: Vocoder,
    /// One for each resolution.
    pub judges: Vec<Discriminator>,
}

/// A net in training with the judge of what it makes.
#[derive(Module, Debug)]
pub struct JudgedAcoustic {
    /// What is trained and exported.
    pub net: Acoustic,
    /// The one judge.
    pub judges: Vec<Discriminator>,
}

/// The two sides of the game, both to be made small.
pub struct Game {
    /// For the net: persuade the judges. Gradients reach no judge.
    pub maker: Tensor<1>,
    /// For the judges: tell apart. Gradients reach no net.
    pub judge: Tensor<1>,
}

impl DiscriminatorConfig {
    /// A judge with fresh weights.
    pub fn init(&self, device: &Device) -> Discriminator {
        let width = self.width;
        let linear = |from, to| LinearConfig::new(from, to).init(device);
        let places = (self.bins / PATCH).saturating_sub(1).max(1);
        Discriminator {
            first: linear(6 * PATCH, width),
            place: Initializer::Normal { mean: 0.0, std: 0.1 }.init([places, width], device),
            second: linear(6 * width, width),
            third: linear(3 * width, width),
            out: linear(width, 1),
        }
    }
}

impl Discriminator {
    /// The scores, 1 for what was recorded, and what each layer saw.
    ///
    /// # Shapes
    /// - spectrogram: `[batch, frames, bins]`, [`JUDGED_FRAMES`] at least, of about zero mean and unit variance
    /// - scores: `[batch, frames - 12, patches, 1]`
    pub fn forward(&self, spectrogram: Tensor<3>) -> (Tensor<4>, Vec<Tensor<4>>) {
        let [batch, frames, bins] = spectrogram.dims();
        let patches = bins / PATCH;
        let x = spectrogram.slice([0..batch, 0..frames, 0..patches * PATCH]).reshape([batch, frames, patches, PATCH]);
        let place = self.place.val().unsqueeze::<4>();
        let x = leaky(linear(&self.first, around(x, 1, 2)).cast(DType::F32) + place);
        let y = leaky(linear(&self.second, around(x.clone(), 2, 2)).cast(DType::F32));
        let z = leaky(linear(&self.third, around(y.clone(), 3, 1)).cast(DType::F32));
        (linear(&self.out, z.clone()).cast(DType::F32), vec![x, y, z])
    }
}

fn leaky(x: Tensor<4>) -> Tensor<4> {
    leaky_relu(x, SLOPE)
}

/// Three frames, `step` apart, and `bands` patches beside each other: `[batch, frames - 2 * step, patches - bands + 1,
/// 3 * bands * channels]`.
fn around(x: Tensor<4>, step: usize, bands: usize) -> Tensor<4> {
    let [batch, frames, patches, channels] = x.dims();
    let (frames, patches) = (frames - 2 * step, patches + 1 - bands);
    let mut parts = Vec::with_capacity(3 * bands);
    for t in (0..3).map(|t| t * step) {
        for p in 0..bands {
            parts.push(x.clone().slice([0..batch, t..t + frames, p..p + patches, 0..channels]));
        }
    }
    Tensor::cat(parts, 3)
}

/// Plays judges against what a net made: [adversarial losses](crate::losses::adversarial), means over the judges.
///
/// # Shapes
/// - made, real: for each judge, `[batch, frames, bins]`
pub fn play(judges: &[Discriminator], made: &[Tensor<3>], real: &[Tensor<3>]) -> Game {
    let (mut makers, mut sides) = (Vec::new(), Vec::new());
    for ((judge, made), real) in judges.iter().zip(made).zip(real) {
        let (truth, seen) = judge.forward(real.clone().detach());
        let (lie, _) = judge.forward(made.clone().detach());
        sides.push(discriminator_loss(truth, lie));
        let (claim, shown) = judge.clone().no_grad().forward(made.clone());
        makers.push(generator_loss(claim) + feature_matching_loss(seen, shown).mul_scalar(FEATURES));
    }
    let n = makers.len().max(1) as f64;
    let mean = |losses: Vec<Tensor<1>>| Tensor::cat(losses, 0).sum().div_scalar(n);
    Game { maker: mean(makers), judge: mean(sides) }
}

#[cfg(test)]
mod tests {
    use burn::optim::GradientsParams;
    use burn::tensor::Distribution;

    use super::*;

    #[test]
    fn each_side_of_the_game_moves_only_its_own_net() {
        let device = Device::flex().autodiff();
        let judges = vec![DiscriminatorConfig::new(33).with_width(8).init(&device)];
        let noise = || Tensor::<3>::random([2, 20, 33], Distribution::Normal(0.0, 1.0), &device);
        let (made, real) = (noise().require_grad(), noise());
        let game = play(&judges, std::slice::from_ref(&made), &[real]);
        let grads = game.maker.backward();
        assert!(made.grad(&grads).is_some());
        assert!(GradientsParams::from_grads(grads, &judges).is_empty());
        let grads = game.judge.backward();
        assert!(made.grad(&grads).is_none());
        assert!(!GradientsParams::from_grads(grads, &judges).is_empty());
    }
}
