//! The voice's recipe in small.

#[path = "../voice/mod.rs"]
pub(crate) mod voice;

use std::path::Path;

use voice::{DICTIONARY, geometry, make_recordings};

/// Writes recordings, and recipes for the letters and the voice, `g2p.toml` and `tts.toml`, which exports to
/// `folder/bundle`.
pub(crate) fn write(folder: &Path) {
    make_recordings(folder, &geometry());
    let at = |name: &str| folder.join(name).display().to_string();
    std::fs::write(folder.join("words.dict"), DICTIONARY).unwrap();
    let g2p = format!(
        "task = \"g2p\"\nrun = {:?}\n[g2p]\ndictionary = {:?}\nheld_out = 0\nmin_unit_count = 1\nmin_count = 1\norder = 3\n",
        at("g2p"),
        at("words.dict")
    );
    std::fs::write(folder.join("g2p.toml"), g2p).unwrap();
    let train = "epochs = 0\nlearning_rate = 4e-3\nwarmup_steps = 10\naverage_decay = 0.0\nbackend = \"flex\"\n";
    let tts = format!(
        "task = \"tts\"\nrun = {:?}\ng2p = {:?}\ncorpus = {:?}\n\
         [voice]\nmanifest = {:?}\nheld_out = 1\nmels = 30\n\
         [voice.geometry]\nrate_hz = 16000\nhop = 200\nfft = 800\nharmonic_order = 40\nnoise_order = 20\n\
         [acoustic]\nwidth = 32\nencoder_blocks = 2\ndecoder_blocks = 2\ndropout = 0.0\nbatch_frames = 800\n\
         [acoustic.train]\nsteps = 150\n{train}\
         [vocoder]\nwidth = 32\nblocks = 2\nsegments = 2\nsegment_frames = 24\nbatches = 10\n\
         [vocoder.train]\nsteps = 60\n{train}\
         [export]\nbundle = {:?}\nname = \"tiny\"\nsummary = \"a test\"\nlicence = \"CC0-1.0\"\nrecipe = \"a test\"\ndata = [\"made up\"]\n",
        at("run"),
        at("g2p"),
        at("corpus"),
        at("manifest.csv"),
        at("bundle")
    );
    std::fs::write(folder.join("tts.toml"), tts).unwrap();
}
