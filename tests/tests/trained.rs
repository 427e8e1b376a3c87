//! Train, export, talk to it: tiny models that are trained here, in the place of shipped ones.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "../../training/tests/tiny_recogniser/mod.rs"]
mod tiny_recogniser;
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

/// The default assistant, with the models that were trained in `hears` and `speaks`.
fn assistant(hears: &Path, speaks: &Path) -> Assistant {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/assistants/default.toml");
    let text = format!(
        "include = {default:?}\n[vad]\nkind = \"crdnn\"\nmodel = {:?}\n[turn.end]\nmodel = {:?}\n\
         [asr]\nmodel = {:?}\n[tts]\nmodel = {:?}\n",
        hears.join("vad"),
        hears.join("turn"),
        hears.join("bundle"),
        speaks.join("bundle")
    );
    let path = hears.join("assistant.toml");
    std::fs::write(&path, text).unwrap();
    Assistant::open(&Config::load(&path).unwrap()).unwrap()
}

fn open(path: &Path, settings: &[&str]) -> Box<dyn Recipe> {
    let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
    recipe::open(path, &settings).unwrap()
}

/// A recogniser, a detector of voice activity, and one of turn ends that has learnt on what the other takes for speech.
fn ears(folder: &Path) -> Vec<Vec<f32>> {
    let clips = read_aloud(&folder.join("clips"));
    // In a conversation words begin anywhere in a chunk.
    let anywhere = "augment.pad_s={ probability = 1.0, min = 0.0, max = 0.6 }";
    let recogniser = open(&tiny_recogniser::write_recipe(folder), &[anywhere, "train.steps=400"]);
    recogniser.tokenizer().unwrap();
    let vad = open(&tiny_vad::write_recipe(folder, "clips"), &[]);
    let heard = format!("vad={{ kind = \"crdnn\", model = {:?} }}", folder.join("vad"));
    let turn = open(&tiny_turn::write_recipe(folder, "clips"), &[&heard, "data.least_s=0.3", "moments.cuts=1.0"]);
    for recipe in [recogniser, vad, turn] {
        recipe.train(RunMode::New).unwrap();
        recipe.export().unwrap();
    }
    clips
}

fn voice(folder: &Path) {
    tiny_voice::write(folder);
    open(&folder.join("g2p.toml"), &[]).train(RunMode::New).unwrap();
    let recipe = open(&folder.join("tts.toml"), &[]);
    recipe.prepare().unwrap();
    recipe.train(RunMode::New).unwrap();
    recipe.export().unwrap();
}

#[test]
fn ears_and_a_voice_that_were_just_trained_hold_a_conversation() {
    let (hears, speaks) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clips = ears(hears.path());
    voice(speaks.path());
    let assistant = assistant(hears.path(), speaks.path());
    let asked = SENTENCES.iter().position(|sentence| *sentence == "what time is it").unwrap();
    let silence = vec![0.0; SampleRate::INTERNAL.get() as usize];
    let caller = Clip::new([silence.as_slice(), &clips[asked], &silence].concat(), SampleRate::INTERNAL);
    let conversation = SessionBuilder::new(&assistant).simulate(&caller, Cost::Measured).unwrap();
    let lines: Timelines = conversation.events.iter().collect();
    let [turn] = lines.turns() else { panic!("expected one turn, found {:?}", lines.turns()) };
    assert_eq!(turn.text, SENTENCES[asked]);
    let used = conversation.events.iter().any(|event| matches!(&event.kind, EventKind::ToolCalled { .. }));
    assert!(used && !turn.reply.is_empty(), "{:?}", conversation.events);
    let loudest = conversation.assistant.samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    assert!(loudest > 0.02, "{} is not spoken", turn.reply);
}
