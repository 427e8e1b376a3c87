//! Nets that begin with the weights of bundles: those that are shipped, through the very files that they were read from.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Int, Tensor, TensorData};
use ndarray::{ArrayD, IxDyn};
use rejoinder_models::asr::{ConformerCtc, Decoding, LogProbs};
use rejoinder_models::audio;
use rejoinder_models::card::{Bundle, MODEL_ROLE};
use rejoinder_models::features::Fbank;
use rejoinder_models::runtime::{Runtime, RuntimeConfig, RuntimeKind, Tensor as Data, find_onnxruntime, open};
use rejoinder_models::tts::phones;
use rejoinder_models::units::SampleRate;
use rejoinder_training::export::gguf::{GgufFile, GgufInfo, Storage, gguf};
use rejoinder_training::import::Weights;
use rejoinder_training::nets::conformer::{Conformer, ConformerConfig};
use rejoinder_training::nets::keyword::KeywordNetConfig;
use rejoinder_training::nets::llama::LlamaConfig;
use rejoinder_training::nets::speaker::EncoderConfig;
use rejoinder_training::nets::tts::{AcousticConfig, POSITION_WIDTH, VocoderConfig};
use rejoinder_training::nets::turn::TurnNetConfig;
use rejoinder_training::nets::vad::{VadNetConfig, VadState};
use serde::de::DeserializeOwned;

/// What 32-bit floats may differ by.
const ROUNDING: f32 = 1e-5;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn shipped(name: &str) -> Bundle {
    Bundle::open(&root().join("models/pretrained").join(name)).unwrap()
}

fn engines() -> impl Iterator<Item = Arc<dyn Runtime>> {
    let both = [RuntimeKind::Tract, RuntimeKind::Ort].into_iter();
    let here = both.filter(|kind| *kind == RuntimeKind::Tract || find_onnxruntime().is_some());
    here.map(|kind| open(&RuntimeConfig::of(kind)).unwrap())
}

/// The table `[net]` of a recipe.
fn net<T: DeserializeOwned>(recipe: &str) -> T {
    let text = std::fs::read_to_string(root().join("configs/recipes").join(recipe)).unwrap();
    text.parse::<toml::Table>().unwrap()["net"].clone().try_into().unwrap()
}

/// Numbers in [-1, 1] of no particular pattern.
fn wave(shape: &[usize]) -> TensorData {
    TensorData::new((0..shape.iter().product()).map(|at| (at as f32 * 0.7).sin()).collect::<Vec<f32>>(), shape)
}

fn floats(data: &TensorData) -> Data {
    let shape: Vec<usize> = data.shape().iter().copied().collect();
    Data::F32(ArrayD::from_shape_vec(IxDyn(&shape), data.iter().collect()).unwrap())
}

/// What the file of a role makes of inputs.
fn run(runtime: &dyn Runtime, bundle: &Bundle, role: &str, inputs: Vec<(&str, Data)>, output: &str) -> Vec<f32> {
    let mut session = runtime.open(&bundle.path(role).unwrap()).unwrap().session().unwrap();
    match session.run(inputs, &[output]).unwrap().remove(0) {
        Data::F32(values) => values.into_iter().collect(),
        other => panic!("expected floats, found {other:?}"),
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn nets_of_floats_say_what_their_files_say() {
    let device = Device::flex();
    let main = [(MODEL_ROLE, "")];
    let on = |data: &TensorData| data.clone();
    for runtime in engines() {
        let bundle = shipped("vad-en");
        let config: VadNetConfig = net("vad/more_speech.toml");
        let vad = Weights::of_bundle(&bundle, &main).unwrap().load(config.init(&device), &[]).unwrap();
        let fresh = vad.state(1, &device);
        let x = wave(&[1, 2, config.bins]);
        let state = [wave(&fresh.features.dims()), wave(&fresh.convolved.dims()), wave(&fresh.hidden.dims())];
        let [features, convolved, hidden] = state.each_ref().map(on);
        let begun = VadState {
            features: Tensor::from_data(features, &device),
            convolved: Tensor::from_data(convolved, &device),
            hidden: Tensor::from_data(hidden, &device),
        };
        let said = values(sigmoid(vad.forward(Tensor::from_data(on(&x), &device), begun).0));
        let names = ["features", "convolved", "hidden"];
        let mut inputs = vec![(rejoinder_models::vad::crdnn::INPUT, floats(&x))];
        inputs.extend(names.into_iter().zip(state.iter().map(floats)));
        let file = run(runtime.as_ref(), &bundle, MODEL_ROLE, inputs, rejoinder_models::vad::crdnn::OUTPUT);
        assert!(distance(&said, &file) < ROUNDING, "vad: {said:?} {file:?}");

        let bundle = shipped("turn-en");
        let config: TurnNetConfig = net("turn/convolutional.toml");
        let turn = Weights::of_bundle(&bundle, &main).unwrap().load(config.init(&device), &[]).unwrap();
        let x = wave(&[1, config.frames, config.bins]);
        let said = values(sigmoid(turn.forward(Tensor::from_data(on(&x), &device))));
        let inputs = vec![(rejoinder_models::turn::convolutional::INPUT, floats(&x))];
        let file = run(runtime.as_ref(), &bundle, MODEL_ROLE, inputs, rejoinder_models::turn::convolutional::OUTPUT);
        assert!(distance(&said, &file) < ROUNDING, "turn: {said:?} {file:?}");

        let bundle = shipped("keyword-en");
        let config: KeywordNetConfig = net("keyword/wake.toml");
        let weights = Weights::of_bundle(&bundle, &main).unwrap();
        let keyword = weights.load(config.init(9, &device), &["output"]).unwrap();
        let (x, past) = (wave(&[1, 4, config.bins]), wave(&keyword.past(&device).dims()));
        let inputs = [&x, &past].map(|data| Tensor::<3>::from_data(on(data), &device));
        let [features, before] = inputs;
        let said = values(sigmoid(keyword.step(features, before).0));
        let inputs = vec![(rejoinder_models::keyword::convolutional::INPUT, floats(&x)), ("past", floats(&past))];
        let output = rejoinder_models::keyword::convolutional::OUTPUT;
        let file = run(runtime.as_ref(), &bundle, MODEL_ROLE, inputs, output);
        assert!(distance(&said, &file) < ROUNDING, "keyword: {said:?} {file:?}");
    }
}

#[test]
fn a_voice_of_half_precision_says_what_its_files_say() {
    let (device, bundle) = (Device::flex(), shipped("tts-kathleen"));
    let config = AcousticConfig::new(phones::TOKENS, rejoinder_models::tts::frontend::PLACES).with_width(192);
    let weights = Weights::of_bundle(&bundle, &[("encoder", "encoder"), ("decoder", "decoder")]).unwrap();
    let acoustic = weights.load(config.init(&device), &[]).unwrap();
    let ids = |modulus: usize| (0..31).map(|i| (i * 7 % modulus) as i64).collect::<Vec<_>>();
    let (tokens, places) = (ids(phones::TOKENS), ids(rejoinder_models::tts::frontend::PLACES));
    let [t, p] =
        [&tokens, &places].map(|ids| Tensor::<2, Int>::from_data(TensorData::new(ids.clone(), [1, 31]), &device));
    let encoded = acoustic.encoder.forward(t, p, None, None);
    let (hidden, positions) = (wave(&[1, 31, 192]), wave(&[1, 31, POSITION_WIDTH]));
    let [h, at] = [&hidden, &positions].map(|data| Tensor::<3>::from_data(data.clone(), &device));
    let frames = values(acoustic.decoder.forward(h, at, None));

    let settings: rejoinder_models::tts::rejoinder::VoiceSettings = bundle.card().params(bundle.root()).unwrap();
    let (geometry, inputs) = (&settings.geometry, settings.mels + 2);
    let config =
        VocoderConfig::new(inputs, geometry.harmonic_order, geometry.noise_order).with_width(192).with_blocks(5);
    let vocoder = Weights::of_bundle(&bundle, &[("vocoder", "")]).unwrap().load(config.init(&device), &[]).unwrap();
    let x = wave(&[1, 31, inputs]);
    let cepstra = values(vocoder.forward(Tensor::from_data(x.clone(), &device)));

    let integers = |ids: &Vec<i64>| Data::I64(ArrayD::from_shape_vec(IxDyn(&[1, 31]), ids.clone()).unwrap());
    for runtime in engines() {
        let run = |role, inputs, output| run(runtime.as_ref(), &bundle, role, inputs, output);
        let ids = || vec![("tokens", integers(&tokens)), ("places", integers(&places))];
        let (hidden_file, duration) = (run("encoder", ids(), "hidden"), run("encoder", ids(), "duration"));
        let inputs = vec![("hidden", floats(&hidden)), ("positions", floats(&positions))];
        let apart = [
            distance(&values(encoded.hidden.clone()), &hidden_file),
            distance(&values(encoded.duration.clone()), &duration),
            distance(&frames, &run("decoder", inputs, "frames")),
            distance(&cepstra, &run("vocoder", vec![("frames", floats(&x))], "cepstra")),
        ];
        assert!(apart.iter().all(|apart| *apart < 5.0 * ROUNDING), "{apart:?}");
    }
}

#[test]
fn an_embedding_of_eight_bits_is_that_of_its_file() {
    let (device, bundle) = (Device::flex(), shipped("speaker-en"));
    let mut table: toml::Table = net("speaker/ecapa.toml");
    table.insert("input_size".into(), i64::try_from(bundle.card().features.as_ref().unwrap().bins).unwrap().into());
    let config: EncoderConfig = table.try_into().unwrap();
    let weights = Weights::of_bundle(&bundle, &[(MODEL_ROLE, "")]).unwrap();
    let net = weights.load(config.init(3, &device), &["speakers"]).unwrap();
    let x = wave(&[1, 120, config.bins()]);
    let said = values(net.direction(Tensor::from_data(x.clone(), &device)));
    for runtime in engines() {
        let file = run(runtime.as_ref(), &bundle, MODEL_ROLE, vec![("features", floats(&x))], "embedding");
        let cosine: f32 = said.iter().zip(&file).map(|(a, b)| a * b).sum();
        assert!(cosine > 0.995, "{cosine}");
    }
}

fn recogniser() -> (Bundle, Conformer) {
    let bundle = shipped("asr-en");
    let phones = bundle.text("phones").unwrap().lines().count();
    let tokens = bundle.text("tokens").unwrap().lines().count();
    let config: ConformerConfig = net("asr/conformer_ctc.toml");
    let weights = Weights::of_bundle(&bundle, &[(MODEL_ROLE, "")]).unwrap();
    let net = weights.load(config.init(tokens, phones, &Device::flex()), &[]).unwrap();
    (bundle, net)
}

/// What the net says of a whole clip in the chunks of its bundle.
fn log_probs(net: &Conformer, bundle: &Bundle, clip: &[f32]) -> LogProbs {
    let config = net.config();
    let (features, bins) = (Fbank::new(bundle.card().features.clone().unwrap()).unwrap(), config.bins);
    let pad = bundle.card().chunking.as_ref().unwrap().pad_value;
    let mut values = vec![pad; config.left_features() * bins];
    values.extend(features.compute(clip).unwrap());
    let length = config.encoder_frames(config.chunks(), values.len() / bins - config.left_features());
    let frames = config.features_for(length);
    values.resize(frames * bins, pad);
    let x = Tensor::from_data(TensorData::new(values, [1, frames, bins]), &Device::flex());
    let (heads, _) = net.forward(x, &[length]);
    LogProbs { tokens: self::values(heads.tokens), phones: self::values(heads.phones.unwrap()) }
}

/// The weights are those of the file to the last bit; what is left is that the file rounds the other side of each product
/// to 8 bits at run time, which its card puts at 0.40 in log-probability over the first chunks of one clip; 1.02 here.
#[test]
fn the_shipped_recogniser_says_what_its_file_says() {
    let (bundle, net) = recogniser();
    for name in ["hello", "list", "date"] {
        let path = root().join("tests/fixtures/caller").join(format!("{name}.flac"));
        let clip = audio::read_at(path, SampleRate::INTERNAL).unwrap().samples;
        let own = log_probs(&net, &bundle, &clip);
        for runtime in engines() {
            let file = ConformerCtc::open(&bundle, runtime.as_ref(), &Decoding::greedy()).unwrap();
            let file = file.log_probs(&clip).unwrap();
            for (own, file) in [(&own.tokens, &file.tokens), (&own.phones, &file.phones)] {
                let mean = own.iter().zip(file).map(|(a, b)| (a - b).abs()).sum::<f32>() / own.len() as f32;
                let most = distance(own, file);
                assert!(most < 1.2 && mean < 0.08, "{name} on {}: {most}, {mean} in the mean", runtime.name());
            }
        }
    }
}

#[test]
fn the_shipped_language_model_comes_back_to_the_byte() {
    let bundle = shipped("lm-en");
    let path = bundle.path(MODEL_ROLE).unwrap();
    let config: LlamaConfig = net("lm/rejoinder.toml");
    let tokenizer = GgufFile::read(&path).unwrap().tokenizer().unwrap();
    let weights = Weights::of_bundle(&bundle, &[(MODEL_ROLE, "")]).unwrap();
    let llama = weights.load(config.init(tokenizer.len(), &Device::flex()), &[]).unwrap();
    let (name, licence) = (&bundle.card().name, &bundle.card().licence);
    let info = GgufInfo { name, licence, context: 512, storage: Storage::Q8_0 };
    let again = gguf(&llama, &config, &tokenizer, &info).unwrap();
    assert!(again == std::fs::read(&path).unwrap(), "its file has changed");
}

#[test]
fn weights_that_do_not_fit_are_told_by_name() {
    let (device, bundle) = (Device::flex(), shipped("vad-en"));
    let config: VadNetConfig = net("vad/more_speech.toml");
    let message = |config: VadNetConfig| {
        let weights = Weights::of_bundle(&bundle, &[(MODEL_ROLE, "")]).unwrap();
        weights.load(config.init(&device), &[]).unwrap_err().to_string()
    };
    let hidden = message(config.clone().with_hidden(24));
    assert!(hidden.contains("narrow.weight: expected [24, 1], found [1, 32, 1]"), "{hidden}");
    assert!(hidden.contains("vad-en: ") && hidden.contains("wide.bias: expected [24]"), "{hidden}");
    let weights = Weights::of_bundle(&shipped("keyword-en"), &[(MODEL_ROLE, "")]).unwrap();
    let other = weights.load(config.init(&device), &[]).unwrap_err().to_string();
    assert!(other.contains("first.bias: missing") && other.contains(" more"), "{other}");
    let config: KeywordNetConfig = net("keyword/wake.toml");
    let surplus = weights.load(config.clone().with_blocks(4).init(9, &device), &[]).unwrap_err().to_string();
    assert!(surplus.contains("blocks.4.depthwise.bias: the net has no such weight"), "{surplus}");

    // Another number of keywords is learnt afresh; a run's weights are told in the same words.
    let net = weights.load(config.init(2, &device), &["output"]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    rejoinder_training::trainer::save_weights(&net, &path).unwrap();
    let kept = Weights::of_run(&path).unwrap();
    assert_eq!((kept.dims("output.weight").unwrap(), kept.paths().count()), (vec![64, 2], weights.paths().count()));
    let message = kept.load(config.init(9, &device), &[]).unwrap_err().to_string();
    assert!(message.contains("output.bias: expected [9], found [2]"), "{message}");
    std::fs::remove_file(&path).unwrap();
    let missing = Weights::of_run(&path).unwrap_err().to_string();
    assert!(
        missing.contains("net.safetensors: expected `net.safetensors` of a run, or the folder of a bundle"),
        "{missing}"
    );
}
