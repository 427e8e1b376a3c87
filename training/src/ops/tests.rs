//! Each operation beside burn's own, with its gradients by what backends differentiate themselves.

use burn::module::Param;
use burn::nn::conv::{Conv1d, Conv1dConfig, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, DropoutConfig, LayerNormConfig, LinearConfig, PaddingConfig2d};
use burn::tensor::ops::PadMode;
use burn::tensor::{Device, Distribution, Gradients, Tensor, TensorData, activation};

use super::*;

fn device() -> Device {
    let device = Device::flex().autodiff();
    device.seed(7);
    device
}

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device).require_grad()
}

/// The largest difference, as a share of values above 1.
fn difference<const D: usize>(found: Tensor<D>, expected: Tensor<D>) -> f32 {
    assert_eq!(found.dims(), expected.dims());
    ((found - expected.clone()) / expected.abs().clamp_min(1.0)).abs().max().into_scalar()
}

/// The gradients of a sum whose terms have different weights.
fn gradients<const D: usize>(y: &Tensor<D>) -> Gradients {
    let count = y.dims().iter().product();
    let weights: Vec<f32> = (0..count).map(|index: usize| (index as f32 * 0.7).sin()).collect();
    (y.clone() * Tensor::from_data(TensorData::new(weights, y.dims()), &y.device())).sum().backward()
}

fn assert_close<const D: usize>(what: &str, found: Option<Tensor<D>>, expected: Option<Tensor<D>>) {
    let difference = difference(found.unwrap(), expected.unwrap());
    assert!(difference < 2e-5, "{what}: {difference}");
}

/// One operation in both ways: the output, and the gradients of the input and of some parameters.
fn assert_same<const D: usize, const E: usize>(
    what: &str,
    x: &Tensor<D>,
    parameters: &[&Param<Tensor<1>>],
    matrix: Option<Tensor<E>>,
    found: impl Fn(Tensor<D>) -> Tensor<3>,
    expected: impl Fn(Tensor<D>) -> Tensor<3>,
) {
    let (found, expected) = (found(x.clone()), expected(x.clone()));
    assert_close(what, Some(found.clone().inner()), Some(expected.clone().inner()));
    let (found, expected) = (gradients(&found), gradients(&expected));
    assert_close(what, x.grad(&found), x.grad(&expected));
    for parameter in parameters {
        assert_close(what, parameter.val().grad(&found), parameter.val().grad(&expected));
    }
    if let Some(matrix) = matrix {
        assert_close(what, matrix.grad(&found), matrix.grad(&expected));
    }
}

#[test]
fn layer_norms_are_the_same() {
    let device = device();
    let norm = LayerNormConfig::new(21).init(&device);
    let x = random([2, 70, 21], &device) + 3.0;
    let x = x.detach().require_grad();
    let [gamma, beta] = [&norm.gamma, norm.beta.as_ref().unwrap()];
    let parts = [gamma, beta];
    assert_same("layer norm", &x, &parts, None::<Tensor<1>>, |x| layer_norm(&norm, x), |x| norm.forward(x));
}

#[test]
fn activations_are_the_same() {
    let device = device();
    let x = random([3, 50, 34], &device);
    assert_same("silu", &x, &[], None::<Tensor<1>>, silu, activation::silu);
    assert_same("gelu", &x, &[], None::<Tensor<1>>, gelu, activation::gelu);
    assert_same("relu", &x, &[], None::<Tensor<1>>, relu, activation::relu);
    assert_same("leaky", &x, &[], None::<Tensor<1>>, |x| leaky_relu(x, 0.2), |x| activation::leaky_relu(x, 0.2));
    let slope = Tensor::<1>::from_floats([0.3], &device).require_grad();
    let plain = |x: Tensor<3>| activation::prelu(x, slope.clone());
    assert_same("prelu", &x, &[], Some(slope.clone()), |x| prelu(x, slope.clone()), plain);
    assert_same("glu", &x, &[], None::<Tensor<1>>, glu, |x| activation::glu(x, 2));
    assert_same("log_softmax", &x, &[], None::<Tensor<1>>, log_softmax, |x| activation::log_softmax(x, 2));
}

#[test]
fn linear_layers_are_the_same() {
    let device = device();
    let layer = LinearConfig::new(18, 23).init(&device);
    let x = random([3, 37, 18], &device);
    let bias = [layer.bias.as_ref().unwrap()];
    let weight = Some(layer.weight.val());
    assert_same("linear", &x, &bias, weight, |x| linear(&layer, x), |x| layer.forward(x));
}

#[test]
fn depthwise_convolutions_are_the_same() {
    let device = device();
    let x = random([2, 11, 19], &device);
    for (left, dilation) in [(0, 1), (2, 1), (4, 1), (0, 2), (5, 3)] {
        let layer: Conv1d = Conv1dConfig::new(19, 19, 5).with_groups(19).with_dilation(dilation).init(&device);
        let expected = |x: Tensor<3>| {
            let padded = Tensor::cat(vec![Tensor::zeros([2, left, 19], &device), x], 1);
            layer.forward(padded.swap_dims(1, 2)).swap_dims(1, 2)
        };
        let bias = [layer.bias.as_ref().unwrap()];
        let weight = Some(layer.weight.val());
        assert_same("depthwise", &x, &bias, weight, |x| depthwise(&layer, x, left), expected);
    }
    let without = Conv1dConfig::new(19, 19, 2).with_groups(19).with_bias(false).init(&device);
    let expected = |x: Tensor<3>| without.forward(x.swap_dims(1, 2)).swap_dims(1, 2);
    let weight = Some(without.weight.val());
    assert_same("no bias", &x, &[], weight, |x| depthwise(&without, x, 0), expected);
}

#[test]
fn convolutions_over_two_dimensions_are_the_same() {
    let device = device();
    let x = random([3, 70, 9, 4], &device);
    let flat = |y: Tensor<4>| {
        let [batch, height, width, channels] = y.dims();
        y.reshape([batch, height, width * channels])
    };
    for (padding, stride) in [
        (PaddingConfig2d::Explicit(0, 1, 0, 1), [1, 1]),
        (PaddingConfig2d::Explicit(2, 1, 0, 3), [2, 3]),
        (PaddingConfig2d::Valid, [1, 2]),
    ] {
        let layer = Conv2dConfig::new([4, 5], [3, 2]).with_stride(stride).with_padding(padding).init(&device);
        let expected = |x: Tensor<4>| flat(layer.forward(x.permute([0, 3, 1, 2])).permute([0, 2, 3, 1]));
        let bias = [layer.bias.as_ref().unwrap()];
        let weight = Some(layer.weight.val());
        assert_same("conv2d", &x, &bias, weight, |x| flat(conv2d(&layer, x)), expected);
    }
}

#[test]
fn largest_values_are_the_same() {
    let device = device();
    let x = random([3, 70, 5, 4], &device);
    let flat = |y: Tensor<4>| y.squeeze_dim::<3>(2);
    assert_same("largest", &x, &[], None::<Tensor<1>>, |x| flat(largest(x)), |x| flat(x.max_dim(2)));
}

#[test]
fn attention_is_the_same() {
    let (device, [batch, frames, heads, width]) = (device(), [2, 9, 3, 8]);
    let x = random([batch, frames, 3 * heads * width], &device);
    let angles = |f: fn(f32) -> f32| {
        let values: Vec<f32> = (0..frames * width / 2).map(|index| f(index as f32)).collect();
        Tensor::<4>::from_data(TensorData::new(values, [1, 1, frames, width / 2]), &device)
    };
    let rotation = (angles(f32::sin), angles(f32::cos));
    let hidden: Vec<f32> = (0..batch * frames * frames).map(|i| if i % 5 == 1 { -1e4 } else { 0.0 }).collect();
    let bias = Tensor::<4>::from_data(TensorData::new(hidden, [batch, 1, frames, frames]), &device);
    let expected = |x: Tensor<3>| {
        let [q, k, v] = [0, 1, 2].map(|part| {
            let one = x.clone().narrow(2, part * heads * width, heads * width);
            one.reshape([batch, frames, heads, width]).swap_dims(1, 2)
        });
        attend([rotate(q, &rotation), rotate(k, &rotation), v], &bias)
    };
    assert_same("attention", &x, &[], None::<Tensor<1>>, |x| attention(x, &bias, &rotation, heads), expected);
}

#[test]
fn windows_are_the_same() {
    let device = device();
    let x = random([2, 12, 5], &device);
    for (kernel, dilation) in [(3, 1), (3, 4), (5, 2)] {
        let expected = |x: Tensor<3>| {
            let side = dilation * (kernel - 1) / 2;
            let padded = x.pad([(side, side), (0, 0)], PadMode::Reflect);
            Tensor::cat((0..kernel).map(|tap| padded.clone().narrow(1, tap * dilation, 12)).collect(), 2)
        };
        assert_same("windows", &x, &[], None::<Tensor<1>>, |x| windows(x, kernel, 1, dilation, true), expected);
    }
    let strided = |x: Tensor<3>| {
        let places = (0..5).map(|place| x.clone().narrow(1, 2 * place, 3).reshape([2, 1, 15]));
        Tensor::cat(places.collect(), 1)
    };
    assert_same("stride", &x, &[], None::<Tensor<1>>, |x| windows(x, 3, 2, 1, false), strided);
}

#[test]
fn joined_frames_and_places_are_the_same() {
    let device = device();
    let (frames, places) = (random([2, 7, 18], &device), random([2, 3, 18], &device));
    let expected = activation::tanh(frames.clone().reshape([2, 7, 1, 18]) + places.clone().reshape([2, 1, 3, 18]));
    let found = join(frames.clone(), places.clone());
    assert_close("join", Some(found.clone().inner()), Some(expected.clone().inner()));
    let (found, expected) = (gradients(&found), gradients(&expected));
    assert_close("frames", frames.grad(&found), frames.grad(&expected));
    assert_close("places", places.grad(&found), places.grad(&expected));
}

#[test]
fn pooled_statistics_are_the_same() {
    let device = device();
    let (x, scores) = (random([3, 11, 19], &device), random([3, 11, 19], &device));
    // One channel of one clip does not vary.
    let flat = Tensor::<3>::zeros([1, 11, 1], &device) + 0.5;
    let x = x.slice_assign([1..2, 0..11, 4..5], flat).detach().require_grad();
    let pool = |x: Tensor<3>, weights: Tensor<3>| {
        let centre = (weights.clone() * x.clone()).sum_dim(1);
        let variance = (weights * (x - centre.clone()).square()).sum_dim(1);
        Tensor::cat(vec![centre, variance.clamp_min(1e-12).sqrt()], 2)
    };
    let even = Tensor::<3>::full([3, 11, 19], 1.0 / 11.0, &device);
    assert_same("even", &x, &[], None::<Tensor<1>>, statistics, |x| pool(x, even.clone()));
    let expected = |x: Tensor<3>| pool(x, activation::softmax(scores.clone(), 1));
    let found = |x: Tensor<3>| attentive_statistics(x, scores.clone());
    assert_same("attentive", &x, &[], Some(scores.clone()), found, expected);
}

#[test]
fn dropout_drops_its_share_and_the_gradient_with_it() {
    let (device, layer) = (device(), DropoutConfig::new(0.25).init());
    let x = (random([40, 50, 20], &device).abs() + 0.1).detach().require_grad();
    let silu_of = |x: Tensor<3>| activation::silu(x).inner();
    for (what, y, kept) in [
        ("dropout", dropout(x.clone(), &layer), x.clone().inner()),
        ("silu", silu_dropout(x.clone(), &layer), silu_of(x.clone())),
        ("residual", residual(Tensor::zeros([40, 50, 20], &device), x.clone(), 0.5, &layer), x.clone().inner() * 0.5),
    ] {
        let factors = y.clone().inner() / kept;
        let dropped: f32 = factors.clone().equal_elem(0.0).float().mean().into_scalar();
        assert!((dropped - 0.25).abs() < 0.01, "{what}: {dropped}");
        let present = factors.clone().mask_fill(factors.clone().equal_elem(0.0), 4.0 / 3.0);
        assert!((present - 4.0 / 3.0).abs().max().into_scalar::<f32>() < 1e-5, "{what}");
        let gradient = x.grad(&y.sum().backward()).unwrap();
        let expected = match what {
            "dropout" => factors,
            "silu" => {
                let gate = activation::sigmoid(x.clone().inner());
                factors * gate.clone() * (x.clone().inner() * (gate.neg() + 1.0) + 1.0)
            }
            _ => factors * 0.5,
        };
        assert!(difference(gradient, expected) < 1e-5, "{what}");
    }
    let other = dropout(x.clone(), &layer).inner() - dropout(x, &layer).inner();
    assert!(other.abs().max().into_scalar::<f32>() > 0.1, "each call drops others");
}

#[test]
fn batch_norms_are_the_same() {
    let device = device();
    let x = (random([3, 50, 17], &device) + 0.5).detach().require_grad();
    for slope in [0.0, 0.01, 1.0] {
        let [fused, plain] = [(); 2].map(|()| BatchNormConfig::new(17).init(&device));
        let expected = |x: Tensor<3>| {
            let x = if slope == 1.0 { x } else { activation::leaky_relu(x, slope) };
            plain.forward(x.reshape([150, 17])).reshape([3, 50, 17])
        };
        assert_same("batch norm", &x, &[], None::<Tensor<1>>, |x| batch_norm(&fused, x, slope), expected);
        let running = [(&fused.running_mean, &plain.running_mean), (&fused.running_var, &plain.running_var)];
        for (found, expected) in running {
            assert_close("running statistics", Some(found.value().inner()), Some(expected.value().inner()));
        }
        let gradient = |norm: &BatchNorm, y: Tensor<3>| norm.gamma.val().grad(&gradients(&y));
        let expected = gradient(&plain, expected(x.clone()));
        assert_close("gains", gradient(&fused, batch_norm(&fused, x.clone(), slope)), expected);
    }
}
