//! The losses over alignments, and the nets beside a transducer's encoder, against torchaudio's and PyTorch's:
//! tests/peers/transducer.py at the root has made the numbers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod engines;
mod golden_weights;
mod report;

use std::collections::BTreeMap;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use engines::sessions;
use golden_weights::{Compare, Load, assert_close, assert_near};
use rejoinder_models::runtime::Tensor as RuntimeTensor;
use rejoinder_training::export::{Axis, Element, OnnxExport, Recorder, Result};
use rejoinder_training::losses::{ctc_loss, transducer_loss};
use rejoinder_training::nets::conformer::ConformerConfig;
use rejoinder_training::nets::transducer::{Activation, EmbeddingKind, JointConfig, PredictorConfig, Transducer};
use report::report;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    frames: usize,
    vocabulary: usize,
    lengths: Vec<usize>,
    tokens: Vec<Vec<u32>>,
    transducer: Numbers,
    ctc: Numbers,
    lstm: Joint,
    stateless: Joint,
    published: Joint,
}

#[derive(Deserialize)]
struct Joint {
    frames: Vec<f32>,
    logits: Vec<f32>,
    weights: BTreeMap<String, Vec<f32>>,
    gradients: BTreeMap<String, Vec<f32>>,
}

#[derive(Deserialize)]
struct Numbers {
    logits: Vec<f32>,
    losses: Vec<f64>,
    gradient: Vec<f64>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/transducer.json")).unwrap()
}

/// Our losses are divided by the number of tokens, theirs are not.
fn check<const D: usize>(
    [ours, theirs]: [&str; 2],
    numbers: &Numbers,
    shape: [usize; D],
    tokens: usize,
    loss: impl Fn(Tensor<D>) -> Tensor<1>,
) {
    let data = TensorData::new(numbers.logits.clone(), shape);
    let logits = Tensor::<D>::from_data(data, &Device::flex().autodiff()).require_grad();
    let loss = loss(logits.clone()).mul_scalar(tokens as f64);
    let gradients = loss.backward();
    let (found, expected) = (loss.into_scalar::<f64>(), numbers.losses.iter().sum::<f64>());
    assert!((found - expected).abs() < 1e-4, "loss {found}, expected {expected}");
    report(ours, theirs, "loss", ((found - expected).abs() / expected.abs().max(1.0)) as f32);
    let gradient: Vec<f64> = logits.grad(&gradients).unwrap().into_data().iter::<f64>().collect();
    assert_eq!(gradient.len(), numbers.gradient.len());
    let apart = gradient.iter().zip(&numbers.gradient).map(|(found, expected)| (found - expected).abs());
    let worst = apart.fold(0.0, f64::max);
    assert!(worst < 1e-5, "gradient: {worst}");
    report(ours, theirs, "gradient of the logits", worst as f32);
}

#[test]
fn the_transducer_loss_is_torchaudio_s() {
    let Golden { frames, vocabulary, lengths, tokens, transducer, .. } = golden();
    let places = 1 + tokens.iter().map(Vec::len).max().unwrap();
    let shape = [lengths.len(), frames, places, vocabulary];
    let total = tokens.iter().map(Vec::len).sum();
    let names = ["transducer loss", "torchaudio's rnnt_loss"];
    check(names, &transducer, shape, total, |logits| transducer_loss(logits, &tokens, &lengths));
}

#[test]
fn the_ctc_loss_is_pytorch_s() {
    let Golden { frames, vocabulary, lengths, tokens, ctc, .. } = golden();
    let total = tokens.iter().map(Vec::len).sum();
    let names = ["CTC loss", "PyTorch's ctc_loss"];
    check(names, &ctc, [lengths.len(), frames, vocabulary], total, |logits| {
        ctc_loss(log_softmax(logits, 2), &tokens, &lengths)
    });
}

#[test]
fn the_nets_beside_the_encoder_say_what_pytorch_s_say() {
    let Golden { vocabulary, tokens, lstm, stateless, published, .. } = golden();
    let device = Device::flex();
    let encoder = "bins = 8\ndim = 8\nlayers = 1\nheads = 2\nfeed_forward = 8\nkernel = 3\nchannels = 8\nchunk = 2\n\
                   left = 2\ndropout = 0.0";
    let encoder: ConformerConfig = toml::from_str(encoder).unwrap();
    let stateless_config: JointConfig = toml::from_str("predictor_dim = 4\ndim = 3").unwrap();
    let lstm_config = JointConfig { predictor: PredictorConfig::Lstm, ..stateless_config.clone() };
    let (embedding, activation) = (EmbeddingKind::OneHot, Activation::Gelu);
    let published_config = JointConfig { embedding, activation, bias: false, ..lstm_config.clone() };
    let kinds = [
        (stateless_config, stateless, ["stateless predictor and joiner", "PyTorch's Conv1d"]),
        (lstm_config, lstm, ["LSTM predictor and joiner", "PyTorch's LSTM"]),
        (published_config, published, ["one-hot LSTM predictor and GELU joiner", "SpeechBrain's Transducer_joint"]),
    ];
    for (config, golden, [ours, theirs]) in kinds {
        let plain = Load::into(config.init(encoder.init(vocabulary, 0, &device), vocabulary, &device), &golden.weights);
        let net = plain.clone().train();
        let frames =
            |device: &Device| Tensor::<3>::from_data(TensorData::new(golden.frames.clone(), [1, 2, 8]), device);
        let said = net.logits(frames(&device.clone().autodiff()), &tokens[..1]);
        let worst = assert_close("logits", said.clone(), &golden.logits);
        assert!(worst < 1e-5, "{config:?}: {worst}");
        report(ours, theirs, "logits", worst);
        let gradients = GradientsParams::from_grads(said.square().sum().mul_scalar(0.5).backward(), &net);
        let (worst, weight) = Compare::worst(&net, &gradients, &golden.gradients);
        assert!(worst < 1e-4, "{config:?}, {weight}: {worst}");
        report(ours, theirs, "gradients of the logits' squares", worst);
        for (engine, worst) in exported(&plain, frames(&device), &tokens[0], &golden.logits) {
            report(ours, theirs, &format!("logits, token by token, {engine}"), worst);
        }
    }
}

/// How far the exported nets beside the encoder are from the golden logits of two frames after each token of one text.
fn exported(net: &Transducer, frames: Tensor<3>, tokens: &[u32], expected: &[f32]) -> Vec<(String, f32)> {
    let states = ["hidden", "memory"];
    let kept = &states[..net.states().len()];
    let predict = |net: &Transducer, recorder: &mut Recorder<'_>| {
        let before = kept.iter().map(|name| recorder.float::<2>(name)).collect::<Result<_, _>>()?;
        let (predicted, next) = net.predict(recorder.int::<2>("y")?, before);
        recorder.output("predicted", predicted)?;
        kept.iter().zip(next).try_for_each(|(name, state)| recorder.output(&format!("{name}_out"), state))
    };
    let join = |net: &Transducer, recorder: &mut Recorder<'_>| {
        let logits = net.join(recorder.float::<2>("encoded")?, recorder.float::<2>("predicted")?);
        recorder.output("logits", logits)
    };
    let row = |width: usize| [1, width].map(Axis::from);
    let mut predictor = OnnxExport::new("predictor").input("y", Element::Int, row(net.context()));
    for (name, [_, width]) in kept.iter().zip(net.states()) {
        predictor = predictor.input(name, Element::Float, row(width));
    }
    let encoded = net.encoder_out(frames); // (1, frames, joint)
    let [_, frames, joint] = encoded.dims();
    let encoded: Vec<f32> = encoded.into_data().iter().collect();
    let joiner = OnnxExport::new("joiner").input("encoded", Element::Float, row(joint)).input(
        "predicted",
        Element::Float,
        row(joint),
    );
    let [predictor, joiner] = [predictor.record(net, predict).unwrap(), joiner.record(net, join).unwrap()];
    let (places, vocabulary) = (tokens.len() + 1, expected.len() / frames / (tokens.len() + 1));
    let both = sessions(&predictor).into_iter().zip(sessions(&joiner));
    both.map(|((engine, mut predictor), (_, mut joiner))| {
        let mut said = vec![0_i64; net.context()];
        let mut carried: Vec<RuntimeTensor> = net
            .states()
            .iter()
            .map(|[_, width]| RuntimeTensor::f32(&[1, *width], vec![0.0; *width]).unwrap())
            .collect();
        let mut found = vec![0.0; expected.len()];
        for place in 0..places {
            let mut inputs = vec![("y", RuntimeTensor::i64(&[1, said.len()], said.clone()).unwrap())];
            inputs.extend(kept.iter().copied().zip(carried));
            let wanted: Vec<String> = kept.iter().map(|name| format!("{name}_out")).collect();
            let wanted: Vec<&str> = std::iter::once("predicted").chain(wanted.iter().map(String::as_str)).collect();
            let mut outputs = predictor.run(inputs, &wanted).unwrap();
            carried = outputs.split_off(1);
            let predicted: Vec<f32> = outputs.remove(0).into_f32("predicted").unwrap().into_iter().collect();
            for frame in 0..frames {
                let encoded = encoded[frame * joint..(frame + 1) * joint].to_vec();
                let row = |values: Vec<f32>| RuntimeTensor::f32(&[1, joint], values).unwrap();
                let inputs = vec![("encoded", row(encoded)), ("predicted", row(predicted.clone()))];
                let logits = joiner.run(inputs, &["logits"]).unwrap().remove(0).into_f32("logits").unwrap();
                let at = (frame * places + place) * vocabulary;
                found[at..at + vocabulary].iter_mut().zip(logits).for_each(|(slot, logit)| *slot = logit);
            }
            if let Some(token) = tokens.get(place) {
                said.remove(0);
                said.push(i64::from(*token));
            }
        }
        (engine, assert_near("logits", &found, expected))
    })
    .collect()
}
