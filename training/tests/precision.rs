//! Training in bfloat16 comes to what training in 32 bits comes to.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod prepared;

use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Tensor};
use rejoinder_training::recipe::{self, Recipe};
use rejoinder_training::tasks::asr::AsrRecipe;
use rejoinder_training::trainer::{self, RunMode, Task};

const WORDS: [&str; 3] = ["one tone", "no tone", "a tone"];

/// Twelve tones of a pitch that goes with their words.
fn write_clips(folder: &Path) {
    let clips = (0..12).map(|clip| {
        let pitch = 0.03 * (1 + clip % 3) as f32;
        let samples = (0..12_000 + 300 * clip).map(|i| 0.3 * (pitch * i as f32).sin()).collect();
        (format!("tones/{clip}"), "s".to_owned(), WORDS[clip % 3].to_owned(), samples)
    });
    prepared::write_clips(folder, clips);
}

fn recipe(folder: &Path, precision: &str) -> String {
    let root = folder.display();
    format!(
        "run = \"{root}/{precision}\"\n[prepare]\nsets = \"{root}\"\nout = \"{root}\"\n[tokenizer]\nvocabulary = 12\n\
         [data]\ntrain = [{{ folder = \"{root}/clips\" }}]\nvalid = \"{root}/clips\"\ntests = []\n\
         [loader]\nmax_seconds = 8.0\nworkers = 1\n\
         [net]\nbins = 80\ndim = 32\nlayers = 2\nheads = 2\nfeed_forward = 64\nkernel = 5\nchannels = 32\nchunk = 4\n\
         left = 8\ndropout = 0.0\n\
         [train]\nbackend = \"flex\"\nprecision = \"{precision}\"\nepochs = 0\nsteps = 90\nlearning_rate = 5e-3\n\
         warmup_steps = 5\naverage_decay = 0.8\nvalid_every = 100\n\
         [export]\nbundle = \"{root}/{precision}/bundle\"\nname = \"tiny\"\nlicence = \"CC0-1.0\"\nsummary = \"a test\"\n\
         recipe = \"a test\"\ndata = []\n"
    )
}

/// The validation loss of a net.
fn loss<T: Task>(task: &T, net: &T::Net) -> f64 {
    let figures = trainer::evaluate(task, net, &Device::flex()).unwrap();
    figures.means().iter().find(|(name, _)| *name == "loss").unwrap().1
}

/// The bits of all weights, which must be 32 each.
fn bits<M: Module>(net: &M) -> Vec<u32> {
    struct Bits(Vec<u32>);
    impl ModuleVisitor for Bits {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            assert_eq!(param.val().dtype(), DType::F32);
            self.0.extend(param.val().into_data().iter::<f32>().map(f32::to_bits));
        }
    }
    let mut bits = Bits(Vec::new());
    net.visit(&mut bits);
    bits.0
}

#[test]
fn a_recogniser_learns_in_16_bits_what_it_learns_in_32() {
    let folder = tempfile::tempdir().unwrap();
    write_clips(&folder.path().join("clips"));
    let mut found = Vec::new();
    for precision in ["fp32", "bf16"] {
        let recipe: AsrRecipe = toml::from_str(&recipe(folder.path(), precision)).unwrap();
        recipe.tokenizer().unwrap();
        recipe.train(RunMode::New).unwrap();
        let (task, device) = (recipe.task().unwrap(), Device::flex());
        device.seed(1234);
        let (fresh, trained) = (task.net(&device), recipe.trained(&device).unwrap());
        found.push((loss(&task, &fresh), loss(&task, &trained), bits(&trained)));
        let resolved = std::fs::read_to_string(folder.path().join(precision).join("recipe.toml")).unwrap();
        assert!(resolved.contains(&format!("precision = \"{precision}\"")), "{resolved}");
        // The export compares its outputs with those of the net in 32 bits.
        recipe.export().unwrap();
    }
    let [(fresh, full, weights), (_, mixed, other)] = &found[..] else { unreachable!("there are two") };
    println!("{fresh} becomes {full} in 32 bits, {mixed} in 16");
    assert!(*full < 0.5 * fresh, "{full} after {fresh}");
    assert!((mixed - full).abs() < 0.05 * (fresh - full), "{mixed} in 16 bits, {full} in 32, {fresh} before");
    assert!(weights != other, "the precision changed nothing");
}

#[test]
fn other_precisions_are_refused_before_anything_begins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("asr.toml");
    std::fs::write(&path, format!("task = \"asr\"\n{}", recipe(folder.path(), "fp16"))).unwrap();
    let message = recipe::open(&path, &[]).err().unwrap().to_string();
    assert!(message.contains("expected fp32 or bf16, found fp16") && !message.contains('\n'), "{message}");
    assert!(!folder.path().join("fp16").exists());
}
