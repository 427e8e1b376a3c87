use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How manifests are read, the section `[data.manifest]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ManifestConfig {
    /// What stands for `$name` (CSV) and `{name}` (JSON) in the paths of recordings. `data_root` is the manifest's folder
    /// where it is not said here.
    pub replacements: BTreeMap<String, PathBuf>,
    /// The column of what is said. Default: `wrd`; nothing to read none.
    pub words: String,
    /// What the columns `start` and `stop`, where there are such, count. Default: seconds.
    pub segments: SegmentUnit,
    /// The channel that is heard of recordings with several, counted from 0 through all files of an entry, where the entry
    /// has no column `channel` with a letter or a number of its own: `A`, as in Switchboard, is the first. Default: their mean.
    pub channel: Option<usize>,
}

impl Default for ManifestConfig {
    fn default() -> Self {
        Self { replacements: BTreeMap::new(), words: "wrd".to_owned(), segments: SegmentUnit::Seconds, channel: None }
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
