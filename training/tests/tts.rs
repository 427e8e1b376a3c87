//! The voice recipe in small: a corpus that the test makes itself is learnt by heart, exported, and spoken.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod tiny_voice;

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use rejoinder_models::card::Bundle;
use rejoinder_models::runtime::{self, RuntimeConfig, RuntimeKind};
use rejoinder_models::tts::frontend::Script;
use rejoinder_models::tts::rejoinder::RejoinderVoice;
use rejoinder_models::tts::source_filter::SourceFilterConfig;
use rejoinder_models::tts::{Synthesizer, phones};
use rejoinder_training::export::OnnxModel;
use rejoinder_training::recipe;
use rejoinder_training::tasks::tts::MelConfig;
use rejoinder_training::trainer::{self, RunMode, Task};

use tiny_voice::voice::geometry;

fn speak(voice: &RejoinderVoice, script: &Script, text: &str, piece: Option<usize>) -> (Vec<f32>, Vec<String>) {
    let mut utterance = voice.speak_script(script, text, piece).unwrap();
    let (mut samples, mut words) = (Vec::new(), Vec::new());
    while let Some(chunk) = utterance.next_chunk().unwrap() {
        for word in chunk.words {
            assert!(word.start < word.end);
            words.push(word.text);
        }
        samples.extend(chunk.samples);
    }
    (samples, words)
}

#[test]
fn a_tiny_voice_is_learnt_by_heart_exported_and_spoken() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    tiny_voice::write(folder);
    recipe::open(&folder.join("g2p.toml"), &[]).unwrap().train(RunMode::New).unwrap();
    let voice = recipe::open(&folder.join("tts.toml"), &[]).unwrap();
    voice.prepare().unwrap();
    voice.train(RunMode::New).unwrap();
    voice.export().unwrap();

    let bundle = Bundle::open(&folder.join("bundle")).unwrap();
    for (engine, off) in &bundle.card().parity {
        assert!(*off < 0.05, "{engine} is off by {off}");
    }
    comes_back(folder);
    let runtime = runtime::open(&RuntimeConfig::of(RuntimeKind::Tract)).unwrap();
    let voice = RejoinderVoice::open(&bundle, runtime.as_ref()).unwrap();
    let token = |name: &str| phones::id(name).unwrap();
    let mut script = Script { tokens: ["sil", "S", "IY1", "M", "OW1", "."].map(token).to_vec(), ..Script::default() };
    let word = |span, tokens| rejoinder_models::tts::frontend::ScriptWord { span, tokens };
    script.words = vec![word(0..3, 1..3), word(4..8, 3..5)];
    script.place();
    let (whole, words) = speak(&voice, &script, "see mow.", Some(1000));
    assert_eq!(words, ["see", "mow."]);
    let seconds = whole.len() as f32 / 16_000.0;
    assert!((0.4..1.2).contains(&seconds), "four phones of 0.15 s took {seconds} s");
    for piece in [Some(1), Some(7), None] {
        let (pieces, _) = speak(&voice, &script, "see mow.", piece);
        assert_eq!(pieces.len(), whole.len());
        let off = pieces.iter().zip(&whole).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 1e-3, "pieces of {piece:?} frames differ by {off}");
    }
    assert_spectra(&whole, &geometry());
    assert!(speak(&voice, &Script::default(), "", None).0.is_empty());
    assert_eq!(voice.sample_rate().get(), 16_000);
}

/// A voice that begins with the bundle and learns nothing makes the same files of it.
fn comes_back(folder: &Path) {
    let quoted = |name: &str| format!("{:?}", folder.join(name).display().to_string());
    let mut settings = vec![format!("run={}", quoted("again")), format!("export.bundle={}", quoted("again/bundle"))];
    for part in ["acoustic", "vocoder"] {
        settings.push(format!("{part}.train.start={}", quoted("bundle")));
        settings.push(format!("{part}.train.minutes=1e-9"));
    }
    let voice = recipe::open(&folder.join("tts.toml"), &settings).unwrap();
    voice.train(RunMode::New).unwrap();
    voice.export().unwrap();
    for name in ["encoder.onnx", "decoder.onnx", "vocoder.onnx"] {
        let graph = |bundle: &str| OnnxModel::read(&folder.join(bundle).join(name)).unwrap().proto.graph;
        assert!(graph("bundle") == graph("again/bundle"), "{name} has changed");
    }
}

/// The hiss of `S` has most of its energy above 3 kHz, the hum of `M` below.
fn assert_spectra(samples: &[f32], geometry: &SourceFilterConfig) {
    let mel = MelConfig { rate_hz: geometry.rate_hz, window: 800, hop: geometry.hop, bands: 30 };
    let frames = samples.len() / geometry.hop;
    let bands = mel.compute(samples, frames);
    let tilt = |t: usize| {
        let frame = &bands[t * 30..(t + 1) * 30];
        frame[20..].iter().sum::<f32>() / 10.0 - frame[..10].iter().sum::<f32>() / 10.0
    };
    let quarter = frames / 4;
    let mean = |from: usize| (from..from + 6).map(tilt).sum::<f32>() / 6.0;
    assert!(mean(4) > mean(2 * quarter + 4) + 1.0, "hiss {} and hum {}", mean(4), mean(2 * quarter + 4));
}

#[test]
fn the_acoustic_task_counts_every_utterance_once_an_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    tiny_voice::write(folder);
    recipe::open(&folder.join("g2p.toml"), &[]).unwrap().train(RunMode::New).unwrap();
    recipe::open(&folder.join("tts.toml"), &[]).unwrap().prepare().unwrap();
    let text = std::fs::read_to_string(folder.join("tts.toml")).unwrap();
    let mut table: toml::Table = text.parse().unwrap();
    table.remove("task");
    let voice: rejoinder_training::tasks::tts::TtsRecipe = table.try_into().unwrap();
    let task = voice.acoustic_task(voice.load_corpus().unwrap());
    let figures = |held_out| {
        let net = task.net(&Device::flex());
        task.bands(&net.net, held_out, usize::MAX, &Device::flex()).unwrap().real.len() / 30
    };
    let frames = |held_out| -> usize {
        let utterances = Arc::clone(&task.corpus);
        let chosen = utterances.utterances.iter().filter(|u| u.prepared.held_out == held_out);
        chosen.map(|u| u.prepared.durations.iter().sum::<usize>()).sum()
    };
    assert_eq!(figures(false), frames(false));
    assert_eq!(figures(true), frames(true));
    let meter = trainer::evaluate(&task, &task.net(&Device::flex()), &Device::flex()).unwrap();
    assert!(meter.means().iter().any(|(name, value)| name.contains("mel") && value.is_finite()));
}
