//! One voice's recordings, trimmed and aligned with their transcripts.

use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use rejoinder_models::audio;
use rejoinder_models::tts::excitation::Pitch;
use rejoinder_models::tts::frontend::{Frontend, Script};
use rejoinder_models::tts::phones;
use rejoinder_models::units::SampleRate;
use serde::{Deserialize, Serialize};

use super::VoiceConfig;
use super::mel::MelConfig;
use crate::data::manifest::{self, Item, Manifest, ManifestConfig};
use crate::data::pitch;
use crate::tasks::aligner::{self, Alignment};
use crate::{Error, Result};

/// The list of a prepared corpus.
const LIST: &str = "corpus.json";
/// Frames of silence kept before and after the words.
const LEAD: usize = 4;
const TAIL: usize = 16;
/// A silence between words of at least so many frames is a pause; a shorter one belongs to the word before.
const SHORTEST_PAUSE: usize = 4;

/// An utterance as it was prepared.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Prepared {
    /// Its name.
    pub id: String,
    /// Its transcript.
    pub text: String,
    /// Its recording, relative to the manifest.
    pub path: PathBuf,
    /// The sample of the recording, at the rate of the voice, where it begins.
    pub start: usize,
    /// Tokens.
    pub tokens: Vec<u8>,
    /// Places.
    pub places: Vec<u8>,
    /// Frames of each token.
    pub durations: Vec<usize>,
    /// Whether it is kept out of training.
    pub held_out: bool,
}

/// An utterance in memory.
#[derive(Clone, Debug)]
pub struct Utterance {
    /// What was prepared.
    pub prepared: Prepared,
    /// Samples.
    pub samples: Vec<f32>,
    /// Normalised log mel bands, `[frames, bands]`.
    pub mel: Vec<f32>,
    /// Pitch, one a frame.
    pub pitch: Vec<Pitch>,
}

/// How mel bands and log pitch are normalised: to mean 0 and variance 1 over the training part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// Means of the bands.
    pub mel_mean: Vec<f32>,
    /// Standard deviations of the bands.
    pub mel_scale: Vec<f32>,
    /// Mean of the logarithm of the pitch in hertz, over voiced frames.
    pub pitch_mean: f32,
    /// Its standard deviation.
    pub pitch_scale: f32,
}

/// A corpus in memory.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// The utterances, in the order of the prompts.
    pub utterances: Vec<Utterance>,
    /// How they are normalised.
    pub statistics: Statistics,
}

#[derive(Deserialize)]
struct Row {
    #[serde(alias = "uttid")]
    id: String,
    #[serde(alias = "wav")]
    path: PathBuf,
    #[serde(alias = "label")]
    transcript: String,
    prompt: Option<String>,
}

/// Reads and aligns recordings, and writes what of them is used, and when each token sounds: a list, without sound.
///
/// # Errors
/// [`Error::Io`], [`Error::Data`] for a manifest that cannot be used, audio errors of the layer below.
pub fn prepare(voice: &VoiceConfig, frontend: &Frontend, folder: &Path) -> Result<usize> {
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    let rows = rows(&voice.manifest)?;
    let root = voice.manifest.parent().unwrap_or(Path::new("."));
    let rate = SampleRate::hz(voice.geometry.rate_hz);
    let clips: Vec<Vec<f32>> =
        rows.par_iter().map(|row| Ok(audio::read_at(root.join(&row.path), rate)?.samples)).collect::<Result<_>>()?;
    let scripts: Vec<Script> = rows.iter().map(|row| frontend.script(&row.transcript)).collect();
    let hop = voice.geometry.hop / 2;
    let to_align: Vec<aligner::Utterance> =
        clips.par_iter().zip(&scripts).map(|(clip, script)| for_aligner(clip, script, voice, hop)).collect();
    let alignments = aligner::align(&to_align, &voice.aligner);
    let first_held_out = rows.len().saturating_sub(voice.held_out);
    let mut list = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let Some(alignment) = &alignments[at] else {
            tracing::warn!("{}: shorter than its transcript, left out", row.id);
            continue;
        };
        let mut prepared = cut(clips[at].len(), &scripts[at], alignment, voice.geometry.hop);
        prepared.id.clone_from(&row.id);
        prepared.text.clone_from(&row.transcript);
        prepared.path.clone_from(&row.path);
        prepared.held_out = at >= first_held_out;
        list.push(prepared);
    }
    let path = folder.join(LIST);
    let json = serde_json::to_string(&list).map_err(|e| Error::data(path.display().to_string(), e))?;
    std::fs::write(&path, json).map_err(|e| Error::io(&path, e))?;
    Ok(list.len())
}

fn rows(path: &Path) -> Result<Vec<Row>> {
    let mut rows = if manifest::is_json(path) { json(path)? } else { csv(path)? };
    rows.sort_by(|a, b| (&a.prompt, &a.id).cmp(&(&b.prompt, &b.id)));
    Ok(rows)
}

fn json(path: &Path) -> Result<Vec<Row>> {
    let config = ManifestConfig { words: "label".to_owned(), ..ManifestConfig::default() };
    let folder = path.parent().unwrap_or(Path::new("."));
    let row = |item: Item| {
        let path = item.wav.whole_file(&config, folder)?;
        // What begins where the manifest lies is said as of there.
        let path = path.strip_prefix(folder).map(Path::to_owned).unwrap_or(path);
        Ok(Row { id: item.id, path, transcript: item.words, prompt: None })
    };
    Manifest::read_with(path, &config)?.items.into_iter().map(row).collect()
}

fn csv(path: &Path) -> Result<Vec<Row>> {
    let place = || path.display().to_string();
    let mut reader = csv::Reader::from_path(path).map_err(|e| Error::data(place(), e))?;
    reader.deserialize().collect::<Result<Vec<Row>, _>>().map_err(|e| Error::data(place(), e))
}

/// What the aligner hears of a clip and looks for in it.
fn for_aligner(samples: &[f32], script: &Script, voice: &VoiceConfig, hop: usize) -> aligner::Utterance {
    let bands = 40;
    let mel = MelConfig { rate_hz: voice.geometry.rate_hz, window: 600, hop, bands };
    let (features, width) = aligner::cepstra(&mel.compute(samples, samples.len() / hop), bands);
    let words = script.words.iter().map(|w| script.tokens[w.tokens.clone()].to_vec()).collect();
    aligner::Utterance { features, width, words }
}

/// Trims the silence around the words and gives every frame to a token.
fn cut(samples: usize, script: &Script, alignment: &Alignment, hop: usize) -> Prepared {
    let frame = |fine: usize| fine.div_ceil(2);
    let bounds: Vec<(usize, usize)> = alignment.phones.iter().map(|&(a, b)| (frame(a), frame(b))).collect();
    let frames = samples / hop;
    let (speech_start, speech_end) = (bounds.first().map_or(0, |b| b.0), bounds.last().map_or(0, |b| b.1));
    let start = speech_start.saturating_sub(LEAD);
    let end = (speech_end + TAIL).min(frames).max(speech_end);
    let mut prepared = Prepared {
        id: String::new(),
        text: String::new(),
        path: PathBuf::new(),
        start: start * hop,
        tokens: vec![phones::SILENCE],
        places: Vec::new(),
        durations: vec![speech_start - start],
        held_out: false,
    };
    let mut script_out = Script::default();
    let (mut phone, mut at) = (0, 1);
    for (i, word) in script.words.iter().enumerate() {
        let first = prepared.tokens.len();
        for token in &script.tokens[word.tokens.clone()] {
            prepared.tokens.push(*token);
            prepared.durations.push(bounds[phone].1 - bounds[phone].0);
            phone += 1;
        }
        let mut placed = word.clone();
        placed.tokens = first..prepared.tokens.len();
        script_out.words.push(placed);
        let next = bounds.get(phone).map_or(end, |b| b.0);
        let gap = next - bounds[phone - 1].1;
        at = word.tokens.end.max(at);
        let until = script.words.get(i + 1).map_or(script.tokens.len(), |w| w.tokens.start);
        match script.tokens.get(at..until).and_then(|between| between.first()) {
            Some(&mark) => {
                prepared.tokens.push(mark);
                prepared.durations.push(gap);
            }
            None if gap >= SHORTEST_PAUSE => {
                prepared.tokens.push(phones::PAUSE);
                prepared.durations.push(gap);
            }
            None => *prepared.durations.last_mut().unwrap_or(&mut 0) += gap,
        }
    }
    script_out.tokens.clone_from(&prepared.tokens);
    script_out.place();
    prepared.places = script_out.places;
    prepared
}

/// Loads a prepared corpus and computes its features.
///
/// # Errors
/// [`Error::Io`], [`Error::Data`] when it was not prepared.
pub fn load(voice: &VoiceConfig, folder: &Path) -> Result<Corpus> {
    let path = folder.join(LIST);
    let json = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
    let list: Vec<Prepared> = serde_json::from_str(&json).map_err(|e| Error::data(path.display().to_string(), e))?;
    let root = voice.manifest.parent().unwrap_or(Path::new("."));
    let geometry = &voice.geometry;
    let mel = MelConfig { rate_hz: geometry.rate_hz, window: 4 * geometry.hop, hop: geometry.hop, bands: voice.mels };
    let mut utterances = list
        .into_par_iter()
        .map(|prepared| {
            let recording = audio::read_at(root.join(&prepared.path), SampleRate::hz(geometry.rate_hz))?.samples;
            let frames: usize = prepared.durations.iter().sum();
            let end = (prepared.start + frames * geometry.hop).min(recording.len());
            let samples = recording[prepared.start.min(end)..end].to_vec();
            let pitch = pitch::track(&samples, geometry.rate_hz, geometry.hop, frames, &voice.pitch);
            Ok(Utterance { mel: mel.compute(&samples, frames), prepared, samples, pitch })
        })
        .collect::<Result<Vec<Utterance>>>()?;
    let statistics = statistics(&utterances, voice.mels);
    for utterance in &mut utterances {
        for (i, x) in utterance.mel.iter_mut().enumerate() {
            *x = (*x - statistics.mel_mean[i % voice.mels]) / statistics.mel_scale[i % voice.mels];
        }
    }
    Ok(Corpus { utterances, statistics })
}

fn statistics(utterances: &[Utterance], bands: usize) -> Statistics {
    let moments = |values: &mut dyn Iterator<Item = f32>| {
        let (n, sum, squares) = values.fold((0.0f64, 0.0f64, 0.0f64), |(n, s, q), x| {
            let x = f64::from(x);
            (n + 1.0, s + x, q + x * x)
        });
        let mean = sum / n.max(1.0);
        (mean as f32, (squares / n.max(1.0) - mean * mean).max(1e-6).sqrt() as f32)
    };
    let trained = || utterances.iter().filter(|u| !u.prepared.held_out);
    let band = |b: usize| moments(&mut trained().flat_map(|u| u.mel.iter().skip(b).step_by(bands).copied()));
    let (mel_mean, mel_scale) = (0..bands).map(band).unzip();
    let voiced = trained().flat_map(|u| u.pitch.iter().filter(|p| p.voicing > 0.5).map(|p| p.hz.ln()));
    let (pitch_mean, pitch_scale) = moments(&mut { voiced });
    Statistics { mel_mean, mel_scale, pitch_mean, pitch_scale }
}

impl Corpus {
    /// The root mean square of all samples.
    pub fn loudness(&self) -> f32 {
        let samples = || self.utterances.iter().flat_map(|u| &u.samples);
        let power: f64 = samples().map(|x| f64::from(x * x)).sum();
        (power / samples().count().max(1) as f64).sqrt() as f32
    }
}

impl Statistics {
    /// The normalised logarithm of a pitch.
    pub fn pitch(&self, hz: f32) -> f32 {
        (hz.ln() - self.pitch_mean) / self.pitch_scale
    }
}

impl Utterance {
    /// Frames.
    pub fn frames(&self) -> usize {
        self.pitch.len()
    }

    /// What the vocoder reads of some frames: the mel bands, the normalised log pitch and the voicing, `[frames,
    /// bands + 2]`.
    pub fn frame_inputs(&self, statistics: &Statistics, frames: Range<usize>) -> Vec<f32> {
        let bands = self.mel.len() / self.pitch.len().max(1);
        let mel = &self.mel[frames.start * bands..frames.end * bands];
        let rows = mel.chunks(bands).zip(&self.pitch[frames]);
        rows.flat_map(|(mel, p)| mel.iter().copied().chain([statistics.pitch(p.hz), p.voicing])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_list_name_the_same_recordings() {
        let folder = tempfile::tempdir().unwrap();
        let list = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let row = |row: Row| (row.id, row.path, row.transcript);
            rows(&path).unwrap().into_iter().map(row).collect::<Vec<_>>()
        };
        let csv = list("train.csv", "uttid,wav,label\nLJ2,wavs/LJ2.wav,\"Two, he said.\"\nLJ1,wavs/LJ1.wav,One.\n");
        let json = r#"{"LJ2": {"uttid": "LJ2", "wav": "{data_root}/wavs/LJ2.wav", "label": "Two, he said.", "segment": true,
            "duration": 1.5}, "LJ1": {"wav": "{data_root}/wavs/LJ1.wav", "label": "One.", "duration": 1.0}}"#;
        assert_eq!(list("train.json", json), csv);
        assert_eq!(csv[0], ("LJ1".to_owned(), PathBuf::from("wavs/LJ1.wav"), "One.".to_owned()));
    }
}
