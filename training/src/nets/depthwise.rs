use burn::nn::conv::Conv1d;
use burn::tensor::Tensor;

/// A depthwise convolution over time, unpadded and with stride 1.
///
/// With gradients it is written as a sum over its taps, because backends differentiate a depthwise convolution one
/// channel after the other.
///
/// # Shapes
/// - `x`: (batch, frames + kernel - 1, channels)
/// - returns: (batch, frames, channels)
pub(super) fn depthwise(convolution: &Conv1d, x: Tensor<3>) -> Tensor<3> {
    if !x.device().is_autodiff() {
        return convolution.forward(x.swap_dims(1, 2)).swap_dims(1, 2);
    }
    let ([batch, time, channels], [_, _, kernel]) = (x.dims(), convolution.weight.dims());
    let frames = time + 1 - kernel;
    let taps = convolution.weight.val().reshape([channels, kernel]).swap_dims(0, 1);
    let tap = |k: usize| {
        let shifted = x.clone().slice([0..batch, k..k + frames, 0..channels]);
        shifted * taps.clone().slice([k..k + 1, 0..channels]).reshape([1, 1, channels])
    };
    let sum = (1..kernel).fold(tap(0), |sum, k| sum + tap(k));
    match &convolution.bias {
        Some(bias) => sum + bias.val().reshape([1, 1, channels]),
        None => sum,
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use burn::nn::conv::Conv1dConfig;
    use burn::tensor::{Device, Distribution};

    use super::*;

    #[test]
    fn with_gradients_it_gives_the_same() {
        let device = Device::flex();
        device.seed(3);
        let convolution = Conv1dConfig::new(6, 6, 5).with_groups(6).init(&device.clone().autodiff());
        let x = Tensor::<3>::random([2, 11, 6], Distribution::Normal(0.0, 1.0), &device);
        let plain = depthwise(&convolution.valid(), x.clone());
        let trained = depthwise(&convolution, Tensor::from_data(x.into_data(), &device.autodiff()));
        assert_eq!(plain.dims(), [2, 7, 6]);
        let difference: f32 = (plain - trained.inner()).abs().max().into_scalar();
        assert!(difference < 1e-5, "{difference}");
    }
}
