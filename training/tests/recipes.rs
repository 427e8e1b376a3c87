//! Every recipe of the repository is resolved; and those whose data the test can make run in debug mode on it, net and
//! all in small, from their first step to the figures: whether all runs, not whether it learns. Each bundle is begun with
//! in turn, and comes out as it was.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod prepared;
mod voice;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use rejoinder_models::card::Bundle;
use rejoinder_models::text::Tokenizer;
use rejoinder_models::tts::source_filter::SourceFilterConfig;
use rejoinder_training::export::OnnxModel;
use rejoinder_training::recipe::{self, Recipe};
use rejoinder_training::trainer::RunMode;

const WORDS: [&str; 4] = ["set a timer", "stop the music", "what time is it", "good morning to you"];
const RATE: f32 = 16_000.0;

fn folder_of_recipes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/recipes")
}

/// All recipes, by task and name.
fn recipes() -> Vec<PathBuf> {
    let entries = |folder: &Path| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let tasks = entries(&folder_of_recipes()).filter(|path| path.is_dir());
    let files = tasks.flat_map(|task| entries(&task).collect::<Vec<_>>());
    let mut recipes: Vec<_> = files.filter(|path| path.extension().is_some_and(|ext| ext == "toml")).collect();
    recipes.sort();
    recipes
}

/// A second of a vowel at the pitch of a speaker, a pause, and a second more.
fn hum(clip: usize) -> Vec<f32> {
    let hz = 90.0 + 9.0 * (clip / 4) as f32;
    let voiced = |n: usize| {
        let phase = n as f32 * std::f32::consts::TAU * hz / RATE;
        let formant = |h: f32| 1.0 / (1.0 + ((h * hz - 700.0) / 400.0).powi(2));
        0.1 * (1..24).map(|h| formant(h as f32) * (h as f32 * phase).sin()).sum::<f32>()
    };
    let noise = |n: usize| 1e-3 * ((n * 7_919 % 1_009) as f32 / 1_009.0 - 0.5);
    let loud = |n: usize| n < 16_000 || (24_000..40_000 + 100 * clip).contains(&n);
    (0..44_000 + 100 * clip).map(|n| noise(n) + if loud(n) { voiced(n) } else { 0.0 }).collect()
}

/// A prepared folder: ten speakers who hum at their own pitch, four clips each.
fn write_clips(folder: &Path) {
    let clip =
        |clip: usize| (format!("hum/{clip}"), format!("s{:02}", clip / 4), WORDS[clip % 4].to_owned(), hum(clip));
    prepared::write_clips(folder, (0..40).map(clip));
}

/// A dictionary of made-up words of one to three syllables.
fn write_dictionary(path: &Path) {
    let onsets = [("b", "B"), ("k", "K"), ("d", "D"), ("m", "M"), ("s", "S"), ("t", "T")];
    let vowels = [("a", "AA1"), ("i", "IH1"), ("o", "OW1")];
    let syllables: Vec<(String, String)> = onsets
        .iter()
        .flat_map(|(onset, phone)| vowels.map(|(vowel, sound)| (format!("{onset}{vowel}"), format!("{phone} {sound}"))))
        .collect();
    let mut text = String::new();
    for (first, sound) in &syllables {
        writeln!(text, "{first} {sound}").unwrap();
        for (second, more) in &syllables {
            writeln!(text, "{first}{second} {sound} {more}").unwrap();
        }
    }
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// The steps of a recipe that runs here, and what they need to be told.
struct Small {
    tokenizer: bool,
    settings: Vec<(&'static str, String)>,
}

impl Small {
    fn open(&self, path: &Path, more: &[(&str, String)]) -> Box<dyn Recipe> {
        let own = self.settings.iter().map(|(key, value)| format!("{key}={value}"));
        let all: Vec<String> = own.chain(more.iter().map(|(key, value)| format!("{key}={value}"))).collect();
        recipe::open(path, &all).unwrap()
    }

    /// A net that begins with the bundle and learns nothing makes the same files of it.
    fn comes_back(&self, path: &Path, folder: &Path) {
        let [bundle, run, again] = ["bundle", "again/run", "again/bundle"].map(|name| folder.join(name));
        let more = [
            ("run", quoted(&run)),
            ("train.start", quoted(&bundle)),
            ("train.minutes", "1e-9".to_owned()),
            ("export.bundle", quoted(&again)),
        ];
        let recipe = self.open(path, &more);
        let tokens = if self.tokenizer { recipe.tokenizer() } else { Ok(()) };
        let outcome = tokens.and_then(|()| recipe.train(RunMode::New)).and_then(|()| recipe.export());
        outcome.unwrap_or_else(|e| panic!("{}, again: {e}", path.display()));
        let names = |folder: &Path| {
            let files = Bundle::open(folder).unwrap().card().files.clone();
            files.into_values().map(|entry| entry.path).filter(|path| path.ends_with(".onnx")).collect::<Vec<_>>()
        };
        assert!(!names(&bundle).is_empty() && names(&bundle) == names(&again), "{}", path.display());
        for name in names(&bundle) {
            let graph = |folder: &Path| OnnxModel::read(&folder.join(&name)).unwrap().proto.graph.unwrap();
            let (before, after) = (graph(&bundle), graph(&again));
            for (old, new) in before.initializer.iter().zip(&after.initializer) {
                assert!(old == new, "{}, {name}: {} has changed to {}", path.display(), old.name(), new.name());
            }
            assert!(before == after, "{}, {name}: not the same graph", path.display());
        }
    }
}

/// A path as a value of TOML.
fn quoted(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}

/// What makes a recipe of the recogniser small, or one that is trained beside it.
fn small_recogniser(name: &str, folder: &Path) -> Vec<(&'static str, String)> {
    let (clips, mut settings) = (quoted(&folder.join("clips")), Vec::new());
    let mut add = |pairs: &[(&'static str, &str)]| settings.extend(pairs.iter().map(|(k, v)| (*k, (*v).to_owned())));
    add(&[
        ("net.dim", "32"),
        ("net.layers", "2"),
        ("net.heads", "2"),
        ("net.feed_forward", "64"),
        ("net.channels", "32"),
    ]);
    add(&[
        ("prepare.sets", quoted(&folder.join("sets")).as_str()),
        ("prepare.out", quoted(folder).as_str()),
        ("tokenizer.vocabulary", "40"),
        ("data.train", format!("[{{ folder = {clips} }}]").as_str()),
        ("data.valid", clips.as_str()),
        ("data.tests", format!("[{clips}]").as_str()),
        ("loader.max_seconds", "7.0"),
        ("evaluate.clips", "2"),
    ]);
    if name == "crdnn_ctc" {
        add(&[("net.channels", "4")]);
    }
    if name.ends_with("_transducer") {
        add(&[("transducer.joint.predictor_dim", "16"), ("transducer.joint.dim", "32")]);
        add(&[("transducer.chunks", "[2]"), ("transducer.left_chunks", "[2]")]);
    }
    if name.ends_with("_attention") {
        add(&[("decoder.net", "{ dim = 32, layers = 1, heads = 2, feed_forward = 64 }")]);
        add(&[("decoder.chunks", "[2]"), ("decoder.left_chunks", "[2]")]);
    }
    let base = quoted(&folder.join("base"));
    match name {
        "more_speech" => add(&[("train.start", base.as_str())]),
        "adapted" | "adapted_houlsby" => add(&[("train.adapters.base", base.as_str()), ("lm.bundle", base.as_str())]),
        "distilled" => add(&[("distill.teacher", base.as_str()), ("net.layers", "1")]),
        "conformer_transducer" => add(&[("transducer.encoder", base.as_str()), ("transducer.frozen_steps", "1")]),
        "conformer_attention" => add(&[("decoder.encoder", base.as_str()), ("decoder.frozen_steps", "1")]),
        _ => {}
    }
    if name == "mini_librispeech" {
        add(&[("lm.texts", "[{ kind = \"transcripts\", folder = \"clips\", weight = 1.0 }]")]);
    }
    if name == "timit" {
        add(&[("data.manifest.words", "\"wrd\"")]);
    }
    if name == "aishell" {
        std::fs::write(folder.join("lines.txt"), "timer\nset it\n").unwrap();
        let lines = quoted(&folder.join("lines.txt"));
        add(&[
            ("lm.texts", format!("[{{ kind = \"lines\", path = {lines}, weight = 1.0 }}]").as_str()),
            ("export.params", "{ lm_unit = \"piece\", search = { beam = 4, lm_weight = 0.3 } }"),
        ]);
    }
    if name.starts_with("librispeech") || ["common_voice", "aishell", "mini_librispeech", "timit"].contains(&name) {
        return settings;
    }
    add(&[
        ("phones.set", "\"words\""),
        ("phones.dictionary", "\"tiny.dict\""),
        ("phones.g2p", quoted(&folder_of_recipes().join("../../models/pretrained/tts-kathleen")).as_str()),
        ("phones.aligner", "{ rounds = 1, splits = 1, rounds_after_split = 1 }"),
        ("phones.aligner_clips", "8"),
        ("phones.aligned_steps", if name.starts_with("adapted") { "0" } else { "2" }),
        ("lm.texts", "[{ kind = \"transcripts\", folder = \"clips\", weight = 1.0 }]"),
    ]);
    if !name.ends_with("_transducer") && !name.ends_with("_attention") {
        add(&[("evaluate.hotwords", "[{ text = \"timer\", boost = 0.3 }]")]);
    }
    settings
}

/// Recordings of one speaker, a prepared set and as LJ Speech is published; and their letters to sound.
fn write_voice(folder: &Path) {
    std::fs::create_dir_all(folder.join("LJSpeech-1.1/wavs")).unwrap();
    voice::make_recordings(folder, &voice::geometry());
    let (mut metadata, mut list) = (String::new(), csv::Reader::from_path(folder.join("manifest.csv")).unwrap());
    for row in list.records().map(Result::unwrap) {
        let name = format!("LJ001-{:0>4}", &row[0]);
        std::fs::copy(folder.join(&row[1]), folder.join(format!("LJSpeech-1.1/wavs/{name}.wav"))).unwrap();
        writeln!(metadata, "{name}|{0}|{0}", &row[2]).unwrap();
    }
    std::fs::write(folder.join("LJSpeech-1.1/metadata.csv"), metadata).unwrap();
    std::fs::write(folder.join("words.dict"), voice::DICTIONARY).unwrap();
    std::fs::write(folder.join("sentences.txt"), "so me\n").unwrap();
    let settings = ["run", "g2p.dictionary"].map(|key| match key {
        "run" => format!("run={}", quoted(&folder.join("g2p"))),
        key => format!("{key}={}", quoted(&folder.join("words.dict"))),
    });
    let counts = ["g2p.held_out=0", "g2p.min_unit_count=1", "g2p.min_count=1", "g2p.order=3"].map(str::to_owned);
    let recipe = recipe::open(&folder_of_recipes().join("g2p/cmudict.toml"), &[&settings[..], &counts[..]].concat());
    recipe.unwrap().train(RunMode::New).unwrap();
}

/// What makes a recipe of a voice small.
fn small_voice(name: &str, folder: &Path) -> Vec<(&'static str, String)> {
    let (recordings, mut settings) = (folder.join("voice"), Vec::new());
    let mut add = |pairs: &[(&'static str, &str)]| settings.extend(pairs.iter().map(|(k, v)| (*k, (*v).to_owned())));
    for part in [["acoustic.train.debug", "acoustic.train.backend"], ["vocoder.train.debug", "vocoder.train.backend"]] {
        add(&[(part[0], "true"), (part[1], "\"flex\"")]);
    }
    let SourceFilterConfig { rate_hz, hop, fft, harmonic_order, noise_order } = voice::geometry();
    let geometry = format!(
        "{{ rate_hz = {rate_hz}, hop = {hop}, fft = {fft}, harmonic_order = {harmonic_order}, \
         noise_order = {noise_order} }}"
    );
    add(&[
        ("g2p", quoted(&recordings.join("g2p")).as_str()),
        ("corpus", quoted(&folder.join("corpus")).as_str()),
        ("voice.geometry", geometry.as_str()),
        ("voice.held_out", "1"),
        ("voice.mels", "30"),
        ("acoustic.width", "32"),
        ("acoustic.encoder_blocks", "1"),
        ("acoustic.decoder_blocks", "1"),
        ("acoustic.adversarial_from", "1"),
        ("vocoder.width", "32"),
        ("vocoder.blocks", "1"),
        ("vocoder.segments", "2"),
        ("vocoder.segment_frames", "32"),
        ("vocoder.adversarial_from", "1"),
        ("evaluate.sentences", quoted(&recordings.join("sentences.txt")).as_str()),
        ("evaluate.recogniser", quoted(&folder.join("base")).as_str()),
    ]);
    if name == "ljspeech" {
        let save = recordings.join("lists");
        add(&[
            ("prepare.ljspeech.data_folder", quoted(&recordings.join("LJSpeech-1.1")).as_str()),
            ("prepare.ljspeech.save_folder", quoted(&save).as_str()),
            ("voice.manifest", quoted(&save.join("train.csv")).as_str()),
        ]);
    } else {
        add(&[("voice.manifest", quoted(&recordings.join("manifest.csv")).as_str())]);
    }
    settings
}

/// What makes a recipe small.
fn small(recipe: &Path, folder: &Path) -> Small {
    let clips = quoted(&folder.join("clips"));
    let test = format!("[{{ name = \"hum\", clips = [{clips}] }}]");
    let (mut tokenizer, mut settings) = (false, vec![("run", quoted(&folder.join("run")))]);
    let name = |path: Option<&Path>| path.and_then(Path::file_stem).unwrap().to_str().unwrap().to_owned();
    let (task, name) = (name(recipe.parent()), name(Some(recipe)));
    let task = task.as_str();
    let mut add = |pairs: &[(&'static str, &str)]| settings.extend(pairs.iter().map(|(k, v)| (*k, (*v).to_owned())));
    if task != "g2p" {
        add(&[("export.bundle", quoted(&folder.join("bundle")).as_str())]);
    }
    if !["g2p", "tts"].contains(&task) {
        add(&[("train.debug", "true"), ("train.backend", "\"flex\"")]);
    }
    match (task, name.as_str()) {
        ("asr", "token_lm") => {
            tokenizer = true;
            add(&[
                ("tokens", quoted(&folder.join("tokens.txt")).as_str()),
                ("texts", "[{ kind = \"transcripts\", folder = \"clips\", weight = 1.0 }]"),
                ("valid_every", "2"),
                ("prepare.sets", quoted(&folder.join("sets")).as_str()),
                ("prepare.out", quoted(folder).as_str()),
                ("net.dim", "32"),
                ("net.layers", "1"),
                ("net.feed_forward", "64"),
            ]);
        }
        ("asr", name) => {
            tokenizer = true;
            settings.extend(small_recogniser(name, folder));
        }
        ("speaker", name) => {
            let sizes = match name {
                "xvector" => [("net.tdnn_channels", "64"), ("net.pooled_channels", "96")],
                _ => [("net.channels", "64"), ("net.mfa_channels", "96")],
            };
            add(&sizes);
            add(&[
                ("data.train", format!("[{clips}]").as_str()),
                ("data.valid", "[]"),
                ("data.valid_speakers", "4"),
                ("data.valid_clips", "4"),
                ("data.tests", test.as_str()),
                ("batches.clips", "4"),
                ("batches.crop_s", "1.0"),
            ]);
        }
        ("turn", name) => {
            add(&[
                ("batch", "4"),
                ("data.train", format!("[{clips}]").as_str()),
                ("data.valid", clips.as_str()),
                ("data.tests", format!("[{clips}]").as_str()),
                ("net.frames", "100"),
                ("net.width", "32"),
                ("net.blocks", "2"),
                ("evaluate.clips", "4"),
            ]);
            if name == "more_speech" {
                add(&[("train.start", quoted(&folder.join("turn_base")).as_str())]);
            }
            if name == "states" {
                // Of the tiny recogniser, the middle block and the last.
                let base = quoted(&folder.join("base"));
                add(&[("states.recognizer", base.as_str()), ("export.bundle", base.as_str())]);
                add(&[("net.frames", "12"), ("net.bins", "64")]);
            }
        }
        ("keyword", _) => add(&[
            ("keywords", "[\"stop the music\", \"good morning to you\"]"),
            ("batch", "4"),
            ("data.spoken", format!("[{clips}]").as_str()),
            ("data.valid_spoken", "[]"),
            ("data.test_spoken", "[]"),
            ("data.others", format!("[{clips}]").as_str()),
            ("data.valid_others", format!("[{clips}]").as_str()),
            ("data.test_others", format!("[{clips}]").as_str()),
            ("net.width", "16"),
            ("net.blocks", "2"),
            ("evaluate.noise", clips.as_str()),
        ]),
        ("vad", _) => add(&[
            ("batch", "4"),
            ("data.train", format!("[{clips}]").as_str()),
            ("data.valid", format!("[{clips}]").as_str()),
            ("data.tests", format!("[{clips}]").as_str()),
            ("mixtures.count", "16"),
            ("loss", "{ kind = \"focal\", alpha = 0.4 }"),
            ("net.channels", "4"),
            ("net.width", "16"),
            ("evaluate.mixtures", "1"),
            ("evaluate.mixture_s", "10"),
        ]),
        ("separation", name) => {
            add(&[
                ("batch", "2"),
                ("mixtures.window_s", "0.5"),
                ("mixtures.count", "4"),
                ("net.filters", "16"),
                ("net.width", "8"),
                ("net.hidden", "12"),
                ("net.blocks", "2"),
                ("net.repeats", "1"),
                ("evaluate.mixtures", "2"),
                ("evaluate.mixture_s", "1"),
            ]);
            // The voice of each clip is its mixture, too.
            let columns = if ["denoise", "voicebank"].contains(&name) { "[\"wav\"]" } else { "[\"wav\", \"wav\"]" };
            let recorded = ["voicebank", "wsj0mix"].contains(&name);
            for (made, listed) in [
                ("data.train", "data.recorded.train"),
                ("data.valid", "data.recorded.valid"),
                ("data.tests", "data.recorded.tests"),
            ] {
                add(&[(if recorded { listed } else { made }, format!("[{clips}]").as_str())]);
            }
            add(&[("data.recorded.mixture", "\"wav\""), ("data.recorded.sources", columns)]);
        }
        ("lm", name) => {
            tokenizer = true;
            if name == "more_words" {
                add(&[("train.start", quoted(&folder.join("lm_base")).as_str())]);
            }
            add(&[
                ("lexicon", quoted(&folder.join("sets/words/tiny.dict")).as_str()),
                ("tokenizer", "{ pieces = 400, dialogues = 60 }"),
                ("packing.rows", "1"),
                ("packing.valid_batches", "1"),
                ("net.dim", "96"),
                ("net.layers", "1"),
                ("net.feed_forward", "64"),
            ]);
        }
        ("g2p", _) => add(&[
            ("g2p.dictionary", quoted(&folder.join("sets/words/tiny.dict")).as_str()),
            ("g2p.min_unit_count", "1"),
        ]),
        ("tts", name) => settings.extend(small_voice(name, folder)),
        _ => panic!("{}: nothing makes it small", recipe.display()),
    }
    Small { tokenizer, settings }
}

#[test]
fn every_recipe_is_resolved() {
    assert!(recipes().len() >= 7);
    for path in recipes() {
        recipe::open(&path, &[]).map(drop).unwrap();
        let message = recipe::open(&path, &["unheard_of=1".to_owned()]).err().unwrap().to_string();
        assert!(message.contains("unheard_of") && message.contains(&path.display().to_string()), "{message}");
    }
}

#[test]
fn recipes_run_in_debug_mode() {
    let folder = tempfile::tempdir().unwrap();
    write_clips(&folder.path().join("clips"));
    write_dictionary(&folder.path().join("sets/words/tiny.dict"));
    write_voice(&folder.path().join("voice"));
    Tokenizer::characters(' '..='z').unwrap().write(folder.path().join("tokens.txt")).unwrap();
    // What others begin with, or learn from.
    let bases = [
        ("asr/conformer_ctc.toml", "base"),
        ("turn/convolutional.toml", "turn_base"),
        ("lm/rejoinder.toml", "lm_base"),
    ];
    for (recipe, bundle) in bases {
        let path = folder_of_recipes().join(recipe);
        let mut base = small(&path, folder.path());
        base.settings.push(("run", quoted(&folder.path().join(format!("{bundle}_run")))));
        base.settings.push(("export.bundle", quoted(&folder.path().join(bundle))));
        let recipe = base.open(&path, &[]);
        if base.tokenizer {
            recipe.tokenizer().unwrap();
        }
        recipe.train(RunMode::New).and_then(|()| recipe.export()).unwrap();
    }
    for path in recipes() {
        let began = std::time::Instant::now();
        let small = small(&path, folder.path());
        let recipe = small.open(&path, &[]);
        let step = |name: &str, result: rejoinder_training::Result<()>| {
            result.unwrap_or_else(|e| panic!("{}, {name}: {e}", path.display()));
        };
        if path.starts_with(folder_of_recipes().join("tts")) {
            step("prepare", recipe.prepare());
        }
        if small.tokenizer {
            step("tokenizer", recipe.tokenizer());
        }
        step("train", recipe.train(RunMode::New));
        step("export", recipe.export());
        step("evaluate", recipe.evaluate());
        let name = path.strip_prefix(folder_of_recipes()).unwrap().display().to_string();
        // A letters-to-sound model is no net, language models stand in files of llama.cpp's, what hears states is a part of
        // another bundle, an adaptation has begun with a bundle before, and a voice's two nets have a test of their own.
        let others = ["g2p/cmudict.toml", "lm/rejoinder.toml", "lm/more_words.toml", "turn/states.toml"];
        let begun = name.starts_with("tts") || name.starts_with("asr/adapted");
        if !others.contains(&name.as_str()) && !begun {
            small.comes_back(&path, folder.path());
        }
        eprintln!("{name}: {:.1?}", began.elapsed());
        for left in ["run", "bundle", "again"].map(|name| folder.path().join(name)).iter().filter(|left| left.exists())
        {
            std::fs::remove_dir_all(left).unwrap();
        }
    }
}
