//! AISHELL-1 (Bu et al., O-COCOSDA 2017): `wav/{train,dev,test}/SPEAKER/ID.wav`, and what is said in all of them in
//! `transcript/aishell_transcript_v0.8.txt`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::{files, folders, name, stem, table};
use super::{Clip, Layout};
use crate::Result;

/// Where AISHELL-1 lies, by the names of SpeechBrain's `prepare_aishell`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AishellConfig {
    /// The folder of `wav` and `transcript`, usually `data_aishell`, with the speakers' archives unpacked.
    pub data_folder: PathBuf,
}

impl Layout for AishellConfig {
    fn columns(&self) -> &'static [&'static str] {
        &["ID", "duration", "wav", "spk_id", "wrd", "transcript"]
    }

    fn root(&self) -> &Path {
        &self.data_folder
    }

    fn splits(&self) -> Vec<String> {
        ["train", "dev", "test"].map(str::to_owned).to_vec()
    }

    /// Some 300 recordings have no transcript; they stay out.
    fn clips(&self, split: &str) -> Result<Vec<Clip>> {
        let transcripts = table(&self.data_folder.join("transcript/aishell_transcript_v0.8.txt"))?;
        let mut clips = Vec::new();
        for speaker in folders(&self.data_folder.join("wav").join(split))? {
            for path in files(&speaker, "wav")? {
                let id = stem(&path);
                if let Some(text) = transcripts.get(&id) {
                    let fields = vec![("spk_id", name(&speaker)), ("wrd", text.clone()), ("transcript", text.clone())];
                    clips.push(Clip { id, path, span: None, fields });
                }
            }
        }
        Ok(clips)
    }
}
