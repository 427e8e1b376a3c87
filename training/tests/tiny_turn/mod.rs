//! The recipe of turn ends in small.

use std::path::{Path, PathBuf};

/// Writes a recipe that learns from the prepared folder `turns` in `folder`, and exports to `folder/turn`.
pub(crate) fn write_recipe(folder: &Path, turns: &str) -> PathBuf {
    let at = |name: &str| folder.join(name).display().to_string();
    let recipe = format!(
        "task = \"turn\"\nrun = {:?}\nbatch = 24\n[prepare]\nsets = {:?}\nout = {:?}\n\
         [data]\ntrain = [{:?}]\nvalid = {:?}\ntests = [{:?}]\n\
         [features]\nflavour = \"kaldi\"\nbins = 40\n\
         [moments]\npauses = 2\ncuts = 0.0\nlook_ms = [100, 250]\nmade_silence = 0.2\ngated_silence = 0.0\n\
         [net]\nbins = 40\nframes = 120\nstack = 4\nwidth = 32\nblocks = 2\nkernel = 5\nheads = 2\ndropout = 0.0\n\
         [train]\nbackend = \"flex\"\nepochs = 0\nsteps = 500\nlearning_rate = 3e-3\nwarmup_steps = 10\n\
         average_decay = 0.0\nvalid_every = 1000\n\
         [export]\nbundle = {:?}\nname = \"tiny\"\nsummary = \"a test\"\nlicence = \"CC0-1.0\"\nrecipe = \"a test\"\n\
         data = [\"made up\"]\n[evaluate]\ncard = true\n",
        at("turn-run"),
        at("sets"),
        at(""),
        at(turns),
        at(turns),
        at(turns),
        at("turn")
    );
    let path = folder.join("turn.toml");
    std::fs::write(&path, recipe).unwrap();
    path
}
