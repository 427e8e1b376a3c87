//! Clips written into a prepared folder.

use std::path::Path;

use rejoinder_training::data::manifest::{Item, Manifest};
use rejoinder_training::data::pack::PackWriter;
use rejoinder_training::data::prepare::{MANIFEST, PACK};

/// Writes clips at 16 kHz: the name, the speaker, the words and the samples of each.
pub(crate) fn write_clips(folder: &Path, clips: impl IntoIterator<Item = (String, String, String, Vec<f32>)>) {
    std::fs::create_dir_all(folder).unwrap();
    let mut pack = PackWriter::create(folder.join(PACK), 16_000).unwrap();
    let mut manifest = Manifest::default();
    for (id, speaker, words, samples) in clips {
        pack.append(&id, &samples).unwrap();
        let duration_s = samples.len() as f64 / 16_000.0;
        manifest.items.push(Item { id, duration_s, wav: PACK.into(), speaker, words, ..Item::default() });
    }
    pack.flush().unwrap();
    manifest.write(folder.join(MANIFEST)).unwrap();
}
