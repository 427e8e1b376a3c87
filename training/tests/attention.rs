//! The attention decoder's recipe in small: a few sentences that the shipped voice reads are learnt by heart, exported with
//! a language model over the same tokens, and heard by both passes on both engines, in pieces of any length.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod made_clips;
mod pieces;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use made_clips::{SENTENCES, read_aloud};
use pieces::in_pieces;
use rejoinder_models::asr::{ConformerAttention, Decoding, Recognizer, transcribe};
use rejoinder_models::card::{Bundle, LatencyChoice, TOKEN_LM_ROLE};
use rejoinder_models::decode::attention::AttentionConfig;
use rejoinder_models::runtime::{self, RuntimeConfig, RuntimeKind, find_onnxruntime};
use rejoinder_models::zoo::{open_recognizer, open_recognizer_with};
use rejoinder_training::recipe;
use rejoinder_training::trainer::RunMode;

fn write_recipes(folder: &Path) -> [PathBuf; 2] {
    let at = |name: &str| format!("{:?}", folder.join(name).display().to_string());
    let [run, clips, out, bundle] = [at("run"), at("clips"), at(""), at("bundle")];
    let [lm_run, lm_bundle, tokens] = [at("lm"), at("lm-bundle"), at("run/tokens.txt")];
    let texts = "texts = [{ kind = \"transcripts\", folder = \"clips\", weight = 1.0 }]";
    let export = "summary = \"a test\"\nlicence = \"CC0-1.0\"\nrecipe = \"a test\"\ndata = [\"made up\"]\n";
    let attention = format!(
        "task = \"attention\"\nrun = {run}\n\
         latencies = [{{ chunk = 2, left = 8 }}, {{ chunk = 4, left = 16 }}]\n\
         [prepare]\nsets = {out}\nout = {out}\n\
         [tokenizer]\nvocabulary = 40\n\
         [data]\ntrain = [{{ folder = {clips} }}]\nvalid = {clips}\ntests = [{clips}]\n\
         [net]\nbins = 80\ndim = 64\nlayers = 2\nheads = 2\nfeed_forward = 128\nkernel = 5\nchannels = 64\nchunk = 4\n\
         left = 16\ndropout = 0.0\n\
         [chunks]\nchunk = [2, 8]\n\
         [decoder]\nnet = {{ dim = 48, layers = 2, heads = 2, feed_forward = 96, dropout = 0.0 }}\nchunks = [2]\n\
         left_chunks = [4]\ntoken_lm = {lm_bundle}\n\
         [train]\nbackend = \"flex\"\nepochs = 0\nsteps = 500\nlearning_rate = 3e-3\nwarmup_steps = 20\n\
         average_decay = 0.0\nvalid_every = 1000\n\
         [lm]\norder = 2\n{texts}\n\
         [export]\nbundle = {bundle}\nname = \"tiny\"\n{export}int8 = true\n\
         [export.params]\nsearch = {{ beam = 4, lm_weight = 0.3 }}\nattention = {{ beam = 4, fusion_weight = 0.5 }}\n"
    );
    let token_lm = format!(
        "task = \"token_lm\"\nrun = {lm_run}\ntokens = {tokens}\n{texts}\nvalid_every = 3\n\
         [prepare]\nsets = {out}\nout = {out}\n\
         [net]\ndim = 32\nlayers = 1\nheads = 2\nfeed_forward = 64\n\
         [train]\nbackend = \"flex\"\nepochs = 0\nsteps = 60\nlearning_rate = 5e-3\nwarmup_steps = 5\n\
         average_decay = 0.0\nvalid_every = 1000\n\
         [export]\nbundle = {lm_bundle}\nname = \"tiny-lm\"\n{export}"
    );
    [("attention.toml", attention), ("token_lm.toml", token_lm)].map(|(name, text)| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    })
}

#[test]
fn a_tiny_attention_decoder_is_learnt_by_heart_exported_and_heard() {
    let folder = tempfile::tempdir().unwrap();
    let clips = read_aloud(&folder.path().join("clips"));
    let [attention, token_lm] = write_recipes(folder.path()).map(|path| recipe::open(&path, &[]).unwrap());
    attention.tokenizer().unwrap();
    token_lm.tokenizer().unwrap();
    token_lm.train(RunMode::New).unwrap();
    token_lm.export().unwrap();
    token_lm.evaluate().unwrap();
    attention.train(RunMode::New).unwrap();
    attention.export().unwrap();
    attention.evaluate().unwrap();
    let results = std::fs::read_to_string(folder.path().join("run/results.json")).unwrap();
    let results: BTreeMap<String, BTreeMap<String, f64>> = serde_json::from_str(&results).unwrap();
    let names: Vec<&str> = results["clips"].keys().map(String::as_str).collect();
    let expected = ["net, chunk 2, left 8", "stream, joint, lm, chunk 4, left 16", "stream, joint, chunk 2, left 8"];
    assert!(expected.iter().all(|name| names.contains(name)), "{names:?}");
    assert_eq!(results["clips"]["net, chunk 4, left 16"], 0.0);

    let bundle = Bundle::open(&folder.path().join("bundle")).unwrap();
    assert!(bundle.has(TOKEN_LM_ROLE));
    let both = [RuntimeKind::Tract, RuntimeKind::Ort];
    let engines = both.into_iter().filter(|kind| *kind == RuntimeKind::Tract || find_onnxruntime().is_some());
    for engine in engines {
        let config = RuntimeConfig::of(engine);
        let runtime = runtime::open(&config).unwrap();
        let greedy = ConformerAttention::open(&bundle, runtime.as_ref(), &Decoding::greedy()).unwrap();
        // The decoder and its end alone decide.
        let alone = AttentionConfig { ctc_weight: 0.0, fusion_weight: 0.0, ..AttentionConfig::default() };
        let alone = Decoding { attention: Some(alone), lm: false, ..Decoding::default() };
        let alone = greedy.with_decoding(&bundle, &alone).unwrap();
        let card = open_recognizer(bundle.root(), &config).unwrap();
        let quick = LatencyChoice { chunk_ms: Some(160.0), left_ms: None };
        let quick = open_recognizer_with(bundle.root(), &config, &quick, &Decoding::default()).unwrap();
        let ways: [(_, &dyn Recognizer); 4] =
            [("greedy", &greedy), ("decoder", &alone), ("card", card.as_ref()), ("160 ms", quick.as_ref())];
        for (name, recognizer) in ways {
            let heard: Vec<_> = clips.iter().map(|clip| transcribe(recognizer, clip).unwrap()).collect();
            let texts: Vec<&str> = heard.iter().map(|heard| heard.text.as_str()).collect();
            let right = texts.iter().zip(SENTENCES).filter(|(text, sentence)| **text == *sentence).count();
            // With nothing to hold it to the sound, a decoder that has seen so little may end a sentence early.
            assert!(right >= SENTENCES.len() - usize::from(name == "decoder"), "{name} on {engine:?}: {texts:?}");
            for (heard, clip) in heard.iter().zip(&clips) {
                assert!(heard.words.windows(2).all(|pair| pair[0].end <= pair[1].start), "{:?}", heard.words);
                assert!(heard.words.iter().all(|word| word.start < word.end && word.start.0 < clip.len() as u64));
            }
            assert_eq!(in_pieces(recognizer, &clips[2], &[777, 4_000, 1, 9_999]), texts[2], "{name} on {engine:?}");
        }
    }
}
