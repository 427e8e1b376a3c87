//! A few sentences that the shipped voice reads into a prepared folder.

#[path = "../prepared/mod.rs"]
mod prepared;

use std::path::{Path, PathBuf};

use rejoinder_models::audio::resample;
use rejoinder_models::runtime::RuntimeConfig;
use rejoinder_models::units::SampleRate;
use rejoinder_models::zoo::open_synthesizer;

use prepared::write_clips;

pub(crate) const SENTENCES: [&str; 6] =
    ["set a timer", "stop the music", "what time is it", "a large latte please", "seven and nine", "good morning"];

pub(crate) fn voice() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/pretrained/tts-kathleen")
}

/// Lets the shipped voice read the sentences into a prepared folder. Returns the clips at 16 kHz.
pub(crate) fn read_aloud(folder: &Path) -> Vec<Vec<f32>> {
    let voice = open_synthesizer(&voice(), &RuntimeConfig::default()).unwrap();
    let read = |text: &&str| {
        let (mut utterance, mut samples) = (voice.speak(text).unwrap(), Vec::new());
        while let Some(chunk) = utterance.next_chunk().unwrap() {
            samples.extend(chunk.samples);
        }
        resample(&samples, voice.sample_rate(), SampleRate::INTERNAL).unwrap()
    };
    let clips: Vec<Vec<f32>> = SENTENCES.iter().map(read).collect();
    let named = clips.iter().zip(SENTENCES).enumerate().map(|(number, (samples, text))| {
        (format!("voice/{number}"), "kathleen".to_owned(), text.to_owned(), samples.clone())
    });
    write_clips(folder, named);
    clips
}
