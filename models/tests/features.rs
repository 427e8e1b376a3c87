//! Filterbanks against other people's numbers, and streams against the whole.

#![allow(clippy::unwrap_used, reason = "a test's helpers may fail like the test")]

#[path = "../../training/tests/report/mod.rs"]
mod report;

use proptest::prelude::*;
use rejoinder_models::audio;
use rejoinder_models::features::{Align, Fbank, FbankConfig, FbankStream, Mel, MelConfig, MelScale};
use rejoinder_models::streaming::Streaming;
use rejoinder_models::units::SampleRate;
use report::report;
use serde::Deserialize;

/// `signal` of golden/features.py.
fn signal(length: usize) -> Vec<f32> {
    let mut state = 1u32;
    let sample = |n: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = f64::from(state >> 16) / 65_536.0 - 0.5;
        let triangle = ((n % 64) as f64 / 32.0 - 1.0).abs() - 0.5;
        (noise * (n % 1024) as f64 / 1024.0 + 0.25 * triangle) as f32
    };
    (0..length).map(sample).collect()
}

/// The frames that golden/features.py wrote under a name.
fn golden(name: &str) -> Vec<Vec<f32>> {
    let all: serde_json::Value = serde_json::from_str(include_str!("golden/features.json")).unwrap();
    serde_json::from_value(all[name].clone()).unwrap()
}

fn assert_golden(name: &str, bins: usize, found: &[f32], tolerance: f32) {
    assert_frames("kaldi-native-fbank and published definitions", name, bins, found, &golden(name), tolerance);
}

fn assert_frames(peer: &str, name: &str, bins: usize, found: &[f32], expected: &[Vec<f32>], tolerance: f32) {
    assert_eq!(found.len(), expected.len() * bins, "{name}: frames");
    let mut worst = 0.0_f32;
    for (frame, (found, expected)) in found.chunks(bins).zip(expected).enumerate() {
        for (bin, (found, expected)) in found.iter().zip(expected).enumerate() {
            let apart = (found - expected).abs();
            worst = worst.max(apart / expected.abs().max(1.0));
            assert!(apart < tolerance, "{name}, frame {frame}, bin {bin}: {found} instead of {expected}");
        }
    }
    report("Filterbank", peer, name, worst);
}

fn fbank(config: FbankConfig, samples: &[f32]) -> Vec<f32> {
    Fbank::new(config).unwrap().compute(samples).unwrap()
}

fn synthesis(align: Align) -> Mel {
    let config = MelConfig {
        rate: SampleRate::hz(24_000),
        n_fft: 1_024,
        hop: 300,
        win: 600,
        bins: 20,
        f_min: 50.0,
        f_max: 11_000.0,
        floor: 1e-6,
        scale: MelScale::Htk,
        equal_area: false,
        magnitude: false,
        align,
    };
    Mel::new(config).unwrap()
}

#[test]
fn kaldi_equals_kaldi_native_fbank() {
    assert_golden("kaldi", 80, &fbank(FbankConfig::kaldi(), &signal(2407)), 1e-3);
    assert_golden("kaldi_short", 80, &fbank(FbankConfig::kaldi(), &signal(163)), 1e-3);
    let snip = FbankConfig { bins: 23, snip_edges: true, ..FbankConfig::kaldi() };
    assert_golden("kaldi_snip", 23, &fbank(snip, &signal(2407)), 1e-3);
}

#[test]
fn speechbrain_and_whisper_equal_their_definitions() {
    assert_golden("speechbrain", 40, &fbank(FbankConfig::speechbrain(), &signal(2407)), 1e-3);
    assert_golden("whisper", 80, &fbank(FbankConfig::whisper(), &signal(2407)), 2e-4);
}

#[test]
fn synthesis_spectrograms_equal_their_definitions() {
    let hifi_gan = Mel::new(MelConfig::hifi_gan()).unwrap();
    assert_golden("hifi_gan", 80, &hifi_gan.mel(&signal(2407)).unwrap(), 1e-3);
    assert_golden("centred", 20, &synthesis(Align::Centred).mel(&signal(2407)).unwrap(), 1e-3);
    assert_golden("causal", 20, &synthesis(Align::Causal).mel(&signal(2407)).unwrap(), 1e-3);
}

/// `golden/fbank.json`, made by `tests/peers/fbank.py` at the root.
#[derive(Deserialize)]
struct Spoken {
    clip: String,
    first: usize,
    samples: usize,
    frames: Vec<Vec<f32>>,
}

#[test]
fn the_filterbank_of_speech_is_speechbrains() {
    let spoken: Spoken = serde_json::from_str(include_str!("golden/fbank.json")).unwrap();
    let clip = audio::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(&spoken.clip)).unwrap();
    let found = fbank(FbankConfig::speechbrain(), &clip.samples[spoken.first..][..spoken.samples]);
    assert_frames("SpeechBrain's Fbank", "speech", 40, &found, &spoken.frames, 1e-3);
}

#[test]
fn silence_and_no_sound_have_finite_features() {
    for config in [FbankConfig::kaldi(), FbankConfig::speechbrain(), FbankConfig::whisper()] {
        assert!(fbank(config.clone(), &[]).is_empty());
        assert!(fbank(config, &[0.0; 1600]).iter().all(|value| value.is_finite()));
    }
}

#[test]
fn an_impossible_config_is_refused_by_name() {
    let config = FbankConfig { high_hz: 9_000.0, ..FbankConfig::kaldi() };
    let message = Fbank::new(config).err().unwrap().to_string();
    assert_eq!(message, "high_hz of the filterbank: expected 21 to 8000, found 9000");
    let typo = serde_json::from_str::<FbankConfig>(r#"{"flavour": "kaldi", "bin": 80}"#).unwrap_err().to_string();
    assert!(typo.contains("unknown field `bin`"), "{typo}");
}

#[test]
fn a_config_survives_its_card() {
    let config = FbankConfig { bins: 64, ..FbankConfig::speechbrain() };
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<FbankConfig>(&text).unwrap(), config);
}

#[test]
fn a_stream_refuses_a_floor_below_the_maximum_of_the_whole() {
    let message = Fbank::new(FbankConfig::whisper()).unwrap().stream().err().unwrap().to_string();
    assert!(message.starts_with("range_db of a streaming filterbank: expected 0"), "{message}");
}

/// Pushes `samples` cut at `cuts`.
fn in_pieces(stream: &mut FbankStream, hop: usize, samples: &[f32], mut cuts: Vec<usize>) -> Vec<f32> {
    let mut out = Vec::new();
    cuts.iter_mut().for_each(|cut| *cut %= samples.len() + 1);
    cuts.extend([0, samples.len()]);
    cuts.sort_unstable();
    for piece in cuts.windows(2) {
        stream.push(&samples[piece[0]..piece[1]], &mut out).unwrap();
        let ready = piece[1].saturating_sub(stream.delay()).div_ceil(hop);
        assert!(out.len() / stream.bins() >= ready, "a frame later than the delay says");
    }
    stream.flush(&mut out).unwrap();
    out
}

fn streamed() -> impl Strategy<Value = FbankConfig> {
    prop_oneof![
        Just(FbankConfig::kaldi()),
        Just(FbankConfig { snip_edges: true, ..FbankConfig::kaldi() }),
        Just(FbankConfig { range_db: 0.0, ..FbankConfig::speechbrain() }),
        Just(FbankConfig { range_db: 0.0, ..FbankConfig::whisper() }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_chunking_equals_the_whole(
        config in streamed(),
        length in 0usize..9_000,
        cuts in prop::collection::vec(0usize..9_000, 0..12),
    ) {
        let samples = signal(length);
        let fbank = Fbank::new(config).unwrap();
        let whole = fbank.compute(&samples).unwrap();
        prop_assert_eq!(whole.len(), fbank.frames(length) * fbank.bins());
        let mut stream = fbank.stream().unwrap();
        prop_assert_eq!(&in_pieces(&mut stream, 160, &samples, cuts), &whole);
        prop_assert_eq!(&in_pieces(&mut stream, 160, &samples, Vec::new()), &whole);
    }

    #[test]
    fn any_chunking_of_a_synthesis_spectrogram_equals_the_whole(
        align in prop_oneof![Just(Align::Centred), Just(Align::Hop), Just(Align::Causal)],
        length in 0usize..9_000,
        cuts in prop::collection::vec(0usize..9_000, 0..12),
    ) {
        let samples = signal(length);
        let mel = synthesis(align);
        let mut stream = mel.stream();
        prop_assert_eq!(in_pieces(&mut stream, 300, &samples, cuts), mel.mel(&samples).unwrap());
    }
}
