//! The recipes of speakers in debug mode, on a few clips that the test makes: whether all their steps run.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::path::{Path, PathBuf};

use rejoinder_training::data::manifest::{Item, Manifest};
use rejoinder_training::data::pack::PackWriter;
use rejoinder_training::data::prepare::{MANIFEST, PACK};
use rejoinder_training::recipe;

const WORDS: [&str; 4] = ["set a timer", "stop the music", "what time is it", "good morning to you"];

fn recipes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/recipes/speaker")
}

/// A prepared folder: twenty speakers who hum at their own pitch, four clips each.
fn write_clips(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let mut pack = PackWriter::create(folder.join(PACK), 16_000).unwrap();
    let mut manifest = Manifest::default();
    for clip in 0..80 {
        let pitch = 0.02 * (1 + clip / 4) as f32;
        let samples: Vec<f32> = (0..32_000 + 100 * clip).map(|i| 0.3 * (pitch * i as f32).sin()).collect();
        let item = Item {
            id: format!("hum/{clip}"),
            duration_s: samples.len() as f64 / 16_000.0,
            wav: PACK.to_owned(),
            speaker: format!("s{:02}", clip / 4),
            words: WORDS[clip % 4].to_owned(),
        };
        pack.append(&item.id, &samples).unwrap();
        manifest.items.push(item);
    }
    pack.flush().unwrap();
    manifest.write(folder.join(MANIFEST)).unwrap();
}

#[test]
fn the_speaker_recipes_run() {
    let folder = tempfile::tempdir().unwrap();
    let clips = folder.path().join("clips");
    write_clips(&clips);
    let [clips, run, bundle] = [clips, folder.path().join("run"), folder.path().join("bundle")]
        .map(|path| format!("{:?}", path.display().to_string()));
    for name in ["ecapa.toml", "voxceleb.toml"] {
        let settings = [
            ("train.debug", "true".to_owned()),
            ("train.backend", "\"flex\"".to_owned()),
            ("run", run.clone()),
            ("data.train", format!("[{clips}]")),
            ("data.valid", "[]".to_owned()),
            ("data.valid_speakers", "4".to_owned()),
            ("data.valid_clips", "4".to_owned()),
            ("data.tests", format!("[{{ name = \"hum\", clips = [{clips}] }}]")),
            ("batches.clips", "4".to_owned()),
            ("batches.crop_s", "1.0".to_owned()),
            ("net.channels", "64".to_owned()),
            ("net.mfa_channels", "96".to_owned()),
            ("export.bundle", bundle.clone()),
        ]
        .map(|(key, value)| format!("{key}={value}"));
        let recipe = recipe::open(&recipes().join(name), &settings).unwrap();
        recipe.train(false).unwrap();
        recipe.export().unwrap();
        recipe.evaluate().unwrap();
    }
}
