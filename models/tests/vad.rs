//! Voice activity: the segmenter on probabilities, the detectors on sound, and both on real recordings.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test's helpers may fail and report like the test")]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::*;
use rejoinder_models::audio;
use rejoinder_models::runtime::{self, RuntimeConfig, RuntimeKind};
use rejoinder_models::streaming::Streaming;
use rejoinder_models::units::{Position, SampleRate, Samples};
use rejoinder_models::vad::{
    Aggressiveness, Crdnn, Earshot, Hysteresis, Segmenter, SegmenterConfig, Vad, VadConfig, VadDetector, VadEvent,
    Webrtc,
};

const FRAME: Samples = Samples(160);

fn segments(config: SegmenterConfig, probabilities: &[f32]) -> Vec<VadEvent> {
    smoothed_segments(Hysteresis::default(), config, probabilities)
}

fn smoothed_segments(hysteresis: Hysteresis, config: SegmenterConfig, probabilities: &[f32]) -> Vec<VadEvent> {
    let mut segmenter = Segmenter::new(hysteresis, config).unwrap();
    let mut events: Vec<_> = probabilities.iter().filter_map(|&p| segmenter.push(p, FRAME)).collect();
    events.extend(segmenter.flush());
    events
}

fn started(at_ms: f64, decided_ms: f64) -> VadEvent {
    VadEvent::SpeechStarted { at: Position::from_ms(at_ms), decided_at: Position::from_ms(decided_ms) }
}

fn stopped(at_ms: f64, decided_ms: f64) -> VadEvent {
    VadEvent::SpeechStopped { at: Position::from_ms(at_ms), decided_at: Position::from_ms(decided_ms) }
}

/// Runs of (probability, frames of 10 ms).
fn runs(runs: &[(f32, usize)]) -> Vec<f32> {
    runs.iter().flat_map(|&(probability, frames)| std::iter::repeat_n(probability, frames)).collect()
}

fn config() -> SegmenterConfig {
    SegmenterConfig { min_speech_ms: 100.0, min_silence_ms: 300.0, pad_ms: 0.0 }
}

#[test]
fn boundaries_are_where_speech_was_not_where_it_was_decided() {
    let probabilities = runs(&[(0.1, 50), (0.9, 80), (0.1, 60)]);
    assert_eq!(segments(config(), &probabilities), [started(500.0, 600.0), stopped(1300.0, 1600.0)]);
}

#[test]
fn short_sounds_and_short_pauses_do_not_count() {
    let clicks = runs(&[(0.1, 20), (0.9, 9), (0.1, 20), (0.9, 9), (0.1, 50)]);
    assert_eq!(segments(config(), &clicks), []);
    let pause = runs(&[(0.9, 40), (0.1, 29), (0.9, 40), (0.1, 40)]);
    assert_eq!(segments(config(), &pause), [started(0.0, 100.0), stopped(1090.0, 1390.0)]);
}

#[test]
fn what_speech_must_last_may_change_on_the_way() {
    let mut segmenter = Segmenter::new(Hysteresis::default(), config()).unwrap();
    let push = |segmenter: &mut Segmenter, probability| segmenter.push(probability, FRAME);
    assert!((0..9).all(|_| push(&mut segmenter, 0.9).is_none()));
    segmenter.set_min_speech_ms(20.0);
    assert_eq!(push(&mut segmenter, 0.9), Some(started(0.0, 100.0)));
    assert!((0..30).filter_map(|_| push(&mut segmenter, 0.1)).eq([stopped(100.0, 400.0)]));
    assert_eq!(push(&mut segmenter, 0.9), None);
    assert_eq!(push(&mut segmenter, 0.9), Some(started(400.0, 420.0)));
}

#[test]
fn where_speech_begins_may_change_on_the_way() {
    let mut segmenter = Segmenter::new(Hysteresis::default(), config()).unwrap();
    let mut heard = |frames, probability, onset| {
        segmenter.set_onset(onset);
        (0..frames).filter_map(|_| segmenter.push(probability, FRAME)).collect::<Vec<_>>()
    };
    assert_eq!(heard(20, 0.3, None), []);
    assert_eq!(heard(10, 0.3, Some(0.25)), [started(200.0, 300.0)]);
    // It goes on, and ends, by the detector's own threshold and release.
    assert_eq!(heard(10, 0.4, Some(0.25)), []);
    assert_eq!(heard(30, 0.3, Some(0.25)), [stopped(400.0, 700.0)]);
    assert_eq!(heard(10, 0.3, Some(0.25)), [started(700.0, 800.0)]);
}

#[test]
fn speech_that_goes_on_may_begin_anew() {
    let mut segmenter = Segmenter::new(Hysteresis::default(), config()).unwrap();
    let mut heard = |frames| (0..frames).filter_map(|_| segmenter.push(0.9, FRAME)).collect::<Vec<_>>();
    assert_eq!(heard(50), [started(0.0, 100.0)]);
    segmenter.begin_anew();
    let mut heard = |frames| (0..frames).filter_map(|_| segmenter.push(0.9, FRAME)).collect::<Vec<_>>();
    assert_eq!(heard(50), [started(500.0, 600.0)]);
}

#[test]
fn between_release_and_threshold_what_was_goes_on() {
    assert_eq!(segments(config(), &runs(&[(0.4, 200)])), []);
    let fading = runs(&[(0.9, 20), (0.4, 100), (0.1, 40)]);
    assert_eq!(segments(config(), &fading), [started(0.0, 100.0), stopped(1200.0, 1500.0)]);
}

#[test]
fn padding_stays_within_the_audio_and_apart_from_the_stretch_before() {
    let padded = SegmenterConfig { pad_ms: 400.0, ..config() };
    let probabilities = runs(&[(0.1, 10), (0.9, 30), (0.1, 31), (0.9, 30)]);
    let expected = [started(0.0, 200.0), stopped(700.0, 700.0), started(700.0, 810.0), stopped(1010.0, 1010.0)];
    assert_eq!(segments(padded, &probabilities), expected);
}

#[test]
fn smoothing_bridges_the_gaps_of_a_detector_that_only_says_yes_or_no() {
    let smooth = Hysteresis { smooth_ms: 60.0, ..Hysteresis::default() };
    let config = SegmenterConfig { min_silence_ms: 50.0, ..config() };
    let flicker: Vec<f32> = (0..100).map(|at| if at % 8 < 6 { 1.0 } else { 0.0 }).collect();
    assert_eq!(smoothed_segments(smooth, config, &flicker).len(), 2);
}

#[test]
fn configs_are_strict() {
    let typo = serde_json::from_str::<Hysteresis>(r#"{"treshold": 0.4}"#).unwrap_err().to_string();
    assert!(typo.contains("unknown field `treshold`"), "{typo}");
    let hysteresis = Hysteresis { release: 0.7, ..Hysteresis::default() };
    let wrong = Segmenter::new(hysteresis, config()).unwrap_err().to_string();
    assert_eq!(wrong, "release of the voice activity segmenter: expected 0 to 0.5, found 0.7");
    assert!(serde_json::from_str::<VadConfig>(r#"{"kind": "earshot", "mode": 2}"#).is_err());
    let webrtc: VadConfig = serde_json::from_str(r#"{"kind": "webrtc", "aggressiveness": "quality"}"#).unwrap();
    assert!(matches!(webrtc, VadConfig::Webrtc(config) if config.aggressiveness == Aggressiveness::Quality));
}

#[test]
fn what_probabilities_mean_is_the_detectors_own_unless_a_config_says_otherwise() {
    let tract = runtime::open(&RuntimeConfig::of(RuntimeKind::Tract)).unwrap();
    let opened = |config: &str| {
        let config: VadConfig = serde_json::from_str(config).unwrap();
        config.open(tract.as_ref()).unwrap().hysteresis()
    };
    let plain = Hysteresis::default();
    assert_eq!(opened(r#"{"kind": "earshot"}"#), plain);
    assert_eq!(opened(r#"{"kind": "webrtc"}"#), Hysteresis { smooth_ms: 60.0, ..plain });
    let low = Hysteresis { threshold: 0.3, release: 0.2, ..plain };
    assert_eq!(opened(r#"{"kind": "webrtc", "hysteresis": {"threshold": 0.3, "release": 0.2}}"#), low);
}

/// A buzz with three formants that comes and goes, over a little noise.
fn voice_like(length: usize) -> Vec<f32> {
    let mut state = 7u32;
    let sample = |n: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = ((state >> 16) as f32 / 65_536.0 - 0.5) * 0.004;
        let time = n as f32 / 16_000.0;
        let open = (time * 1.2).fract() > 0.5;
        let pitch = (time * 120.0).fract();
        let buzz = (-pitch * 6.0).exp() * (std::f32::consts::TAU * time * 600.0).sin();
        noise + if open { 0.4 * buzz } else { 0.0 }
    };
    (0..length).map(sample).collect()
}

fn families() -> Vec<Box<dyn Vad>> {
    static OURS: LazyLock<Crdnn> = LazyLock::new(|| {
        let tract = runtime::open(&RuntimeConfig::of(RuntimeKind::Tract)).unwrap();
        Crdnn::open(tract.as_ref(), "vad-en").unwrap()
    });
    vec![Box::new(Earshot), Box::new(Webrtc::default()), Box::new(OURS.clone())]
}

#[test]
fn silence_is_no_speech_and_a_frame_of_another_length_is_refused() {
    for vad in families() {
        let mut stream = vad.stream().unwrap();
        let frame = vec![0.0; stream.frame_samples()];
        let loudest = (0..100).map(|_| stream.probability(&frame).unwrap()).fold(0.0, f32::max);
        assert!(loudest < 0.5, "{}: {loudest}", vad.name());
        let message = stream.probability(&frame[1..]).unwrap_err().to_string();
        assert!(message.starts_with(&format!("samples in a frame for {}: expected ", vad.name())), "{message}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_chunking_equals_the_whole(
        family in 0usize..3,
        length in 0usize..40_000,
        mut cuts in prop::collection::vec(0usize..40_000, 0..16),
    ) {
        let samples = voice_like(length);
        let config = SegmenterConfig { min_silence_ms: 120.0, ..SegmenterConfig::default() };
        let mut detector = VadDetector::new(families()[family].as_ref(), config).unwrap();
        let (mut whole, mut pieces) = (Vec::new(), Vec::new());
        detector.push(&samples, &mut whole).unwrap();
        let probability = detector.probability();
        detector.flush(&mut whole).unwrap();
        cuts.iter_mut().for_each(|cut| *cut %= length + 1);
        cuts.extend([0, length]);
        cuts.sort_unstable();
        for piece in cuts.windows(2) {
            detector.push(&samples[piece[0]..piece[1]], &mut pieces).unwrap();
        }
        prop_assert_eq!(detector.probability(), probability);
        detector.flush(&mut pieces).unwrap();
        prop_assert_eq!(pieces, whole);
    }
}

/// A sentence of flite's slt voice after half a second of silence and before a second of it; see golden/silero.py.
fn sentence() -> Vec<f32> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/sentence.flac");
    audio::read(path).unwrap().samples
}

#[test]
fn a_sentence_is_one_stretch_of_speech() {
    let samples = sentence();
    let (first, last) = loud_part(&samples);
    for vad in families() {
        let mut detector = VadDetector::new(vad.as_ref(), SegmenterConfig::default()).unwrap();
        let mut events = Vec::new();
        detector.push(&samples, &mut events).unwrap();
        let [VadEvent::SpeechStarted { at: start, .. }, VadEvent::SpeechStopped { at: stop, decided_at }] = events[..]
        else {
            panic!("{}: {events:?}", vad.name())
        };
        let apart = |at: Position, truth: usize| (at.0 as f64 - truth as f64).abs() / 16.0;
        assert!(apart(start, first) < 80.0 && apart(stop, last) < 260.0, "{}: {start:?} {stop:?}", vad.name());
        assert!(decided_at.since(stop).ms(SampleRate::INTERNAL) <= 300.0);
    }
}

/// golden/silero.py wrote the probabilities of versions 4.0, 5.0 and 6.2.3, and says where the files come from.
/// `REJOINDER_SILERO` names their folder; without it, it is where `scripts/setup.sh test` puts those of the newest package.
#[test]
#[cfg(feature = "ort")]
fn silero_equals_its_own_wrapper() {
    use rejoinder_models::vad::SileroConfig;

    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.runtime/silero_vad/data");
    let folder = std::env::var_os("REJOINDER_SILERO").map_or(ours, PathBuf::from);
    if !folder.is_dir() {
        println!("skipped: {} is not there; scripts/setup.sh test fetches it", folder.display());
        return;
    }
    let runtime = runtime::open(&RuntimeConfig::of(RuntimeKind::Ort)).unwrap();
    let golden: serde_json::Value = serde_json::from_str(include_str!("golden/silero.json")).unwrap();
    let there = golden.as_object().unwrap().iter().filter(|(name, _)| folder.join(name).is_file());
    let mut compared = 0;
    for (name, expected) in there {
        compared += 1;
        let expected: Vec<f32> = serde_json::from_value(expected["probabilities"].clone()).unwrap();
        let config = VadConfig::Silero(SileroConfig { path: folder.join(name), hysteresis: None });
        let mut stream = config.open(runtime.as_ref()).unwrap().stream().unwrap();
        for round in 0..2 {
            let found: Vec<f32> =
                sentence().chunks_exact(512).map(|frame| stream.probability(frame).unwrap()).collect();
            assert_eq!(found.len(), expected.len());
            let apart = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            println!("{name}, round {round}: at most {apart:.1e} apart");
            assert!(apart < 1e-3, "{name}, round {round}: {apart}");
            stream.reset();
        }
    }
    assert!(compared >= 4, "{compared} files in {}", folder.display());
    let other = config_error(runtime.as_ref(), &folder.join("silero_vad_16k_sequence.onnx"));
    assert!(other.contains("not a Silero VAD of version 4 to 6: no output `output`"), "{other}");
}

#[cfg(feature = "ort")]
fn config_error(runtime: &dyn rejoinder_models::runtime::Runtime, path: &Path) -> String {
    let error = rejoinder_models::vad::Silero::open(runtime, path).err();
    error.map(|error| error.to_string()).unwrap_or_default()
}

/// The folder of the unpacked recordings, when REJOINDER_DATA names it.
fn recordings() -> Option<PathBuf> {
    let folder = std::env::var_os("REJOINDER_DATA").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: set REJOINDER_DATA to the folder of the unpacked recordings");
    }
    folder
}

/// Every `step`-th Opus file below a folder, in the order of names.
fn some(folder: &Path, step: usize) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(extension) if extension == "opus" => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found.into_iter().step_by(step).collect()
}

/// The first and the last sample of the 10 ms frames that are within 25 dB of the loudest.
fn loud_part(samples: &[f32]) -> (usize, usize) {
    let energy: Vec<f32> = samples.chunks(160).map(|frame| frame.iter().map(|x| x * x).sum()).collect();
    let floor = energy.iter().fold(0.0, |a: f32, &b| a.max(b)) * 10f32.powf(-2.5);
    let first = energy.iter().position(|&e| e > floor).unwrap_or(0);
    let last = energy.iter().rposition(|&e| e > floor).unwrap_or(0);
    (first * 160, ((last + 1) * 160).min(samples.len()))
}

/// How a detector does on clips with a second and a half of noise on both sides.
#[derive(Default)]
struct Score {
    clips: usize,
    found: usize,
    /// Clips with a start more than 300 ms before the speech.
    early: usize,
    starts_ms: Vec<f64>,
    stops_ms: Vec<f64>,
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn score(vad: &dyn Vad, clips: &[Vec<f32>], noise: &[f32], snr_db: f32) -> Score {
    let mut score = Score::default();
    let margin = 24_000;
    for (at, clip) in clips.iter().enumerate() {
        let (first, last) = loud_part(clip);
        let length = clip.len() + 2 * margin;
        let noise: Vec<f32> = noise.iter().cycle().skip(at * 7_919 % noise.len()).take(length).copied().collect();
        let power = |x: &[f32]| x.iter().map(|x| x * x).sum::<f32>() / x.len() as f32;
        let gain = (power(&clip[first..last]) / power(&noise).max(1e-12) / 10f32.powf(snr_db / 10.0)).sqrt();
        let mut mix: Vec<f32> = noise.iter().map(|x| x * gain).collect();
        mix[margin..].iter_mut().zip(clip).for_each(|(mix, clip)| *mix += clip);
        let mut detector = VadDetector::new(vad, SegmenterConfig::default()).unwrap();
        let mut events = Vec::new();
        detector.push(&mix, &mut events).unwrap();
        detector.flush(&mut events).unwrap();
        let ms = |position: Position, truth: usize| (position.0 as f64 - (margin + truth) as f64) / 16.0;
        let start = events.iter().find_map(|event| match event {
            VadEvent::SpeechStarted { at, .. } => Some(ms(*at, first)),
            VadEvent::SpeechStopped { .. } => None,
        });
        let stop = events.iter().rev().find_map(|event| match event {
            VadEvent::SpeechStopped { at, .. } => Some(ms(*at, last)),
            VadEvent::SpeechStarted { .. } => None,
        });
        score.clips += 1;
        if let (Some(start), Some(stop)) = (start, stop) {
            score.found += 1;
            score.early += usize::from(start < -300.0);
            score.starts_ms.push(start);
            score.stops_ms.push(stop);
        }
    }
    score
}

#[test]
fn real_speech_is_found_where_it_is() {
    let Some(folder) = recordings() else { return };
    let read = |path: &PathBuf| audio::read_at(path, SampleRate::INTERNAL).unwrap().samples;
    let clips: Vec<_> = some(&folder.join("kathleen/audio"), 12).iter().map(read).collect();
    let noise = read(&folder.join("noise_misc/kitchen.opus"));
    for vad in families() {
        for snr_db in [60.0, 20.0, 10.0] {
            let mut score = score(vad.as_ref(), &clips, &noise, snr_db);
            let (start, stop) = (median(&mut score.starts_ms), median(&mut score.stops_ms));
            println!(
                "{:8} {snr_db:3} dB: {} of {} found, {} too early, median start {start:+.0} ms, stop {stop:+.0} ms",
                vad.name(),
                score.found,
                score.clips,
                score.early
            );
            if snr_db > 30.0 {
                assert_eq!(score.found, score.clips, "{}", vad.name());
                assert!(start.abs() < 60.0 && stop.abs() < 250.0, "{}: {start} {stop}", vad.name());
            }
        }
    }
}
