//! LibriSpeech as it is published (Panayotov et al., ICASSP 2015): `SPLIT/SPEAKER/CHAPTER/ID.flac`, with the transcripts
//! of a chapter in `SPEAKER-CHAPTER.trans.txt`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::decode;
use super::folder::FolderWriter;
use crate::data::manifest::{DATA_ROOT, Item};
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

/// Prepares the splits below `out`, those that are done excepted.
pub(super) fn prepare(
    config: &LibrispeechConfig,
    out: &Path,
    progress: &mut dyn FnMut(&str, usize, usize),
) -> Result<()> {
    let others = config.other_splits.iter().map(|split| (split.as_str(), std::slice::from_ref(split)));
    for (name, splits) in [("train", config.tr_splits.as_slice())].into_iter().chain(others) {
        let Some(mut writer) = FolderWriter::open(&out.join(name))? else { continue };
        let mut clips = Vec::new();
        for split in splits {
            clips.extend(clips_of(&config.data_folder, split)?);
        }
        for (path, item) in &clips {
            writer.append(item.clone(), &decode(path)?)?;
            progress(name, writer.clips(), clips.len());
        }
        writer.finish()?;
    }
    Ok(())
}

/// Recordings and rows of a split, in the order of their names.
fn clips_of(root: &Path, split: &str) -> Result<Vec<(PathBuf, Item)>> {
    let mut clips = Vec::new();
    for speaker in entries(&root.join(split))? {
        for chapter in entries(&speaker)? {
            let is_list = |path: &PathBuf| path.to_string_lossy().ends_with(".trans.txt");
            for list in entries(&chapter)?.into_iter().filter(is_list) {
                let text = std::fs::read_to_string(&list).map_err(|e| Error::io(&list, e))?;
                for line in text.lines() {
                    let expected =
                        || Error::data(list.display().to_string(), format!("expected an id and words, found `{line}`"));
                    clips.push(clip(&chapter, split, line).ok_or_else(expected)?);
                }
            }
        }
    }
    Ok(clips)
}

/// A row of a list of transcripts: an id and what is said. The speaker is the reader in the chapter, as SpeechBrain has
/// it; the duration is that of the decoded audio once it is packed.
fn clip(chapter: &Path, split: &str, line: &str) -> Option<(PathBuf, Item)> {
    let (id, text) = line.split_once(' ')?;
    let (speaker, _) = id.rsplit_once('-')?;
    let file = format!("{id}.flac");
    let below = chapter.iter().rev().take(2).map(|part| part.to_string_lossy()).collect::<Vec<_>>();
    let item = Item {
        id: id.to_owned(),
        duration_s: 0.0,
        wav: format!("{DATA_ROOT}/{split}/{}/{}/{file}", below[1], below[0]),
        speaker: speaker.to_owned(),
        words: words(text)?,
    };
    Some((chapter.join(file), item))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))?;
    let paths: std::io::Result<Vec<PathBuf>> = read.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(|e| Error::io(folder, e))?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use rejoinder_models::audio::{Clip, write_wav};
    use rejoinder_models::units::SampleRate;

    use super::*;
    use crate::data::prepare::Prepared;

    #[test]
    fn a_tree_of_the_published_layout_is_prepared() {
        let folder = tempfile::tempdir().unwrap();
        let chapters =
            [("train-clean-100", "103", "1240"), ("train-other-500", "20", "205"), ("dev-clean", "84", "121")];
        for (number, (split, speaker, chapter)) in chapters.into_iter().enumerate() {
            let place = folder.path().join("LibriSpeech").join(split).join(speaker).join(chapter);
            std::fs::create_dir_all(&place).unwrap();
            let id = format!("{speaker}-{chapter}-0000");
            // The decoder goes by what a file holds, so that a wave file stands for FLAC.
            let clip = Clip { samples: vec![0.1; 1_600 * (number + 1)], rate: SampleRate::INTERNAL };
            write_wav(place.join(format!("{id}.flac")), &clip).unwrap();
            std::fs::write(place.join(format!("{speaker}-{chapter}.trans.txt")), format!("{id} CHAPTER ONE\n"))
                .unwrap();
        }
        let config = LibrispeechConfig {
            data_folder: folder.path().join("LibriSpeech"),
            tr_splits: vec!["train-clean-100".to_owned(), "train-other-500".to_owned()],
            other_splits: vec!["dev-clean".to_owned()],
        };
        let out = folder.path().join("out");
        prepare(&config, &out, &mut |_, _, _| {}).unwrap();
        let train = Prepared::open(&out.join("train")).unwrap();
        let rows: Vec<_> = train.manifest.items.iter().map(|item| (item.id.as_str(), item.speaker.as_str())).collect();
        assert_eq!(rows, [("103-1240-0000", "103-1240"), ("20-205-0000", "20-205")]);
        assert_eq!(train.manifest.items[1].words, "chapter one");
        assert!((train.manifest.items[1].duration_s - 0.2).abs() < 1e-9);
        assert_eq!(Prepared::open(&out.join("dev-clean")).unwrap().manifest.items.len(), 1);
    }
}
