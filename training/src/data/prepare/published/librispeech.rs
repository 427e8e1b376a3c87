//! LibriSpeech (Panayotov et al., ICASSP 2015) and mini-LibriSpeech (OpenSLR 31): `SPLIT/SPEAKER/CHAPTER/ID.flac`, with
//! the transcripts of a chapter in `SPEAKER-CHAPTER.trans.txt`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::{entries, files, folders, keyed_lines};
use super::{Clip, Layout};
use crate::data::text::words;
use crate::{Error, Result};

/// Which splits to prepare, by the names of SpeechBrain's `prepare_librispeech`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LibrispeechConfig {
    /// The folder of the splits, usually `LibriSpeech`.
    pub data_folder: PathBuf,
    /// Splits that become the folder `train` together.
    pub tr_splits: Vec<String>,
    /// Splits that become a folder each: to validate and to report on.
    pub other_splits: Vec<String>,
}

impl Layout for LibrispeechConfig {
    fn root(&self) -> &Path {
        &self.data_folder
    }

    fn splits(&self) -> Vec<String> {
        std::iter::once("train".to_owned()).chain(self.other_splits.iter().cloned()).collect()
    }

    fn clips(&self, split: &str) -> Result<Vec<Clip>> {
        match split {
            "train" => {
                let splits = self.tr_splits.iter().map(|split| clips_of(&self.data_folder, split));
                Ok(splits.collect::<Result<Vec<_>>>()?.concat())
            }
            other => clips_of(&self.data_folder, other),
        }
    }
}

/// Mini-LibriSpeech: `train-clean-5` becomes `train`, `dev-clean-2` becomes `valid`, and LibriSpeech's own `test-clean`
/// becomes `test`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MiniLibrispeechConfig {
    /// The folder of the splits, usually `LibriSpeech`.
    pub data_folder: PathBuf,
}

impl Layout for MiniLibrispeechConfig {
    fn root(&self) -> &Path {
        &self.data_folder
    }

    fn splits(&self) -> Vec<String> {
        ["train", "valid", "test"].map(str::to_owned).to_vec()
    }

    fn clips(&self, split: &str) -> Result<Vec<Clip>> {
        let published = match split {
            "train" => "train-clean-5",
            "valid" => "dev-clean-2",
            _ => "test-clean",
        };
        clips_of(&self.data_folder, published)
    }
}

/// The clips of a published split, in the order of their names.
fn clips_of(root: &Path, split: &str) -> Result<Vec<Clip>> {
    let (mut clips, mut untold) = (Vec::new(), Vec::new());
    for speaker in folders(&root.join(split))? {
        for chapter in folders(&speaker)? {
            let first = clips.len();
            let is_list = |path: &PathBuf| path.to_string_lossy().ends_with(".trans.txt");
            for list in entries(&chapter)?.into_iter().filter(is_list) {
                for (id, text) in keyed_lines(&list)? {
                    let expected = || {
                        let reason = format!("expected an id and words, found `{id} {text}`");
                        Error::data(list.display().to_string(), reason)
                    };
                    clips.push(clip(&chapter, &id, &text).ok_or_else(expected)?);
                }
            }
            let told: HashSet<&PathBuf> = clips[first..].iter().map(|clip| &clip.path).collect();
            untold.extend(files(&chapter, "flac")?.into_iter().filter(|path| !told.contains(path)));
        }
    }
    if let Some(one) = untold.first() {
        tracing::warn!(
            "{split}: {} recordings have no transcript and stay out, such as {}",
            untold.len(),
            one.display()
        );
    }
    Ok(clips)
}

/// The speaker is the reader in the chapter, as SpeechBrain has it.
fn clip(chapter: &Path, id: &str, text: &str) -> Option<Clip> {
    let (speaker, _) = id.rsplit_once('-')?;
    let fields = vec![("spk_id", speaker.to_owned()), ("wrd", words(text)?)];
    Some(Clip { id: id.to_owned(), path: chapter.join(format!("{id}.flac")), span: None, fields })
}
