use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{Error, Result};

/// How manifests are read, the section `[data.manifest]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ManifestConfig {
    /// What stands for `$name` (CSV) and `{name}` (JSON) in the paths of recordings. `data_root` is the manifest's folder
    /// where it is not said here.
    pub replacements: BTreeMap<String, PathBuf>,
    /// The column of what is said. Default: `wrd`; nothing to read none.
    pub words: String,
    /// The column of how often a clip is drawn in training, beside the others of its source (SpeechBrain's
    /// `ReproducibleWeightedRandomSampler`): with it, a source's clips are drawn with replacement. Default: none.
    pub weight: String,
    /// What the other columns are called, where not as in SpeechBrain's LibriSpeech recipe.
    pub columns: Columns,
    /// What the columns `start` and `stop`, where there are such, count. Default: seconds.
    pub segments: SegmentUnit,
    /// The channel that is heard of recordings with several, counted from 0 through all files of an entry, where the entry
    /// has no column `channel` with a letter or a number of its own: `A`, as in Switchboard, is the first. Default: their mean.
    pub channel: Option<usize>,
}

impl ManifestConfig {
    /// Without words, and with parts of recordings in samples: SpeechBrain's manifests for VoxCeleb.
    pub fn of_voices() -> Self {
        Self { words: String::new(), segments: SegmentUnit::Samples, ..Self::default() }
    }

    /// What a table says, and for what it does not say [`of_voices`](Self::of_voices).
    pub(crate) fn over_voices<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let mut table = toml::Table::deserialize(from)?;
        for (key, value) in [("segments", "samples"), ("words", "")] {
            table.entry(key).or_insert_with(|| value.into());
        }
        Self::deserialize(table).map_err(D::Error::custom)
    }

    /// Refuses weights, for a task that draws clips by other rules.
    ///
    /// # Errors
    /// [`Error::Config`] where a column of them is named.
    pub(crate) fn check_unweighted(&self) -> Result<()> {
        match self.weight.as_str() {
            "" => Ok(()),
            found => {
                let reason = format!("expected none, since this task draws clips by rules of its own, found `{found}`");
                Err(Error::config("data.manifest.weight", reason))
            }
        }
    }

    /// Where a part ends that begins at `start` and of which nothing else is said: after its length, in seconds.
    pub(super) fn end(&self, start: Option<f64>, duration_s: f64) -> Option<f64> {
        start.filter(|_| self.segments == SegmentUnit::Seconds).map(|start| start + duration_s)
    }
}

impl Default for ManifestConfig {
    fn default() -> Self {
        Self {
            replacements: BTreeMap::new(),
            words: "wrd".to_owned(),
            weight: String::new(),
            columns: Columns::default(),
            segments: SegmentUnit::Seconds,
            channel: None,
        }
    }
}

/// What the columns of a manifest are called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Columns {
    /// The name of a clip; in JSON it is the key of an entry. Default: `ID`.
    pub id: String,
    /// Its length in seconds. Default: `duration`.
    pub duration: String,
    /// The recording. Default: `wav`.
    pub wav: String,
    /// Who speaks. Default: `spk_id`.
    pub speaker: String,
    /// Where it begins in the recording. Default: `start`.
    pub start: String,
    /// Where it ends. Without it, where `start` is in seconds, it ends after its length. Default: `stop`.
    pub stop: String,
    /// The channel. Default: `channel`.
    pub channel: String,
}

impl Columns {
    /// Warns of columns that are called otherwise than by default, and that a manifest lacks which need not have them.
    pub(super) fn warn_of_missing(&self, manifest: &Path, has: impl Fn(&str) -> bool) {
        let default = Self::default();
        let columns = [
            ("duration", &self.duration, &default.duration),
            ("speaker", &self.speaker, &default.speaker),
            ("start", &self.start, &default.start),
            ("stop", &self.stop, &default.stop),
            ("channel", &self.channel, &default.channel),
        ];
        for (key, name, _) in columns.into_iter().filter(|(_, name, default)| name != default && !has(name)) {
            tracing::warn!("{}: there is no column `{name}`, as `columns.{key}` calls it", manifest.display());
        }
    }
}

impl Default for Columns {
    fn default() -> Self {
        let [id, duration, wav, speaker, start, stop, channel] =
            ["ID", "duration", "wav", "spk_id", "start", "stop", "channel"].map(str::to_owned);
        Self { id, duration, wav, speaker, start, stop, channel }
    }
}

/// What the columns `start` and `stop` of a manifest count. Within `wav = {"file", "start", "stop"}` it is always samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SegmentUnit {
    /// Seconds, as in the recipes for MEDIA.
    Seconds,
    /// Samples at the file's rate, as in those for VoxCeleb, Speech Commands and Switchboard.
    Samples,
}
