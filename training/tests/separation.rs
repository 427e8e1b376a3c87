//! The recipes of separation in small: buzzing voices in hiss, and two that buzz at once.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod noise;
mod prepared;

use std::f32::consts::TAU;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use rejoinder_models::audio::{Clip, write_wav};
use rejoinder_models::enhance::{ConvTasNet, EnhanceConfig, Suppression};
use rejoinder_models::runtime::{self, Runtime, RuntimeConfig, RuntimeKind};
use rejoinder_models::streaming::Streaming;
use rejoinder_models::units::SampleRate;
use rejoinder_training::metrics::si_snr;
use rejoinder_training::recipe::{self, Recipe};
use rejoinder_training::trainer::RunMode;

use noise::noise;

const RATE: f32 = 16_000.0;

/// A second and a half of a voice with the formant of a vowel, with a pause in it.
fn utterance(hz: f32) -> Vec<f32> {
    let voiced = |n: usize| {
        let phase = n as f32 * TAU * hz / RATE;
        (1..24).map(|h| 0.1 * (h as f32 * phase).sin() / (1.0 + ((h as f32 * hz - 700.0) / 400.0).powi(2))).sum::<f32>()
    };
    (0..24_000).map(|n| if (10_000..14_000).contains(&n) { 0.0 } else { voiced(n) }).collect()
}

/// Low voices and high ones, each a speaker.
fn write_clips(folder: &Path) {
    let hz = |number: usize| if number.is_multiple_of(2) { 95.0 } else { 240.0 } + 2.0 * (number / 2) as f32;
    let clip = |number| (format!("voices/{number}"), format!("s{}", number % 2), String::new(), utterance(hz(number)));
    prepared::write_clips(folder, (0..12).map(clip));
}

/// A recipe of the repository in small, on the voices in `folder`.
fn open(name: &str, folder: &Path, more: &[&str]) -> Box<dyn Recipe> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/recipes/separation").join(name);
    let clips = format!("[{:?}]", folder.join("voices"));
    let mut settings: Vec<String> = ["train", "valid", "tests"].map(|part| format!("data.{part}={clips}")).to_vec();
    settings.extend(["run", "export.bundle"].map(|key| format!("{key}={:?}", folder.join(key))));
    let small = "net={ window = 32, filters = 48, width = 24, hidden = 32, kernel = 3, blocks = 4, repeats = 1 }";
    settings.push(small.to_owned());
    settings.extend(["noise", "test_noise", "rooms"].map(|part| format!("data.{part}=\"none\"")));
    let run = ["backend=\"flex\"", "minutes=0", "epochs=0", "steps=120", "learning_rate=5e-3", "average_decay=0.0"];
    settings.extend(run.map(|pair| format!("train.{pair}")));
    settings.extend(["train.warmup_steps=10", "train.valid_every=1000", "mixtures.window_s=1.0"].map(str::to_owned));
    settings.extend(["mixtures.count=64", "augment.reverb.probability=0.0", "batch=4"].map(str::to_owned));
    settings.extend(["evaluate.mixtures=6", "evaluate.mixture_s=2.0", "evaluate.card=true"].map(str::to_owned));
    settings.extend(more.iter().map(|pair| (*pair).to_owned()));
    recipe::open(&path, &settings).unwrap()
}

fn learn(recipe: &dyn Recipe) {
    recipe.train(RunMode::New).unwrap();
    recipe.export().unwrap();
    recipe.evaluate().unwrap();
}

fn results(folder: &Path) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join("run/results.json")).unwrap()).unwrap()
}

fn engines() -> impl Iterator<Item = std::sync::Arc<dyn Runtime>> {
    [RuntimeKind::Tract, RuntimeKind::Ort].map(|kind| runtime::open(&RuntimeConfig::of(kind))).into_iter().flatten()
}

fn refused(config: &EnhanceConfig) -> String {
    let tract = runtime::open(&RuntimeConfig::of(RuntimeKind::Tract)).unwrap();
    config.open(tract.as_ref()).err().unwrap().to_string()
}

#[test]
fn a_tiny_net_learns_to_leave_a_voice_and_does_so_in_any_pieces() {
    let folder = tempfile::tempdir().unwrap();
    write_clips(&folder.path().join("voices"));
    learn(open("denoise.toml", folder.path(), &["net.sources=1"]).as_ref());
    let row = &results(folder.path())["voices"]["net"];
    assert!(row["si_snr_gained_db"].as_f64().unwrap() > 4.0 && row["mixtures"] == 6, "{row}");

    let voice = utterance(101.0);
    let heard: Vec<f32> = voice.iter().zip(noise(voice.len(), 0.1, 7)).map(|(voice, noise)| voice + noise).collect();
    let config = EnhanceConfig { denoiser: Some(folder.path().join("export.bundle")), ..EnhanceConfig::default() };
    // A voice call's processing before it changes nothing but what it does itself.
    let after_gain = EnhanceConfig { max_gain_db: 1.0, ..config.clone() };
    for (runtime, config) in engines().flat_map(|runtime| [(runtime.clone(), &config), (runtime, &after_gain)]) {
        let enhancer = config.open(runtime.as_ref()).unwrap().unwrap();
        let clean = |pieces: &[usize]| {
            let (mut stream, mut out, mut at) = (enhancer.stream().unwrap(), Vec::new(), 0);
            for length in pieces.iter().cycle() {
                let end = (at + length).min(heard.len());
                let samples: Vec<_> = heard[at..end].iter().map(|sample| [*sample, 0.0]).collect();
                stream.push(&samples, &mut out).unwrap();
                assert!(out.len() + stream.delay() >= end, "{} of {end}", out.len());
                at = end;
                if at == heard.len() {
                    break;
                }
            }
            stream.flush(&mut out).unwrap();
            assert_eq!(out.len(), heard.len() + stream.lag());
            out
        };
        let whole = clean(&[heard.len()]);
        let [before, after] = [&heard, &whole].map(|sound| si_snr(&sound[..voice.len()], &voice));
        assert!(after > before + 4.0, "{before} dB, then {after} dB");
        for pieces in [&[160][..], &[1, 777, 3_200], &[50]] {
            assert!(clean(pieces) == whole, "{pieces:?}");
        }
    }

    let both = EnhanceConfig { noise: Some(Suppression::Low), ..config };
    assert_eq!(refused(&both), "denoiser: expected `noise` or `denoiser`, found both");
    let detector = EnhanceConfig { denoiser: Some("vad-en".into()), ..EnhanceConfig::default() };
    let message = refused(&detector);
    assert!(message.contains("expected a model for enhance (conv-tasnet), found vad-crdnn for vad"), "{message}");
}

/// Mixtures of a low and a high voice and a list of them, as SpeechBrain's recipe for WSJ0Mix writes it.
fn write_mixtures(folder: &Path) -> PathBuf {
    let mut list = "ID,duration,mix_wav,s1_wav,s2_wav\n".to_owned();
    for number in 0..4_u8 {
        let [low, high] = [95.0, 240.0].map(|hz| utterance(hz + f32::from(number)));
        let sum: Vec<f32> = low.iter().zip(&high).map(|(low, high)| low + high).collect();
        let paths = [("mix", sum), ("s1", high), ("s2", low)].map(|(name, samples)| {
            let path = folder.join(format!("{name}{number}.wav"));
            write_wav(&path, &Clip::new(samples, SampleRate::INTERNAL)).unwrap();
            path.display().to_string()
        });
        writeln!(list, "{number},1.0,{}", paths.join(",")).unwrap();
    }
    let path = folder.join("list.csv");
    std::fs::write(&path, list).unwrap();
    path
}

#[test]
fn two_voices_are_told_apart_from_recorded_mixtures() {
    let folder = tempfile::tempdir().unwrap();
    let list = format!("[{:?}]", write_mixtures(folder.path()));
    let mut settings: Vec<String> = ["train", "valid", "tests"].map(|part| format!("data.{part}=[]")).to_vec();
    settings.push("net.sources=2".to_owned());
    let open = |settings: &[String]| {
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        open("two_voices.toml", folder.path(), &settings)
    };
    let error = open(&settings).train(RunMode::Fresh).unwrap_err().to_string();
    assert_eq!(error, "data.train: expected clips of single voices, here or mixtures in `recorded`, found none");
    settings.extend(["train", "valid", "tests"].map(|part| format!("data.recorded.{part}={list}")));
    let one = open(&[&settings[..], &["data.recorded.sources=[\"s1_wav\"]".to_owned()]].concat());
    let error = one.train(RunMode::Fresh).unwrap_err().to_string();
    assert_eq!(error, "data.recorded.sources: expected 2 columns, as many as net.sources, found 1");
    let recipe = open(&settings);
    recipe.train(RunMode::Fresh).unwrap();
    recipe.export().unwrap();
    recipe.evaluate().unwrap();
    let results = results(folder.path());
    let row = &results["list"]["net"];
    assert!(row["si_snr_gained_db"].as_f64().unwrap() > 6.0 && row["mixtures"] == 4, "{row}");

    let bundle = folder.path().join("export.bundle");
    let [low, high] = [96.0, 242.0].map(utterance);
    let sum: Vec<f32> = low.iter().zip(&high).map(|(low, high)| low + high).collect();
    for runtime in engines() {
        let net = ConvTasNet::open(runtime.as_ref(), &bundle).unwrap();
        let (mut stream, mut voices) = (net.separator().unwrap(), vec![Vec::new(); net.sources()]);
        sum.chunks(333).for_each(|piece| stream.push(piece, &mut voices).unwrap());
        stream.flush(&mut voices).unwrap();
        assert!(voices.iter().all(|voice| voice.len() == sum.len()));
        let ratio = |voice: &[f32]| voices.iter().map(|found| si_snr(found, voice)).fold(f64::MIN, f64::max);
        assert!(ratio(&low) > 5.0 && ratio(&high) > 5.0, "{} dB and {} dB", ratio(&low), ratio(&high));
    }
    let config = EnhanceConfig { denoiser: Some(bundle), ..EnhanceConfig::default() };
    assert!(refused(&config).contains("expected a net of one voice, found one that tells 2 apart"));
}
