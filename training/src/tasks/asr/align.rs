//! Where the phones of the training clips sound.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use rayon::prelude::*;
use rejoinder_models::features::{Fbank, FbankConfig};
use rejoinder_models::tts::phones;

use super::phones::Pronouncer;
use super::tables::PhonesConfig;
use crate::data::asr::{AsrClip, AsrDataset};
use crate::data::text::hash;
use crate::tasks::aligner::{Aligner, Utterance, cepstra};
use crate::trainer::interrupted;
use crate::{Error, Result};

/// In the run folder: for each clip, by its key, the phone of every feature frame, so that a resumed run need not align
/// again.
const FILE: &str = "alignment.json";
/// Clips whose features are held at a time.
const BLOCK: usize = 500;

/// Gives each clip the phone of every feature frame; none to clips that are too short for their phones.
pub(super) fn align(
    dataset: &mut AsrDataset,
    pronouncer: &Pronouncer,
    config: &PhonesConfig,
    features: &FbankConfig,
    run: &Path,
) -> Result<()> {
    let path = run.join(FILE);
    let known: HashMap<String, Vec<u8>> = match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| Error::data(path.display().to_string(), e))?,
        Err(_) => HashMap::new(),
    };
    let how = format!("{features:?} {:?} {}", config.aligner, config.aligner_clips);
    let keys: Vec<String> = dataset.clips().iter().map(|clip| key(clip, &how)).collect();
    let labels = match keys.iter().map(|key| known.get(key).cloned()).collect() {
        Some(labels) => labels,
        None => hear(dataset, pronouncer, config, &Fbank::new(features.clone())?)?,
    };
    let by_key: BTreeMap<&String, &Vec<u8>> = keys.iter().zip(&labels).collect();
    let json = serde_json::to_vec(&by_key).map_err(|e| Error::data(path.display().to_string(), e))?;
    std::fs::write(&path, json).map_err(|e| Error::io(&path, e))?;
    dataset.align(labels);
    Ok(())
}

/// What an alignment is known by: the name of its clip, and a hash of where and how long the recording is, of what is
/// said in it, and of `how` it is aligned.
fn key(clip: &AsrClip, how: &str) -> String {
    let AsrClip { item, text, phones, .. } = clip;
    let heard = format!("{:?} {:.3} {text} {phones:?} {how}", item.wav, item.duration_s);
    format!("{} {:016x}", item.id, hash(&heard))
}

fn hear(dataset: &AsrDataset, pronouncer: &Pronouncer, config: &PhonesConfig, fbank: &Fbank) -> Result<Vec<Vec<u8>>> {
    let all = dataset.clips().len();
    let chosen: Vec<usize> =
        (0..config.aligner_clips.min(all)).map(|i| i * all / config.aligner_clips.min(all)).collect();
    let aligner = Aligner::train(&utterances(dataset, pronouncer, fbank, &chosen)?, &config.aligner);
    let mut labels = Vec::with_capacity(all);
    for block in (0..all).collect::<Vec<_>>().chunks(BLOCK) {
        if interrupted() {
            return Err(Error::Interrupted);
        }
        let utterances = utterances(dataset, pronouncer, fbank, block)?;
        for ((clip, utterance), alignment) in block.iter().zip(&utterances).zip(aligner.align(&utterances)) {
            let mut frames = vec![0; utterance.features.len() / utterance.width];
            let spoken = &dataset.clips()[*clip].phones;
            for ((from, to), phone) in alignment.iter().flat_map(|a| &a.phones).copied().zip(spoken) {
                frames[from..to].fill(*phone as u8);
            }
            labels.push(frames);
        }
        tracing::info!("aligned {} of {all} clips", labels.len());
    }
    Ok(labels)
}

/// Features without the mean of each, which is mostly the channel's and the speaker's.
fn centred(mut features: Vec<f32>, width: usize) -> Vec<f32> {
    let count = (features.len() / width.max(1)).max(1) as f32;
    for column in 0..width {
        let mean = features.iter().skip(column).step_by(width).sum::<f32>() / count;
        features.iter_mut().skip(column).step_by(width).for_each(|value| *value -= mean);
    }
    features
}

fn utterances(dataset: &AsrDataset, pronouncer: &Pronouncer, fbank: &Fbank, clips: &[usize]) -> Result<Vec<Utterance>> {
    let utterance = |clip: &usize| {
        let logs = fbank.compute(&dataset.samples(*clip)?)?;
        let (features, width) = cepstra(&logs, fbank.bins());
        let token = |phone: u32| phones::of_unstressed(phone as usize - 1);
        let words = pronouncer.words(&dataset.clips()[*clip].text).into_iter();
        let words = words.map(|word| word.into_iter().filter_map(token).collect()).collect();
        Ok(Utterance { features: centred(features, width), width, words })
    };
    clips.par_iter().map(utterance).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_recording_or_other_phones_are_aligned_anew() {
        let clip = |duration_s: f64, phones: &[u32]| {
            let mut clip = AsrClip::default();
            clip.item.id.push('a');
            clip.item.duration_s = duration_s;
            clip.phones.extend_from_slice(phones);
            clip
        };
        let known = key(&clip(1.0, &[1, 2]), "how");
        assert!(known.starts_with("a "), "{known}");
        assert_eq!(key(&clip(1.0, &[1, 2]), "how"), known);
        assert_ne!(key(&clip(1.5, &[1, 2]), "how"), known);
        assert_ne!(key(&clip(1.0, &[1, 3]), "how"), known);
        assert_ne!(key(&clip(1.0, &[1, 2]), "otherwise"), known);
    }
}
