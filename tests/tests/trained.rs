//! Train, export, talk to it: tiny models that are trained here, in the place of shipped ones.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "../../training/tests/tiny_recogniser/mod.rs"]
mod tiny_recogniser;
#[path = "../../training/tests/tiny_spotter/mod.rs"]
mod tiny_spotter;
#[path = "../../training/tests/tiny_turn/mod.rs"]
mod tiny_turn;
#[path = "../../training/tests/tiny_vad/mod.rs"]
mod tiny_vad;
#[path = "../../training/tests/tiny_voice/mod.rs"]
mod tiny_voice;

use std::path::Path;

use rejoinder::{Assistant, Config, Cost, EventKind, SessionBuilder, Timelines};
use rejoinder_models::audio::Clip;
use rejoinder_models::units::SampleRate;
use rejoinder_training::recipe::{self, Recipe};
use rejoinder_training::trainer::RunMode;
use tiny_recogniser::made_clips::{SENTENCES, read_aloud};

/// What calls the assistant.
const WAKE: &str = "good morning";

/// An assistant that nothing but the models which were trained in `trained` and `speaks` makes.
fn assistant(trained: &Path, speaks: &Path) -> Assistant {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/assistants/default.toml");
    let text = format!(
        "include = {default:?}\n[vad]\nkind = \"crdnn\"\nmodel = {:?}\n[turn.end]\nmodel = {:?}\n\
         [turn.wake]\nmodel = {:?}\nphrase = {WAKE:?}\nfollow_up_ms = 4000\n\
         [asr]\nmodel = {:?}\n[llm]\nmodel = {:?}\n[tts]\nmodel = {:?}\n",
        trained.join("vad"),
        trained.join("turn"),
        trained.join("spotter"),
        trained.join("bundle"),
        trained.join("lm"),
        speaks.join("bundle")
    );
    let path = trained.join("assistant.toml");
    std::fs::write(&path, text).unwrap();
    Assistant::open(&Config::load(&path).unwrap()).unwrap()
}

fn open(path: &Path, settings: &[&str]) -> Box<dyn Recipe> {
    let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
    recipe::open(path, &settings).unwrap()
}

/// A recogniser, a spotter, a detector of voice activity, and one of turn ends that has learnt on what the other takes for
/// speech.
fn ears(folder: &Path) -> Vec<Vec<f32>> {
    let clips = read_aloud(&folder.join("clips"));
    // In a conversation words begin anywhere in a chunk.
    let anywhere = "augment.pad_s={ probability = 1.0, min = 0.0, max = 0.6 }";
    let recogniser = open(&tiny_recogniser::write_recipe(folder), &[anywhere, "train.steps=400"]);
    recogniser.tokenizer().unwrap();
    let vad = open(&tiny_vad::write_recipe(folder, "clips"), &[]);
    let heard = format!("vad={{ kind = \"crdnn\", model = {:?} }}", folder.join("vad"));
    let turn = open(&tiny_turn::write_recipe(folder, "clips"), &[&heard, "data.least_s=0.3", "moments.cuts=1.0"]);
    let spotter = tiny_spotter::write_recipe(folder, &[WAKE], "clips", "clips");
    let clips_of = |part: &str| format!("data.{part}_spoken=[{:?}]", folder.join("clips"));
    let spotter = open(&spotter, &[&clips_of("valid"), &clips_of("test"), "examples={ window_s = 1.6, others = 5.0 }"]);
    for recipe in [recogniser, vad, turn, spotter] {
        recipe.train(RunMode::New).unwrap();
        recipe.export().unwrap();
    }
    finality(folder, &heard);
    clips
}

/// A net on the recogniser's states, which becomes a part of its bundle.
fn finality(folder: &Path, heard: &str) {
    let bundle = folder.join("bundle");
    let settings = [
        heard,
        "data.least_s=0.3",
        "moments.cuts=1.0",
        "net={ bins = 128, frames = 12, stack = 1, width = 16, blocks = 1, kernel = 3, heads = 2, dropout = 0.0 }",
        "train.steps=60",
        &format!("states={{ recognizer = {bundle:?} }}"),
        &format!("run={:?}", folder.join("states-run")),
        &format!("export.bundle={bundle:?}"),
    ];
    let path = tiny_turn::write_recipe(folder, "clips");
    let recipe = open(&path, &settings);
    recipe.train(RunMode::New).unwrap();
    let other = [&settings[..], &["export.name=\"another\""]].concat();
    let refused = open(&path, &other).export().unwrap_err().to_string();
    assert!(refused.contains("export.name: expected that of the recogniser, tiny"), "{refused}");
    recipe.export().unwrap();
    recipe.evaluate().unwrap();
}

fn voice(folder: &Path) {
    tiny_voice::write(folder);
    open(&folder.join("g2p.toml"), &[]).train(RunMode::New).unwrap();
    let recipe = open(&folder.join("tts.toml"), &[]);
    recipe.prepare().unwrap();
    recipe.train(RunMode::New).unwrap();
    recipe.export().unwrap();
}

/// A language model that knows how to tell the time.
fn mind(folder: &Path) {
    let recipe = format!(
        "task = \"lm\"\nrun = {:?}\n[tokenizer]\npieces = 500\ndialogues = 300\n\
         [writer]\nmix = [[\"clock\", 1.0]]\nnoisy_percent = 0\nmax_turns = 2\n\
         [packing]\ncontext = 192\nrows = 4\nbatches = 20\nvalid_batches = 1\nother_every = 0\n\
         [net]\ndim = 64\nlayers = 2\nheads = 4\nkv_heads = 2\nfeed_forward = 96\ntied = false\n\
         [train]\nbackend = \"flex\"\nepochs = 0\nsteps = 200\nlearning_rate = 1e-2\nwarmup_steps = 10\n\
         average_decay = 0.0\nvalid_every = 1000\n\
         [export]\nbundle = {:?}\nname = \"tiny\"\nsummary = \"a test\"\nlicence = \"CC0-1.0\"\nrecipe = \"a test\"\n\
         data = [\"made up\"]\n",
        folder.join("lm-run"),
        folder.join("lm")
    );
    let path = folder.join("lm.toml");
    std::fs::write(&path, recipe).unwrap();
    let recipe = open(&path, &[]);
    recipe.tokenizer().unwrap();
    recipe.train(RunMode::New).unwrap();
    recipe.export().unwrap();
}

#[test]
fn an_assistant_of_models_that_were_just_trained_holds_a_conversation() {
    let (trained, speaks) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clips = ears(trained.path());
    mind(trained.path());
    voice(speaks.path());
    let assistant = assistant(trained.path(), speaks.path());
    let said = |text: &str| &clips[SENTENCES.iter().position(|sentence| *sentence == text).unwrap()];
    let question = "what time is it";
    let silence = vec![0.0; 2 * SampleRate::INTERNAL.get() as usize];
    let caller = [&silence, said(question), &silence, said(WAKE), &silence, said(question), &silence];
    let caller = Clip::new(caller.map(Vec::as_slice).concat(), SampleRate::INTERNAL);
    let conversation = SessionBuilder::new(&assistant).simulate(&caller, Cost::Measured).unwrap();
    let lines: Timelines = conversation.events.iter().collect();
    // Whoever asks before they have called the assistant is not heard.
    let [call, turn] = lines.turns() else { panic!("expected a call and a question, found {:?}", lines.turns()) };
    assert_eq!((call.text.as_str(), call.reply.as_str()), (WAKE, ""));
    assert_eq!((turn.text.as_str(), turn.tools.as_slice()), (question, &["clock".to_owned()][..]));
    assert!(turn.reply.starts_with("It's "), "{}", turn.reply);
    let by_states = |kind: &EventKind| matches!(kind, EventKind::Paused { finality: Some(_), .. });
    assert!(conversation.events.iter().any(|event| by_states(&event.kind)), "pauses are judged by the states too");
    let loudest = conversation.assistant.samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    assert!(loudest > 0.02, "{} is not spoken", turn.reply);
}
