//! Recognisers that write down what a voice says.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rejoinder_models::asr::{self, Recognizer};
use rejoinder_models::audio;
use rejoinder_models::runtime::RuntimeConfig;
use rejoinder_models::text::{ErrorCounts, NormalizeConfig, normalize, word_errors};
use rejoinder_models::units::SampleRate;
use rejoinder_models::zoo;

use crate::{Error, Result};

/// The free recogniser; it comes with its model as a Debian package.
const POCKETSPHINX: &str = "pocketsphinx_continuous";

/// Who listens.
pub(super) enum Listener {
    /// PocketSphinx with its model of American English.
    Pocketsphinx,
    /// A bundle of ours.
    Ours(std::sync::Arc<dyn Recognizer>),
}

impl Listener {
    /// Those at hand: PocketSphinx where it is installed, and the bundle where one is named.
    pub(super) fn at_hand(bundle: Option<&Path>) -> Result<Vec<Self>> {
        let mut listeners = Vec::new();
        let probe = Command::new(POCKETSPHINX).arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status();
        match probe {
            Ok(_) => listeners.push(Self::Pocketsphinx),
            Err(_) => tracing::warn!("{POCKETSPHINX} is not installed and does not listen"),
        }
        if let Some(path) = bundle {
            listeners.push(Self::Ours(zoo::open_recognizer(path, &RuntimeConfig::default())?));
        }
        Ok(listeners)
    }

    /// Its name in a report.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Pocketsphinx => "pocketsphinx",
            Self::Ours(_) => "our recogniser",
        }
    }

    /// The word errors over files with their texts.
    pub(super) fn errors(&self, files: &[(PathBuf, String)]) -> Result<ErrorCounts> {
        let plain = |text: &str| normalize(text, &NormalizeConfig::recognition());
        let mut sum = ErrorCounts::default();
        for (path, text) in files {
            sum += word_errors(&plain(text), &plain(&self.hear(path)?));
        }
        Ok(sum)
    }

    fn hear(&self, path: &Path) -> Result<String> {
        match self {
            Self::Pocketsphinx => {
                let output = Command::new(POCKETSPHINX).arg("-infile").arg(path).stderr(Stdio::null()).output();
                let output = output.map_err(|e| Error::io(POCKETSPHINX, e))?;
                Ok(String::from_utf8_lossy(&output.stdout).replace('\n', " "))
            }
            Self::Ours(recognizer) => {
                let clip = audio::read_at(path, SampleRate::INTERNAL)?;
                Ok(asr::transcribe(recognizer.as_ref(), &clip.samples)?.text)
            }
        }
    }
}
