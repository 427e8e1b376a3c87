use std::collections::HashMap;

use burn::module::ParamId;
use burn::tensor::{Distribution, Int, TensorData};

use super::*;
use crate::losses::{aam_softmax, ctc_loss, transducer_loss};
use crate::nets::conformer::{Conformer, ConformerConfig, Kind};
use crate::nets::encoder_decoder::EncoderDecoder;
use crate::nets::keyword::KeywordNetConfig;
use crate::nets::llama::{LlamaConfig, packed_mask};
use crate::nets::speaker::{EcapaConfig, EncoderConfig, XvectorConfig};
use crate::nets::transducer::{JointConfig, PredictorConfig};
use crate::nets::transformer::{TransformerConfig, shifted};
use crate::nets::tts::{AcousticConfig, DiscriminatorConfig, JudgedVocoder, POSITION_WIDTH, VocoderConfig, play};
use crate::nets::turn::TurnNetConfig;
use crate::nets::vad::VadNetConfig;
use crate::trainer::AdaptersConfig;

fn device() -> Device {
    let device = Device::flex().autodiff();
    device.seed(5);
    device
}

fn noise<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &device())
}

/// All gradients of a net, by weight.
fn gradients<M: Module>(precision: Precision, net: &M, loss: impl Fn(&M) -> Tensor<1>) -> HashMap<ParamId, Vec<f64>> {
    struct Read<'a> {
        grads: &'a GradientsParams,
        values: HashMap<ParamId, Vec<f64>>,
    }
    impl ModuleVisitor for Read<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(grad) = self.grads.get::<D>(param.id) {
                assert_eq!((grad.dtype(), grad.dims()), (DType::F32, param.dims()));
                self.values.insert(param.id, grad.into_data().iter::<f64>().collect());
            }
        }
    }
    let of_step = precision.of_step(net);
    let loss = loss(&of_step);
    assert_eq!(loss.dtype(), DType::F32);
    let mut read = Read { grads: &precision.gradients(&loss, &*of_step), values: HashMap::new() };
    net.visit(&mut read);
    read.values
}

/// How far apart gradients are: the distance as a share of their length.
fn apart(some: &HashMap<ParamId, Vec<f64>>, others: &HashMap<ParamId, Vec<f64>>) -> f64 {
    let (mut apart, mut length) = (0.0, 0.0);
    for (id, some) in some {
        apart += some.iter().zip(&others[id]).map(|(some, other)| (some - other).powi(2)).sum::<f64>();
        length += some.iter().map(|some| some.powi(2)).sum::<f64>();
    }
    (apart / length).sqrt()
}

/// A net in 32 bits whose weights were rounded.
fn rounded<M: Module>(net: &M) -> M {
    struct Back;
    impl ModuleMapper for Back {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let trained = param.is_require_grad();
            param.map(|weights| Tensor::from_inner(weights.inner().cast(DType::F32)).set_require_grad(trained))
        }
    }
    Precision::Bf16.of_step(net).into_owned().map(&mut Back)
}

/// Computing in 16 bits moves the gradients about as far as rounding the weights alone does, which differs from net to net; a
/// few rectifiers that come to lie on their other side move them up to 5 %.
fn near<M: Module>(name: &str, net: &M, loss: impl Fn(&M) -> Tensor<1>) {
    let [full, mixed] = [Precision::Fp32, Precision::Bf16].map(|precision| gradients(precision, net, &loss));
    let weights = apart(&full, &gradients(Precision::Fp32, &rounded(net), &loss));
    assert!(full.keys().all(|id| mixed.contains_key(id)) && full.len() == mixed.len(), "{name}");
    let all = apart(&full, &mixed);
    println!("{name}: gradients {all:.4} apart in 16 bits, {weights:.4} with rounded weights");
    let most = (5.0 * weights).max(0.05);
    assert!(weights > 1e-4 && all > 0.5 * weights && all < most, "{name}: {all} apart, {weights} by rounding");
}

/// Weighs all that a net says.
fn weighed<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let weights = noise(x.dims());
    (x * weights).sum()
}

fn encoder(kind: Kind) -> ConformerConfig {
    let text = "bins = 8\ndim = 16\nlayers = 2\nheads = 2\nfeed_forward = 32\nkernel = 3\nchannels = 8\nchunk = 2\n\
                left = 4\ndropout = 0.0";
    ConformerConfig { kind, ..toml::from_str(text).unwrap() }
}

const LENGTHS: [usize; 2] = [6, 4];

fn sounds() -> Tensor<3> {
    noise([2, encoder(Kind::Conformer).features_for(LENGTHS[0]), 8])
}

fn said() -> Vec<Vec<u32>> {
    vec![vec![3, 1, 4], vec![2]]
}

fn recogniser(net: &Conformer) -> Tensor<1> {
    let (heads, middle) = net.forward(sounds(), &LENGTHS);
    ctc_loss(heads.tokens, &said(), &LENGTHS) + weighed(middle).mul_scalar(0.01)
}

#[test]
fn gradients_of_recognisers_are_near_those_of_32_bits() {
    for kind in [Kind::Conformer, Kind::Branchformer, Kind::Hyperconformer, Kind::Crdnn, Kind::Transformer] {
        near(&format!("{kind:?}"), &encoder(kind).init(7, 5, &device()), recogniser);
    }
    for predictor in [PredictorConfig::Stateless { context: 2 }, PredictorConfig::Lstm] {
        let sizes: JointConfig = toml::from_str("predictor_dim = 8\ndim = 8").unwrap();
        let config = JointConfig { predictor, ..sizes };
        let net = config.init(encoder(Kind::Conformer).init(7, 0, &device()), 7, &device());
        near(&format!("{predictor:?}"), &net, |net| {
            let frames = net.encoder().forward(sounds(), &LENGTHS).0.frames;
            transducer_loss(net.logits(frames, &said()), &said(), &LENGTHS)
        });
    }
    let decoder = TransformerConfig { dim: 16, layers: 2, heads: 2, feed_forward: 32, dropout: 0.0 };
    let net = EncoderDecoder::new(encoder(Kind::Conformer).init(7, 0, &device()), &decoder, 7, &device());
    near("attention decoder", &net, |net| {
        let frames = net.encoder().forward(sounds(), &LENGTHS).0.frames;
        weighed(net.say(frames, &LENGTHS, &said()))
    });
}

#[test]
fn gradients_of_adapters_are_near_those_of_32_bits() {
    let table = "base = \"\"\nlora = { rank = 2, all_linear = true }\nunfrozen_layers = [\"head\"]";
    let adapters: AdaptersConfig = toml::from_str(table).unwrap();
    for kind in [Kind::Conformer, Kind::Branchformer] {
        let net = encoder(kind).init(7, 0, &device()).with_bottlenecks(3, &|_| true).unwrap();
        near(&format!("adapted {kind:?}"), &adapters.attach_to(net).unwrap(), recogniser);
    }
}

#[test]
fn gradients_of_language_models_are_near_those_of_32_bits() {
    let shape = TransformerConfig { dim: 16, layers: 2, heads: 2, feed_forward: 32, dropout: 0.0 };
    let net = shape.init(7, None, &device());
    near("Transformer", &net, |net| weighed(net.forward(shifted(&said(), &device()), None)));
    let shape = serde_json::json!({"dim": 16, "layers": 2, "heads": 2, "kv_heads": 1, "feed_forward": 32});
    let shape: LlamaConfig = serde_json::from_value(shape).unwrap();
    near("Llama", &shape.init(9, &device()), |net| {
        let tokens = TensorData::new(vec![1_i64, 5, 2, 8, 3, 3, 7, 1], [2, 4]);
        let tokens = Tensor::<2, Int>::from_data(tokens, &device());
        let hidden = net.forward(tokens, packed_mask(&[vec![0], vec![0, 2]], 4, &device()));
        weighed(net.logits(hidden.reshape([8, 16])))
    });
}

#[test]
fn gradients_of_nets_of_sound_are_near_those_of_32_bits() {
    let ecapa = EcapaConfig {
        input_size: 8,
        channels: 16,
        mfa_channels: 24,
        res2net_scale: 4,
        se_channels: 8,
        attention_channels: 8,
        lin_neurons: 12,
    };
    let xvector = XvectorConfig { in_channels: 8, tdnn_channels: 16, pooled_channels: 24, lin_neurons: 12 };
    for config in [EncoderConfig::Ecapa(ecapa), EncoderConfig::Xvector(xvector)] {
        near(&format!("{config:?}"), &config.init(4, &device()), |net| {
            let cosines = net.cosines(net.embed(noise([6, 30, 8]), None));
            aam_softmax(cosines, &[0, 1, 2, 3, 0, 1], 0.2, 10.0)
        });
    }
    let turn = TurnNetConfig::new(8, 16, 16, 2).with_heads(2).with_dropout(0.0).init(&device());
    near("turn", &turn, |net| weighed(net.forward(noise([3, 16, 8]))));
    let vad = VadNetConfig::new(8).with_dropout(0.0).init(&device());
    near("vad", &vad, |net| weighed(net.forward(noise([3, 12, 8]), net.state(3, &device())).0));
    let keyword = KeywordNetConfig::new(8).with_width(16).with_blocks(2).with_dropout(0.0).init(3, &device());
    near("keyword", &keyword, |net| weighed(net.forward(noise([2, 24, 8]))));
}

#[test]
fn gradients_of_voices_are_near_those_of_32_bits() {
    let acoustic = AcousticConfig::new(9, 3).with_width(16).with_mels(24).with_dropout(0.0).init(&device());
    near("acoustic model", &acoustic, |net| {
        let ids = |values: [i64; 4]| Tensor::<2, Int>::from_data(TensorData::new(values.to_vec(), [1, 4]), &device());
        let mask = Tensor::ones([1, 4, 1], &device());
        let encoded = net.encoder.forward(ids([1, 8, 3, 5]), ids([0, 1, 2, 1]), None, Some(&mask));
        let frames = net.decoder.forward(encoded.hidden.clone(), noise([1, 4, POSITION_WIDTH]), Some(&mask));
        weighed(frames) + weighed(encoded.duration) + weighed(encoded.pitch)
    });
    let net = VocoderConfig::new(6, 13, 20).with_width(16).with_blocks(2).init(&device());
    let judges = vec![DiscriminatorConfig::new(33).with_width(8).init(&device())];
    near("vocoder and judge", &JudgedVocoder { net, judges }, |judged| {
        let made = judged.net.forward(noise([2, 20, 6])); // (2, 20, 33)
        let game = play(&judged.judges, &[made], &[noise([2, 20, 33])]);
        game.maker + game.judge
    });
}

#[test]
fn statistics_of_a_step_reach_the_net() {
    let net = EncoderConfig::Ecapa(EcapaConfig { channels: 16, mfa_channels: 24, ..EcapaConfig::default() });
    let net = net.init(4, &device());
    let before = running(&net);
    let of_step = Precision::Bf16.of_step(&net);
    of_step.embed(noise([4, 30, 80]), None);
    assert_ne!(before, running(&net));
}

/// The running statistics of a net.
fn running<M: Module>(net: &M) -> Vec<f32> {
    struct Running(Vec<f32>);
    impl ModuleVisitor for Running {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            assert_eq!(param.val().dtype(), DType::F32);
            if !param.is_require_grad() {
                self.0.extend(param.val().into_data().iter::<f32>());
            }
        }
    }
    let mut running = Running(Vec::new());
    net.valid().train().visit(&mut running);
    running.0
}

#[test]
fn a_device_without_bf16_and_other_precisions_are_refused() {
    Precision::Bf16.check(&Device::flex()).unwrap();
    Precision::Fp32.check_support(false, &"a device").unwrap();
    let reason = Precision::Bf16.check_support(false, &"a device").unwrap_err().to_string();
    assert_eq!(
        reason,
        "train.precision: \"a device\" does not compute in bf16; expected fp32, or another train.backend"
    );
    for (name, expected) in [("fp16", "no loss is scaled"), ("int8", "expected fp32 or bf16, found int8")] {
        let reason = Precision::try_from(name.to_owned()).unwrap_err();
        assert!(reason.contains(expected), "{reason}");
    }
    assert_eq!(Precision::try_from("bf16".to_owned()), Ok(Precision::Bf16));
}
