use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use rejoinder_models::audio::{self, Clip};
use rejoinder_models::card::{Bundle, Measure};
use rejoinder_models::runtime::{self, RuntimeConfig};
use rejoinder_models::tts::Synthesizer;
use rejoinder_models::tts::rejoinder::RejoinderVoice;
use rejoinder_models::units::SampleRate;

use super::corpus::Corpus;
use super::listeners::Listener;
use super::pictures;
use super::recipe::TtsRecipe;
use crate::tasks::save_results;
use crate::{Error, Result};

/// Held-out prompts whose spectrograms are drawn, the recording above what the voice makes of its text.
const DRAWN: usize = 6;

/// Measures the exported bundle: what it comes to is logged, and saved in the run folder as `results.json`; what was said,
/// in `speech/`.
pub(super) fn evaluate(recipe: &TtsRecipe) -> Result<()> {
    let mut bundle = Bundle::open(&recipe.export.bundle)?;
    let voice = RejoinderVoice::open(&bundle, runtime::open(&RuntimeConfig::default())?.as_ref())?;
    let corpus = recipe.load_corpus()?;
    let mut results = BTreeMap::new();
    measure(recipe, &corpus, &mut results)?;
    let folder = recipe.run.join("speech");
    std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
    let held_out = || corpus.utterances.iter().filter(|u| u.prepared.held_out);
    let real: Vec<(PathBuf, String)> = held_out()
        .map(|u| {
            let path = folder.join(format!("real-{}.wav", u.prepared.id));
            save(&path, u.samples.clone(), recipe.voice.geometry.rate_hz)?;
            Ok((path, u.prepared.text.clone()))
        })
        .collect::<Result<_>>()?;
    let prompts: Vec<String> = held_out().map(|u| u.prepared.text.clone()).collect();
    let sentences = match &recipe.evaluate.sentences {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
            text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect()
        }
        None => Vec::new(),
    };
    let spoken_prompts = speak(&voice, "prompt", &prompts, &folder, &mut BTreeMap::new())?;
    let spoken = speak(&voice, "unseen", &sentences, &folder, &mut results)?;
    let pairs = real.iter().zip(&spoken_prompts).take(DRAWN).enumerate();
    for (number, (recorded, spoken)) in pairs {
        let [recorded, spoken] = [recorded, spoken].map(|(path, _)| audio::read(path));
        let (recorded, spoken) = (recorded?, spoken?);
        let path = folder.join(format!("spectrogram-{number}.png"));
        pictures::draw(&path, &[&recorded.samples, &spoken.samples], recorded.rate.get())?;
    }
    let parts = [
        ("held-out prompts, the real recordings", real),
        ("held-out prompts, spoken", spoken_prompts),
        ("unseen sentences", spoken),
    ];
    for listener in Listener::at_hand(recipe.evaluate.recogniser.as_deref())? {
        for (what, files) in parts.iter().filter(|(_, files)| !files.is_empty()) {
            let rate = round(100.0 * listener.errors(files)?.rate());
            results.insert(format!("{} WER on {} {what}, %", listener.name(), files.len()), rate);
        }
    }
    for (what, value) in &results {
        tracing::info!("{what}: {value}");
    }
    save_results(&recipe.run, &results)?;
    if recipe.evaluate.card {
        let mut card = bundle.card().clone();
        card.results.extend(results.into_iter().map(|(what, value)| (what, Measure::Number(value))));
        bundle.rewrite_card(card)?;
    }
    Ok(())
}

fn round(x: f64) -> f64 {
    (x * 100.0).round() / 100.0
}

/// What the acoustic model makes of the held-out prompts, beside the recordings.
fn measure(recipe: &TtsRecipe, corpus: &Arc<Corpus>, results: &mut BTreeMap<String, f64>) -> Result<()> {
    let device = Device::flex();
    let task = recipe.acoustic_task(Arc::clone(corpus));
    let net = recipe.measured_acoustic(&task, &device)?;
    let bands = task.bands(&net, true, usize::MAX, &device)?;
    let scale = &corpus.statistics.mel_scale;
    let db = 20.0 / std::f64::consts::LN_10;
    let pairs = bands.predicted.iter().zip(&bands.real).enumerate();
    let sum: f64 = pairs.map(|(i, (p, r))| f64::from((p - r).abs() * scale[i % scale.len()]) * db).sum();
    let mut add = |name: &str, value: f64| results.insert(format!("{name} on held-out prompts"), round(value));
    add("mel distance, dB,", sum / bands.real.len().max(1) as f64);
    let prosody = task.prosody(&net, &device)?;
    let frame_ms = 1000.0 * recipe.voice.geometry.hop as f64 / f64::from(recipe.voice.geometry.rate_hz);
    add("mean error of a phone's duration, ms,", prosody.duration_frames * frame_ms);
    let cents = 1200.0 / std::f64::consts::LN_2 * f64::from(corpus.statistics.pitch_scale);
    add("root mean square error of the pitch, cents,", prosody.pitch * cents);
    add("frames with the wrong voicing, %,", 100.0 * prosody.wrong_voicing);
    Ok(())
}

fn save(path: &Path, samples: Vec<f32>, rate_hz: u32) -> Result<()> {
    let clip = Clip::new(samples, SampleRate::hz(rate_hz)).at(SampleRate::INTERNAL)?;
    Ok(audio::write_wav(path, &clip)?)
}

/// Speaks each text into a file, and notes the time to the first audio and the real-time factor.
fn speak(
    voice: &RejoinderVoice,
    what: &str,
    texts: &[String],
    folder: &Path,
    results: &mut BTreeMap<String, f64>,
) -> Result<Vec<(PathBuf, String)>> {
    let mut files = Vec::new();
    let (mut first_ms, mut compute_s, mut audio_s) = (Vec::new(), 0.0, 0.0);
    for (number, text) in texts.iter().enumerate() {
        let started = Instant::now();
        let mut utterance = voice.speak(text)?;
        let mut samples = Vec::new();
        while let Some(chunk) = utterance.next_chunk()? {
            if samples.is_empty() && !chunk.samples.is_empty() {
                first_ms.push(started.elapsed().as_secs_f64() * 1000.0);
            }
            samples.extend(chunk.samples);
        }
        compute_s += started.elapsed().as_secs_f64();
        audio_s += samples.len() as f64 / f64::from(voice.sample_rate().get());
        let path = folder.join(format!("{what}-{number:03}.wav"));
        save(&path, samples, voice.sample_rate().get())?;
        files.push((path, text.clone()));
    }
    first_ms.sort_by(f64::total_cmp);
    if let (Some(median), Some(late)) = (first_ms.get(first_ms.len() / 2), first_ms.get(first_ms.len() * 95 / 100)) {
        results.insert("time to first audio, median, ms".to_owned(), round(*median));
        results.insert("time to first audio, p95, ms".to_owned(), round(*late));
        results.insert("real-time factor on one thread".to_owned(), (1e4 * compute_s / audio_s).round() / 1e4);
    }
    Ok(files)
}
