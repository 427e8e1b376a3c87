//! The recipe of voice activity in small.

use std::path::{Path, PathBuf};

/// Writes a recipe that learns from the prepared folder `clips` in `folder`, and exports to `folder/vad`.
pub(crate) fn write_recipe(folder: &Path, clips: &str) -> PathBuf {
    let at = |name: &str| folder.join(name).display().to_string();
    let recipe = format!(
        "task = \"vad\"\nrun = {:?}\nbatch = 8\n[prepare]\nsets = {:?}\nout = {:?}\n\
         [data]\ntrain = [{:?}]\nvalid = [{:?}]\ntests = [{:?}]\n\
         [features]\nflavour = \"kaldi\"\nbins = 40\n\
         [mixtures]\nwindow_s = 2.0\ncount = 64\nsilent = 0.0\npause_s = [0.3, 1.0]\n\
         [augment]\nnoise_snr_db = {{ probability = 0.7, min = 10.0, max = 30.0 }}\n\
         level_db = {{ probability = 0.9, min = -30.0, max = -1.0 }}\n\
         [net]\nbins = 40\nchannels = 4\nwidth = 16\nhidden = 8\ndropout = 0.0\n\
         [train]\nbackend = \"flex\"\nepochs = 0\nsteps = 120\nlearning_rate = 1e-2\nwarmup_steps = 10\n\
         average_decay = 0.0\nvalid_every = 1000\n\
         [export]\nbundle = {:?}\nname = \"tiny\"\nsummary = \"a test\"\nlicence = \"CC0-1.0\"\nrecipe = \"a test\"\n\
         data = [\"made up\"]\n[evaluate]\nmixtures = 4\nmixture_s = 10\ncard = true\n",
        at("vad-run"),
        at("sets"),
        at(""),
        at(clips),
        at(clips),
        at(clips),
        at("vad")
    );
    let path = folder.join("vad.toml");
    std::fs::write(&path, recipe).unwrap();
    path
}
