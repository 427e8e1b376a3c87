//! Voicebank-DEMAND (Valentini-Botinhao et al., SSW 2016): each sentence clean and with noise, in folders of the same
//! file names, and its text.

use std::path::{Path, PathBuf};

use rejoinder_models::tts::frontend::Frontend;
use rejoinder_models::tts::phones;
use serde::{Deserialize, Serialize};

use super::files::{files, stem, text};
use super::{Clip, Form, Layout};
use crate::{Error, Result};

/// Training speakers in the order in which they are set aside to validate on: that of SpeechBrain's recipe.
const TRAIN_SPEAKERS: [&str; 28] = [
    "p226", "p287", "p227", "p228", "p230", "p231", "p233", "p236", "p239", "p243", "p244", "p250", "p254", "p256",
    "p258", "p259", "p267", "p268", "p269", "p270", "p273", "p274", "p276", "p277", "p278", "p279", "p282", "p286",
];

/// How the set is prepared, by the names of SpeechBrain's `prepare_voicebank`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoicebankConfig {
    /// The folder of `clean_trainset_28spk_wav`, `noisy_trainset_28spk_wav`, `trainset_28spk_txt`,
    /// `clean_testset_wav`, `noisy_testset_wav` and `testset_txt`; the names of folders with sound may end with `_16k`.
    pub data_folder: PathBuf,
    /// Where the lists `train.csv`, `valid.csv` and `test.csv` go.
    pub save_folder: PathBuf,
    /// How many of the 28 training speakers validate. Default: 2.
    #[serde(default = "valid_speaker_count")]
    pub valid_speaker_count: usize,
    /// What tells the `phones` of words, in the place of LibriSpeech's lexicon there: the folder with `lexicon.bin` and
    /// `g2p.bin`, what the `g2p` recipe has trained, or a voice's bundle. Default: the shipped voice.
    #[serde(default = "g2p")]
    pub g2p: PathBuf,
}

fn g2p() -> PathBuf {
    PathBuf::from("models/pretrained/tts-kathleen")
}

fn valid_speaker_count() -> usize {
    2
}

impl Layout for VoicebankConfig {
    fn form(&self) -> Form {
        Form::Lists
    }

    fn columns(&self) -> &'static [&'static str] {
        &["ID", "length", "noisy_wav", "clean_wav", "words", "phones"]
    }

    fn root(&self) -> &Path {
        &self.data_folder
    }

    fn splits(&self) -> Vec<String> {
        ["train", "valid", "test"].map(str::to_owned).to_vec()
    }

    fn clips(&self, split: &str) -> Result<Vec<Clip>> {
        let [part, texts] =
            if split == "test" { ["testset", "testset_txt"] } else { ["trainset_28spk", "trainset_28spk_txt"] };
        let (noisy, clean) = (self.sounds(&format!("noisy_{part}"))?, self.sounds(&format!("clean_{part}"))?);
        let valid = &TRAIN_SPEAKERS[..self.valid_speaker_count.min(TRAIN_SPEAKERS.len())];
        let (frontend, mut clips) = (Frontend::read(&self.g2p)?, Vec::new());
        for path in files(&noisy, "wav")? {
            let id = stem(&path);
            let validates = id.split('_').next().is_some_and(|speaker| valid.contains(&speaker));
            if split == "test" || validates == (split == "valid") {
                let clean = clean.join(format!("{id}.wav"));
                if !clean.is_file() {
                    let reason = format!("expected {}, the clean twin of this file", clean.display());
                    return Err(Error::data(path.display().to_string(), reason));
                }
                let said = text(&self.data_folder.join(texts).join(format!("{id}.txt")))?;
                let absolute = |path: &Path| {
                    let path = std::path::absolute(path).map_err(|e| Error::io(path, e))?;
                    Ok::<_, Error>(path.display().to_string())
                };
                let (words, phones) = (words(&said), phones(&said, &frontend));
                let sounds = [("noisy_wav", absolute(&path)?), ("clean_wav", absolute(&clean)?)];
                let fields = sounds.into_iter().chain([("words", words), ("phones", phones)]).collect();
                clips.push(Clip { id, path, span: None, fields });
            }
        }
        Ok(clips)
    }
}

impl VoicebankConfig {
    /// A folder of sound: as it is published, at 48 kHz, or as SpeechBrain resamples it.
    fn sounds(&self, name: &str) -> Result<PathBuf> {
        let names = [format!("{name}_wav_16k"), format!("{name}_wav")];
        let found = names.iter().map(|name| self.data_folder.join(name)).find(|folder| folder.is_dir());
        found.ok_or_else(|| {
            let reason = format!("expected a folder `{}` or `{}`, found neither", names[1], names[0]);
            Error::data(self.data_folder.display().to_string(), reason)
        })
    }
}

/// Capital letters without punctuation.
fn words(text: &str) -> String {
    let kept = text.trim().chars().filter(|c| !c.is_ascii_punctuation());
    kept.collect::<String>().to_uppercase()
}

/// Phones without stress; of those that follow each other once more, one.
fn phones(text: &str, frontend: &Frontend) -> String {
    let text = text.to_lowercase();
    let words = text.split(|c: char| !c.is_ascii_lowercase() && c != '\'').filter(|word| !word.is_empty());
    let tokens = words.flat_map(|word| frontend.pronounce(word));
    let mut names: Vec<&str> = tokens.filter_map(|token| phones::unstressed_name(phones::unstressed(token)?)).collect();
    names.dedup();
    names.join(" ")
}
