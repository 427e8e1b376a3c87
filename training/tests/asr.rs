//! The recogniser's recipe in small: a few sentences that the shipped voice reads are learnt by heart, exported, and
//! heard by both searches on both engines.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod made_clips;

use std::path::Path;

use made_clips::{SENTENCES, no_augmentation, read_aloud, voice};
use rejoinder_models::asr::{ConformerCtc, CtcParams, Decoding, transcribe};
use rejoinder_models::card::{Bundle, MODEL_ROLE};
use rejoinder_models::runtime::{self, RuntimeConfig, RuntimeKind, find_onnxruntime};
use rejoinder_training::recipe;

/// A dictionary that lacks some of the words, which are then read by their letters.
const DICTIONARY: &str = "a AH\na(2) EY\nset S EH T\ntimer T AY M ER\nstop S T AA P\nthe DH AH\nthe(2) DH IY\n\
                          what W AH T\ntime T AY M\nis IH Z\nit IH T\nand AH N D\nand(2) AE N D\n";

fn write_recipe(folder: &Path) -> std::path::PathBuf {
    let at = |name: &str| folder.join(name).display().to_string();
    std::fs::create_dir_all(folder.join("sets/words")).unwrap();
    std::fs::write(folder.join("sets/words/tiny.dict"), DICTIONARY).unwrap();
    let augment = no_augmentation();
    let recipe = format!(
        "task = \"asr\"\nrun = {:?}\n\
         [prepare]\nsets = {:?}\nout = {:?}\n\
         [tokenizer]\nvocabulary = 40\n\
         [data]\ntrain = [{{ folder = {:?} }}]\nvalid = {:?}\ntests = [{:?}]\n\
         {augment}\
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

#[test]
fn a_tiny_recogniser_is_learnt_by_heart_exported_and_heard() {
    let folder = tempfile::tempdir().unwrap();
    let clips = read_aloud(&folder.path().join("clips"));
    let recipe = recipe::open(&write_recipe(folder.path()), &[]).unwrap();
    recipe.tokenizer().unwrap();
    recipe.train(false).unwrap();
    recipe.export().unwrap();
    let bundle = Bundle::open(&folder.path().join("bundle")).unwrap();
    let params: CtcParams = bundle.card().params(&bundle.path(MODEL_ROLE).unwrap()).unwrap();
    let lexicon = bundle.text("lexicon").unwrap();
    assert!(lexicon.contains("\nand AE N D\n") && lexicon.contains("latte "), "{lexicon}");

    let both = [RuntimeKind::Tract, RuntimeKind::Ort];
    let engines = both.into_iter().filter(|kind| *kind == RuntimeKind::Tract || find_onnxruntime().is_some());
    for engine in engines {
        let runtime = runtime::open(&RuntimeConfig::of(engine)).unwrap();
        let greedy = ConformerCtc::open(&bundle, runtime.as_ref(), &Decoding::greedy()).unwrap();
        let tokens = Decoding { search: Some(params.search.clone()), ..Decoding::default() };
        let ways = [
            ("greedy", greedy.clone()),
            ("tokens", greedy.with_decoding(&bundle, &tokens).unwrap()),
            ("words", greedy.with_decoding(&bundle, &Decoding::default()).unwrap()),
        ];
        for (name, recognizer) in ways {
            let heard: Vec<String> = clips.iter().map(|clip| transcribe(&recognizer, clip).unwrap().text).collect();
            assert_eq!(heard, SENTENCES, "{name} on {engine:?}");
        }
    }
}
