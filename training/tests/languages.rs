//! A recogniser of another script in small: AISHELL-1 in the layout in which it is published, with a few sentences that the
//! shipped voice reads in place of its speakers. What they are said to mean is learnt by heart, exported and heard.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod made_clips;

use std::path::Path;

use made_clips::read_aloud;
use rejoinder_models::asr::{ConformerCtc, Decoding, transcribe};
use rejoinder_models::audio::{Clip, write_wav};
use rejoinder_models::card::Bundle;
use rejoinder_models::runtime::{self, RuntimeConfig, RuntimeKind};
use rejoinder_models::text::Tokenizer;
use rejoinder_models::units::SampleRate;
use rejoinder_training::recipe;
use rejoinder_training::trainer::RunMode;

const SAID: [&str; 6] = ["设置 定时器", "停止 播放 音乐", "现在 几点 了", "来 一 大杯 拿铁", "七 和 九", "早上 好"];

fn write_set(set: &Path, clips: &[Vec<f32>]) {
    let mut transcripts = String::new();
    for (number, (clip, said)) in clips.iter().zip(SAID).enumerate() {
        let id = format!("BAC009S0002W{number:04}");
        transcripts += &format!("{id} {said}\n");
        for split in ["train", "dev", "test"] {
            let speaker = set.join("wav").join(split).join("S0002");
            std::fs::create_dir_all(&speaker).unwrap();
            write_wav(speaker.join(format!("{id}.wav")), &Clip::new(clip.clone(), SampleRate::INTERNAL)).unwrap();
        }
    }
    std::fs::create_dir_all(set.join("transcript")).unwrap();
    std::fs::write(set.join("transcript/aishell_transcript_v0.8.txt"), transcripts).unwrap();
}

/// The manifests are JSON; the one that tests is named itself, so that its clips are read from their files.
fn write_recipe(folder: &Path) -> std::path::PathBuf {
    let at = |name: &str| folder.join(name).display().to_string();
    let recipe = format!(
        "task = \"asr\"\nrun = {:?}\n\
         [prepare]\nsets = {:?}\nout = {:?}\nmanifests = \"json\"\n[prepare.aishell]\ndata_folder = {:?}\n\
         [tokenizer]\nvocabulary = 100\ntext = \"characters\"\nlanguage = \"zh\"\n\
         [data]\ntrain = [{{ folder = {:?} }}]\nvalid = {:?}\ntests = [{:?}]\n\
         manifest = {{ replacements = {{ data_root = {:?} }} }}\n\
         [net]\nbins = 80\ndim = 64\nlayers = 2\nheads = 2\nfeed_forward = 128\nkernel = 5\nchannels = 64\nchunk = 4\n\
         left = 16\ndropout = 0.0\n\
         [train]\nbackend = \"flex\"\nepochs = 0\nsteps = 200\nlearning_rate = 4e-3\nwarmup_steps = 20\n\
         average_decay = 0.0\nvalid_every = 200\n\
         [export]\nbundle = {:?}\nname = \"tiny\"\nsummary = \"a test\"\nlicence = \"CC0-1.0\"\nrecipe = \"a test\"\n\
         data = [\"made up\"]\n\
         [evaluate]\ncard = true\n",
        at("run"),
        at("sets"),
        at("out"),
        at("set"),
        at("out/train"),
        at("out/dev"),
        at("out/test/manifest.json"),
        at("set"),
        at("bundle")
    );
    let path = folder.join("asr.toml");
    std::fs::write(&path, recipe).unwrap();
    path
}

#[test]
fn characters_are_learnt_by_heart_exported_and_heard() {
    let folder = tempfile::tempdir().unwrap();
    let clips = read_aloud(&folder.path().join("clips"));
    write_set(&folder.path().join("set"), &clips);
    let recipe = recipe::open(&write_recipe(folder.path()), &[]).unwrap();
    recipe.prepare().unwrap();
    let manifest = std::fs::read_to_string(folder.path().join("out/train/manifest.json")).unwrap();
    assert!(manifest.contains("\"wav\": \"{data_root}/wav/train/S0002/BAC009S0002W0000.wav\""), "{manifest}");
    recipe.tokenizer().unwrap();
    let tokens = Tokenizer::read(folder.path().join("run/tokens.txt")).unwrap();
    assert!(tokens.id("铁").is_some() && tokens.len() < 40, "{:?}", tokens.pieces());
    recipe.train(RunMode::New).unwrap();
    recipe.export().unwrap();
    recipe.evaluate().unwrap();
    let bundle = Bundle::open(&folder.path().join("bundle")).unwrap();
    assert_eq!(bundle.card().language.as_deref(), Some("zh"));
    assert!(bundle.card().results.keys().any(|what| what.starts_with("CER on ")), "{:?}", bundle.card().results);
    let runtime = runtime::open(&RuntimeConfig::of(RuntimeKind::Tract)).unwrap();
    let recognizer = ConformerCtc::open(&bundle, runtime.as_ref(), &Decoding::greedy()).unwrap();
    let heard: Vec<String> = clips.iter().map(|clip| transcribe(&recognizer, clip).unwrap().text).collect();
    assert_eq!(heard, SAID.map(|said| said.replace(' ', "")));
    let log = std::fs::read_to_string(folder.path().join("run/log.jsonl")).unwrap();
    assert!(log.contains("\"cer\":"), "{log}");
    let left = std::fs::read_dir(folder.path().join("run")).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<String> = left.map(|name| name.to_string_lossy().into_owned()).collect();
    let has = |start: &str| left.iter().any(|name| name.starts_with(start));
    assert!(has("events.out.tfevents.") && has("curves.svg"), "{left:?}");
}
