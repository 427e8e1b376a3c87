//! The recogniser's recipe in small.

#[path = "../made_clips/mod.rs"]
pub(crate) mod made_clips;

use std::path::{Path, PathBuf};

use made_clips::voice;

/// A dictionary that lacks some of the words, which are then read by their letters.
const DICTIONARY: &str = "a AH\na(2) EY\nset S EH T\ntimer T AY M ER\nstop S T AA P\nthe DH AH\nthe(2) DH IY\n\
                          what W AH T\ntime T AY M\nis IH Z\nit IH T\nand AH N D\nand(2) AE N D\n";

/// Writes a recipe that learns the clips in `folder/clips` by heart, and exports to `folder/bundle`.
pub(crate) fn write_recipe(folder: &Path) -> PathBuf {
    let at = |name: &str| folder.join(name).display().to_string();
    std::fs::create_dir_all(folder.join("sets/words")).unwrap();
    std::fs::write(folder.join("sets/words/tiny.dict"), DICTIONARY).unwrap();
    let recipe = format!(
        "task = \"asr\"\nrun = {:?}\n\
         latencies = [{{ chunk = 2, left = 8 }}, {{ chunk = 8, left = 24 }}]\n\
         [prepare]\nsets = {:?}\nout = {:?}\n\
         [tokenizer]\nvocabulary = 40\n\
         [data]\ntrain = [{{ folder = {:?} }}]\nvalid = {:?}\ntests = [{:?}]\n\
         [net]\nbins = 80\ndim = 64\nlayers = 2\nheads = 2\nfeed_forward = 128\nkernel = 5\nchannels = 64\nchunk = 4\n\
         left = 16\ndropout = 0.0\n\
         [train]\nbackend = \"flex\"\nepochs = 0\nsteps = 160\nlearning_rate = 4e-3\nwarmup_steps = 20\n\
         average_decay = 0.0\nvalid_every = 1000\n\
         [phones]\nset = \"words\"\ndictionary = \"tiny.dict\"\ng2p = {:?}\n\
         [lm]\norder = 2\ntexts = [{{ kind = \"transcripts\", folder = \"clips\", weight = 1.0 }}]\n\
         [export]\nbundle = {:?}\nname = \"tiny\"\nsummary = \"a test\"\nlicence = \"CC0-1.0\"\nrecipe = \"a test\"\n\
         data = [\"made up\"]\nint8 = true\n",
        at("run"),
        at("sets"),
        at(""),
        at("clips"),
        at("clips"),
        at("clips"),
        voice().display().to_string(),
        at("bundle")
    );
    let path = folder.join("asr.toml");
    std::fs::write(&path, recipe).unwrap();
    path
}
