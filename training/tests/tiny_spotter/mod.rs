//! The recipe of keywords in small.

use std::path::{Path, PathBuf};

/// Writes a recipe that learns `keywords`, which the prepared folder `spoken` in `folder` says, and to leave the rest of
/// it and `others` alone. Exports to `folder/spotter`.
pub(crate) fn write_recipe(folder: &Path, keywords: &[&str], spoken: &str, others: &str) -> PathBuf {
    let at = |name: &str| folder.join(name).display().to_string();
    let recipe = format!(
        "task = \"keyword\"\nrun = {:?}\nbatch = 16\nkeywords = {keywords:?}\n\
         [prepare]\nsets = {:?}\nout = {:?}\n\
         [data]\nspoken = [{:?}]\nothers = [{others:?}]\nvalid_others = [{others:?}]\ntest_others = [{others:?}]\n\
         [features]\nflavour = \"kaldi\"\nbins = 40\n[examples]\nwindow_s = 1.2\n\
         [augment]\nnoise_snr_db = {{ probability = 1.0, min = 20.0, max = 40.0 }}\n\
         [net]\nbins = 40\nwidth = 16\nblocks = 2\nkernel = 9\ndropout = 0.0\n\
         [train]\nbackend = \"flex\"\nepochs = 0\nsteps = 160\nlearning_rate = 5e-3\nwarmup_steps = 10\n\
         average_decay = 0.0\nvalid_every = 1000\n\
         [export]\nbundle = {:?}\nname = \"tiny\"\nsummary = \"a test\"\nlicence = \"CC0-1.0\"\nrecipe = \"a test\"\n\
         data = [\"made up\"]\n[evaluate]\ncard = true\n",
        at("spotter-run"),
        at("sets"),
        at(""),
        at(spoken),
        at("spotter"),
        others = at(others),
    );
    let path = folder.join("keyword.toml");
    std::fs::write(&path, recipe).unwrap();
    path
}
