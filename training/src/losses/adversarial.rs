//! Least-squares adversarial losses (X. Mao et al., "Least squares generative adversarial networks", ICCV 2017) and the
//! matching of features (K. Kumar et al., "MelGAN", NeurIPS 2019, equation 4), as SpeechBrain's vocoders learn by them.

use burn::tensor::Tensor;

/// How far a discriminator is from scoring what was made as recorded, which is 1: SpeechBrain's `MSEGLoss`.
///
/// # Shapes
/// - `made`: scores, any
/// - returns: (1)
pub fn generator_loss<const D: usize>(made: Tensor<D>) -> Tensor<1> {
    made.sub_scalar(1.0).square().mean()
}

/// How far a discriminator is from scoring what was recorded as 1 and what was made as 0: SpeechBrain's `MSEDLoss`.
///
/// # Shapes
/// - `recorded`, `made`: scores, any
/// - returns: (1)
pub fn discriminator_loss<const D: usize>(recorded: Tensor<D>, made: Tensor<D>) -> Tensor<1> {
    recorded.sub_scalar(1.0).square().mean() + made.square().mean()
}

/// The mean absolute difference of what a discriminator's layers make of both, a mean over the layers: SpeechBrain's
/// `MelganFeatureLoss`. Gradients reach only what was made.
///
/// # Shapes
/// - `recorded`, `made`: for each layer any, the same in both
/// - returns: (1)
pub fn feature_matching_loss<const D: usize>(recorded: Vec<Tensor<D>>, made: Vec<Tensor<D>>) -> Tensor<1> {
    let layers = made.len().max(1) as f64;
    let apart = recorded.into_iter().zip(made).map(|(recorded, made)| (recorded.detach() - made).abs().mean());
    Tensor::cat(apart.collect(), 0).sum().div_scalar(layers)
}
