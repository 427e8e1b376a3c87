//! Noise and rooms: recordings, babble of mixed speech, and noise from formulas.
//!
//! Manifests here name the class of noise where speech has its words.

use std::path::Path;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::folder::FolderWriter;
use super::{Item, Prepared, SAMPLE_RATE_HZ, Set, SetClip, decode};
use crate::augment::{NoiseKind, mix_at_snr, synthetic_noise};
use crate::data::held_out::HeldOut;
use crate::data::manifest::DATA_ROOT;
use crate::data::manifest::ManifestConfig;
use crate::{Error, Result};

/// What goes into the folders `noise`, `noise-test` (held-out recordings) and `rooms`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoiseConfig {
    /// Sets of noise; the class is the column `class`.
    #[serde(default)]
    pub sets: Vec<String>,
    /// Sets of room responses.
    #[serde(default)]
    pub rooms: Vec<String>,
    /// Clips of babble, each of 15 s of 3 to 7 voices of the folder `train`.
    #[serde(default)]
    pub babble_clips: usize,
    /// Seed of babble and synthetic noise.
    #[serde(default)]
    pub seed: u64,
}

const BABBLE_S: usize = 15;

/// Writes the folders that are not there yet.
pub(super) fn prepare(
    config: &NoiseConfig,
    sets: &Path,
    out: &Path,
    progress: &mut dyn FnMut(&str, usize, usize),
) -> Result<()> {
    let held_out = HeldOut::default();
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    let open = |names: &[String]| names.iter().map(|name| Set::open(sets, out, name)).collect::<Result<Vec<_>>>();
    let noise = open(&config.sets)?;
    for (folder, test) in [("noise", false), ("noise-test", true)] {
        let Some(mut writer) = FolderWriter::open(&out.join(folder))? else { continue };
        for set in &noise {
            for clip in &set.clips {
                if held_out.contains(&format!("{}/{}", set.name, clip.id)) == test {
                    recording(&mut writer, set, clip, clip.get("class")?)?;
                    progress(folder, writer.clips(), writer.clips());
                }
            }
        }
        if !test {
            synthesise(config, out, &mut writer, &mut rng)?;
        }
        writer.finish()?;
    }
    let rooms = open(&config.rooms)?;
    if let Some(mut writer) = FolderWriter::open(&out.join("rooms"))? {
        for (set, clip) in rooms.iter().flat_map(|set| set.clips.iter().map(move |clip| (set, clip))) {
            recording(&mut writer, set, clip, "room")?;
            progress("rooms", writer.clips(), writer.clips());
        }
        writer.finish()?;
    }
    Ok(())
}

/// Noise from formulas, and babble.
fn synthesise(config: &NoiseConfig, out: &Path, writer: &mut FolderWriter, rng: &mut ChaCha8Rng) -> Result<()> {
    for kind in NoiseKind::ALL {
        let samples = synthetic_noise(kind, 20 * SAMPLE_RATE_HZ as usize, SAMPLE_RATE_HZ, rng);
        let name = kind.name();
        writer.append(item(format!("synthetic/{name}"), String::new(), name), &samples)?;
    }
    if config.babble_clips == 0 {
        return Ok(());
    }
    let speech = Prepared::open(&out.join("train"), &ManifestConfig::default())?;
    let mut reader = speech.reader_at(SAMPLE_RATE_HZ)?;
    let items = &speech.manifest.items;
    if items.is_empty() {
        return Err(Error::data(out.join("train").display().to_string(), "expected speech to make babble of"));
    }
    let mut voice = Vec::new();
    for number in 0..config.babble_clips {
        let mut babble = vec![0.0; BABBLE_S * SAMPLE_RATE_HZ as usize];
        for _ in 0..rng.random_range(3..=7) {
            voice.clear();
            while voice.len() < babble.len() {
                let Item { id, wav, .. } = &items[rng.random_range(0..items.len())];
                voice.append(&mut reader.read(id, wav)?);
            }
            match babble.iter().any(|s| *s != 0.0) {
                true => mix_at_snr(&mut babble, &voice, rng.random_range(0.0..10.0)),
                false => babble.iter_mut().zip(&voice).for_each(|(b, v)| *b = *v),
            }
        }
        let peak = babble.iter().fold(1e-6_f32, |peak, s| peak.max(s.abs()));
        babble.iter_mut().for_each(|s| *s *= 0.5 / peak);
        writer.append(item(format!("synthetic/babble{number}"), String::new(), "babble"), &babble)?;
    }
    Ok(())
}

fn recording(writer: &mut FolderWriter, set: &Set, clip: &SetClip, class: &str) -> Result<()> {
    let samples = decode(&set.folder.join(&clip.path))?;
    let wav = format!("{DATA_ROOT}/{}/{}", set.name, clip.path);
    writer.append(item(format!("{}/{}", set.name, clip.id), wav, class), &samples)
}

fn item(id: String, wav: String, class: &str) -> Item {
    Item { id, wav: wav.into(), words: class.to_owned(), ..Item::default() }
}
