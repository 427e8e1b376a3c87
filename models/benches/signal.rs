//! What the front end costs: `cargo bench -p rejoinder-models --profile dev --bench signal`.
//!
//! Throughput is in samples of 16 kHz a second, so that 16 MHz is a thousand times real time.

#![allow(missing_docs, clippy::unwrap_used, reason = "benchmarks are read by name, and may fail loudly")]

use divan::Bencher;
use divan::counter::CyclesCount;
use rejoinder_models::audio::{self, StreamResampler};
use rejoinder_models::features::{Fbank, FbankConfig, Mel, MelConfig};
use rejoinder_models::streaming::Streaming;
use rejoinder_models::units::SampleRate;
use rejoinder_models::vad::{Earshot, SegmenterConfig, Vad, VadDetector, Webrtc};

fn main() {
    divan::main();
}

/// Noise that comes and goes.
fn sound(samples: usize) -> Vec<f32> {
    let mut state = 1u32;
    let sample = |n: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 16) as f32 / 65_536.0 - 0.5) * (n % 16_000) as f32 / 16_000.0
    };
    (0..samples).map(sample).collect()
}

const TEN_SECONDS: usize = 160_000;

#[divan::bench(args = ["kaldi", "speechbrain", "whisper"])]
fn fbank_of_ten_seconds(bencher: Bencher, flavour: &str) {
    let config = match flavour {
        "kaldi" => FbankConfig::kaldi(),
        "speechbrain" => FbankConfig::speechbrain(),
        _ => FbankConfig::whisper(),
    };
    let (fbank, samples) = (Fbank::new(config).unwrap(), sound(TEN_SECONDS));
    bencher.counter(CyclesCount::new(samples.len())).bench(|| fbank.compute(&samples).unwrap());
}

#[divan::bench]
fn fbank_stream_chunk_of_20_ms(bencher: Bencher) {
    let (samples, mut out) = (sound(320), Vec::new());
    let mut stream = Fbank::new(FbankConfig::kaldi()).unwrap().stream().unwrap();
    bencher.counter(CyclesCount::new(samples.len())).bench_local(|| {
        out.clear();
        stream.push(&samples, &mut out).unwrap();
    });
}

#[divan::bench]
fn hifi_gan_mel_of_ten_seconds_at_22050_hz(bencher: Bencher) {
    let (mel, samples) = (Mel::new(MelConfig::hifi_gan()).unwrap(), sound(220_500));
    bencher.counter(CyclesCount::new(TEN_SECONDS)).bench(|| mel.mel(&samples).unwrap());
}

#[divan::bench(args = [(48_000, 16_000), (44_100, 16_000), (24_000, 48_000)])]
fn resample_stream_chunk_of_20_ms(bencher: Bencher, (from, to): (u32, u32)) {
    let (samples, mut out) = (sound(from as usize / 50), Vec::new());
    let mut stream = StreamResampler::new(SampleRate::hz(from), SampleRate::hz(to)).unwrap();
    bencher.counter(CyclesCount::new(320usize)).bench_local(|| {
        out.clear();
        stream.push(&samples, &mut out).unwrap();
    });
}

#[divan::bench(args = ["earshot", "webrtc"])]
fn vad_of_one_second(bencher: Bencher, family: &str) {
    let vad: Box<dyn Vad> = if family == "earshot" { Box::new(Earshot) } else { Box::new(Webrtc::default()) };
    let mut detector = VadDetector::new(vad.as_ref(), SegmenterConfig::default()).unwrap();
    let (samples, mut out) = (sound(16_000), Vec::new());
    bencher.counter(CyclesCount::new(samples.len())).bench_local(|| {
        out.clear();
        detector.push(&samples, &mut out).unwrap();
    });
}

#[divan::bench(args = ["tone.opus", "tone.ogg", "tone.mp3", "tone.flac"])]
fn decode_400_ms_to_16_khz(bencher: Bencher, name: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    bencher.counter(CyclesCount::new(6_400usize)).bench(|| audio::read_at(&path, SampleRate::INTERNAL).unwrap());
}
