//! Losses and their gradients against SpeechBrain and PyTorch: `golden/losses.json`, made by `tests/peers/losses.py` at the
//! root.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData, activation};
use rejoinder_training::losses::adversarial::{discriminator_loss, feature_matching_loss, generator_loss};
use rejoinder_training::losses::{
    BinaryLoss, CrossEntropyConfig, FocalConfig, SeparationLoss, binary_cross_entropy, ctc_distillation_loss,
    distillation_loss, distilled, softened, weighted_binary_cross_entropy,
};
use report::report;
use serde::Deserialize;

mod report;

#[derive(Deserialize)]
struct Golden {
    si_snr: SiSnr,
    binary: Binary,
    distillation: Distillation,
    adversarial: Adversarial,
}

#[derive(Deserialize)]
struct SiSnr {
    lengths: Vec<usize>,
    sources: Vec<f32>,
    estimates: Vec<f32>,
    losses: Vec<f32>,
    permutations: Vec<Vec<usize>>,
    weights: Vec<f32>,
    gradient: Vec<f32>,
}

#[derive(Deserialize)]
struct Binary {
    log_odds: Vec<f32>,
    targets: Vec<f32>,
    weights: Vec<f32>,
    cases: BTreeMap<String, Elements>,
}

#[derive(Deserialize)]
struct Elements {
    losses: Vec<f32>,
    gradient: Vec<f32>,
}

#[derive(Deserialize)]
struct Distillation {
    frames: Vec<usize>,
    logits: Vec<f32>,
    teacher: Vec<f32>,
    temperature: f64,
    weight: f64,
    soft: f32,
    soft_gradient: Vec<f32>,
    ctc: f32,
    ctc_gradient: Vec<f32>,
    total: f32,
}

#[derive(Deserialize)]
struct Adversarial {
    recorded: Vec<f32>,
    made: Vec<f32>,
    generator: f32,
    generator_made: Vec<f32>,
    discriminator: f32,
    discriminator_recorded: Vec<f32>,
    discriminator_made: Vec<f32>,
    seen: Vec<Vec<f32>>,
    shown: Vec<Vec<f32>>,
    features: f32,
    features_shown: Vec<Vec<f32>>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/losses.json")).unwrap()
}

/// A tensor that gradients reach.
fn leaf<const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<D> {
    constant(values, shape).require_grad()
}

fn constant<const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex().autodiff())
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}

/// The largest difference, as a share of values beyond 1.
fn apart(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let apart = found.iter().zip(expected).map(|(found, expected)| (found - expected).abs() / expected.abs().max(1.0));
    let worst = apart.fold(0.0, f32::max);
    assert!(worst < 1e-5, "{worst}: {found:?} {expected:?}");
    worst
}

/// The largest differences of a scalar loss and of its gradients.
fn compare<const D: usize>(loss: Tensor<1>, expected: f32, gradients: &[(&Tensor<D>, &[f32])]) -> [f32; 2] {
    let value = apart(&floats(loss.clone()), &[expected]);
    let found = loss.backward();
    let gradient = gradients.iter().map(|(leaf, expected)| apart(&floats(leaf.grad(&found).unwrap()), expected));
    [value, gradient.fold(0.0, f32::max)]
}

#[test]
fn permutation_invariant_si_snr_is_speechbrains_for_each_length() {
    let SiSnr { lengths, sources, estimates, losses, permutations, weights, gradient } = golden().si_snr;
    let (batch, count) = (lengths.len(), permutations[0].len());
    let shape = [batch, count, sources.len() / batch / count];
    let (estimates, sources) = (leaf(&estimates, shape), constant(&sources, shape));
    let found = SeparationLoss::SiSnr.forward(estimates.clone(), sources.clone(), &lengths);
    assert_eq!(found.sources, permutations);
    let peer = "SpeechBrain's PitWrapper of cal_si_snr";
    let value = apart(&floats(found.losses.clone()), &losses);
    let loss = (found.losses * constant(&weights, [batch])).sum();
    let expected = losses.iter().zip(&weights).map(|(loss, weight)| loss * weight).sum();
    let [_, gradient] = compare(loss, expected, &[(&estimates, &gradient)]);
    report("SI-SNR loss", peer, "losses of three orders, one of them shorter", value);
    report("SI-SNR loss", peer, "gradient of the estimates", gradient);

    // In their order, each estimate against its own source.
    let ordered =
        permutations.iter().enumerate().flat_map(|(row, order)| order.iter().map(move |source| (row, *source)));
    let rows = ordered.map(|(row, source)| sources.clone().narrow(0, row, 1).narrow(1, source, 1));
    let [rows, estimates] =
        [Tensor::cat(rows.collect(), 1), estimates].map(|x| x.reshape([batch * count, 1, shape[2]]));
    let lengths: Vec<usize> = lengths.iter().flat_map(|length| vec![*length; count]).collect();
    let found = SeparationLoss::SiSnr.forward(estimates, rows, &lengths).losses;
    apart(&floats(found.reshape([batch, count]).mean_dim(1)), &losses);
}

#[test]
fn what_comes_behind_a_mixture_changes_nothing() {
    let SiSnr { lengths, sources, mut estimates, losses, .. } = golden().si_snr;
    let shape = [lengths.len(), 3, sources.len() / lengths.len() / 3];
    for (row, signal) in estimates.chunks_mut(shape[2]).enumerate() {
        signal[lengths[row / 3]..].fill(100.0);
    }
    let found = SeparationLoss::SiSnr.forward(constant(&estimates, shape), constant(&sources, shape), &lengths);
    apart(&floats(found.losses), &losses);
}

#[test]
fn the_level_counts_where_the_ratio_is_of_scale() {
    let tone = |hz: f32| (0..200).map(|i| (hz * i as f32).sin()).collect::<Vec<f32>>();
    let sources = [tone(0.3), tone(0.7)].concat();
    let half: Vec<f32> = [tone(0.7), tone(0.3)].concat().iter().map(|x| 0.5 * x).collect();
    let of = |loss: SeparationLoss| loss.forward(constant(&half, [1, 2, 200]), constant(&sources, [1, 2, 200]), &[200]);
    let (scaled, plain) = (of(SeparationLoss::SiSnr), of(SeparationLoss::Snr));
    assert_eq!((&scaled.sources[0], &plain.sources[0]), (&vec![1, 0], &vec![1, 0]));
    // Half the level leaves a quarter of the energy as noise, and a thousandth always counts.
    let expected = 10.0 * (0.25_f32 + 1e-3).log10();
    let (scaled, plain) = (floats(scaled.losses)[0], floats(plain.losses)[0]);
    assert!(scaled < -60.0 && (plain - expected).abs() < 1e-3, "{scaled} dB, {plain} dB, expected {expected}");
}

#[test]
fn silence_and_equal_signals_have_finite_losses_and_gradients() {
    let tone: Vec<f32> = (0..40).map(|i| (0.7 * i as f32).sin()).collect();
    let both = [tone.as_slice(), &[0.0; 40]].concat();
    for (estimates, sources) in [(both.clone(), both.clone()), (vec![0.0; 80], both)] {
        let estimates = leaf(&estimates, [1, 2, 40]);
        let found = SeparationLoss::SiSnr.forward(estimates.clone(), constant(&sources, [1, 2, 40]), &[40]);
        let gradients = found.losses.backward();
        let gradient = floats(estimates.grad(&gradients).unwrap());
        assert!(floats(found.losses)[0].is_finite() && gradient.iter().all(|x| x.is_finite()), "{gradient:?}");
    }
}

#[test]
fn weighted_and_focal_losses_are_pytorchs() {
    let Binary { log_odds, targets, weights, cases } = golden().binary;
    let shape = [targets.len() / weights.len(), weights.len()];
    let targets = constant(&targets, shape);
    let weights = constant(&weights, [1, weights.len()]);
    let (mut weighted, mut focal) = ([0.0_f32; 2], [0.0_f32; 2]);
    for (name, Elements { losses, gradient }) in &cases {
        let x = leaf(&log_odds, shape);
        let (found, worst) = match name.split_once(' ') {
            None => (weighted_binary_cross_entropy(x.clone(), targets.clone(), weights.clone()), &mut weighted),
            Some((gamma, alpha)) => {
                let config = FocalConfig { gamma: gamma.parse().unwrap(), alpha: alpha.parse().ok() };
                (BinaryLoss::Focal(config).forward(x.clone(), targets.clone()), &mut focal)
            }
        };
        let gradient_of = match name.as_str() {
            "speechbrain" => found.mean(),
            _ => {
                worst[0] = worst[0].max(apart(&floats(found.clone()), losses));
                found.sum()
            }
        };
        let expected = losses.iter().sum();
        let [value, gradient] = compare(gradient_of, expected, &[(&x, gradient)]);
        *worst = [worst[0].max(value), worst[1].max(gradient)];
    }
    for (name, peer, [value, gradient]) in [
        ("weighted cross-entropy", "SpeechBrain's bce_loss with pos_weight", weighted),
        ("focal loss", "torchvision's sigmoid_focal_loss, written out in PyTorch", focal),
    ] {
        report(name, peer, "losses", value);
        report(name, peer, "gradient of the log-odds", gradient);
    }
}

#[test]
fn a_positive_weight_of_one_and_no_focus_are_plain_cross_entropy() {
    let Binary { log_odds, targets, .. } = golden().binary;
    let (x, y) = (constant(&log_odds, [log_odds.len()]), constant(&targets, [targets.len()]));
    let plain = floats(binary_cross_entropy(x.clone(), y.clone()));
    let focal = BinaryLoss::Focal(FocalConfig { gamma: 0.0, alpha: None });
    for loss in [BinaryLoss::default(), focal] {
        assert_eq!(floats(loss.forward(x.clone(), y.clone())), plain);
    }
    let double = BinaryLoss::CrossEntropy(CrossEntropyConfig { positive_weight: 2.0 }).forward(x, y);
    let expected: Vec<f32> = plain.iter().zip(&targets).map(|(loss, target)| loss * (1.0 + target)).collect();
    let whole = |values: Vec<f32>| -> Vec<f32> {
        values.into_iter().zip(&targets).filter(|(_, target)| **target != 0.25).map(|(value, _)| value).collect()
    };
    apart(&whole(floats(double)), &whole(expected));
}

#[test]
fn students_learn_from_teachers_as_speechbrains_do() {
    let golden = golden().distillation;
    let batch = golden.frames.len();
    let shape = [batch, *golden.frames.iter().max().unwrap(), 4];
    let teacher = constant(&golden.teacher, shape);
    let student = leaf(&golden.logits, shape);
    let log_probs = activation::log_softmax(student.clone(), 2);
    let soft = distillation_loss(log_probs, softened(teacher.clone(), golden.temperature), &golden.frames);
    let [value, gradient] = compare(soft.clone(), golden.soft, &[(&student, &golden.soft_gradient)]);
    report("distillation by frames", "SpeechBrain's nll_loss_kd", "loss", value);
    report("distillation by frames", "SpeechBrain's nll_loss_kd", "gradient of the logits", gradient);

    let student = leaf(&golden.logits, shape);
    let ctc = ctc_distillation_loss(activation::log_softmax(student.clone(), 2), teacher, &golden.frames);
    let [value, gradient] = compare(ctc.clone(), golden.ctc, &[(&student, &golden.ctc_gradient)]);
    report("distillation by CTC", "SpeechBrain's ctc_loss_kd", "loss", value);
    report("distillation by CTC", "SpeechBrain's ctc_loss_kd", "gradient of the logits", gradient);

    apart(&floats(distilled(ctc, soft, golden.weight, golden.temperature)), &[golden.total]);
}

#[test]
fn adversarial_losses_are_those_of_speechbrains_vocoders() {
    let golden = golden().adversarial;
    let (recorded, made) = (leaf(&golden.recorded, [2, 5]), leaf(&golden.made, [2, 5]));
    let generator = compare(generator_loss(made.clone()), golden.generator, &[(&made, &golden.generator_made)]);
    let gradients = [(&recorded, golden.discriminator_recorded.as_slice()), (&made, &golden.discriminator_made)];
    let discriminator = compare(discriminator_loss(recorded.clone(), made.clone()), golden.discriminator, &gradients);
    let layers = |layers: &[Vec<f32>]| layers.iter().map(|layer| leaf(layer, [2, layer.len() / 2])).collect::<Vec<_>>();
    let (seen, shown) = (layers(&golden.seen), layers(&golden.shown));
    let gradients: Vec<_> = shown.iter().zip(golden.features_shown.iter().map(Vec::as_slice)).collect();
    let features = compare(feature_matching_loss(seen, shown.clone()), golden.features, &gradients);
    for (name, peer, [value, gradient]) in [
        ("least-squares generator loss", "SpeechBrain's MSEGLoss", generator),
        ("least-squares discriminator loss", "SpeechBrain's MSEDLoss", discriminator),
        ("feature matching", "SpeechBrain's MelganFeatureLoss", features),
    ] {
        report(name, peer, "loss", value);
        report(name, peer, "gradients", gradient);
    }
}
