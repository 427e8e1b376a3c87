//! A conversation that knows who speaks: voices that are enrolled from tones, in the small language of `common`.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Parrot, RATE, assistant, speech, word};
use rejoinder::{Assistant, Config, Conversation, Cost, EventKind, Identity, SessionBuilder};
use rejoinder_models::Result;
use rejoinder_models::llm::Role;
use rejoinder_models::speaker::{Embedding, SpeakerEncoder, Voices};
use rejoinder_models::units::{SampleRate, Samples};

const COST: Cost = Cost::Fixed { step: Duration::from_micros(200), output: Duration::from_millis(2) };

/// A voice is its pitch: the embedding holds the energies of four bands, told by how often the sound changes its sign.
struct ByPitch;

impl SpeakerEncoder for ByPitch {
    fn name(&self) -> &str {
        "by pitch"
    }
    fn sample_rate(&self) -> SampleRate {
        RATE
    }
    fn shortest(&self) -> Samples {
        Samples(1_600)
    }
    fn threshold(&self) -> f32 {
        0.9
    }
    fn embed(&self, samples: &[f32]) -> Result<Embedding> {
        let mut bands = vec![0.0; 4];
        for frame in samples.chunks_exact(320) {
            let crossings = frame.windows(2).filter(|pair| (pair[0] < 0.0) != (pair[1] < 0.0)).count();
            let energy: f32 = frame.iter().map(|x| x * x).sum();
            bands[(crossings / 12).min(3)] += energy;
        }
        Ok(Embedding::new(bands))
    }
}

/// Ada is enrolled with the lowest tone, Grace with a high one; nobody with those between.
fn with_voices(parrot: &Parrot, told: Option<&str>) -> Assistant {
    let mut voices = Voices::new("by pitch");
    voices.enrol(&ByPitch, "Ada", &[word("alpha"), word("alpha")]).expect("a voice");
    voices.enrol(&ByPitch, "Grace", &[word("time")]).expect("a voice");
    let identity = Identity {
        encoder: Arc::new(ByPitch),
        voices: Arc::new(voices),
        threshold: 0.9,
        told: told.map(str::to_owned),
    };
    Assistant { identity: Some(identity), ..assistant(parrot) }
}

fn names(conversation: &Conversation) -> Vec<Option<String>> {
    let speakers = conversation.events.iter().filter_map(|event| match &event.kind {
        EventKind::Speaker { name, .. } => Some(name.clone()),
        _ => None,
    });
    speakers.collect()
}

#[test]
fn each_turn_has_its_speaker_and_a_stranger_has_no_name() {
    let parrot = Parrot::default();
    let assistant = with_voices(&parrot, Some("{name} says: {text}"));
    let script = "300 alpha alpha 2500 time time 3500 charlie charlie 2500 alpha 800";
    let conversation = SessionBuilder::new(&assistant).simulate(&speech(script), COST).expect("a conversation");
    let expected = [Some("Ada"), Some("Grace"), None, Some("Ada")].map(|name| name.map(str::to_owned));
    assert_eq!(names(&conversation), expected);
    let asked = parrot.0.lock().expect("no test panicked here").last().expect("a question").clone();
    let said = asked.iter().filter(|message| message.role == Role::User).map(|message| message.content.as_str());
    let expected = ["Ada says: alpha alpha", "Grace says: time time", "charlie charlie", "Ada says: alpha"];
    assert_eq!(said.collect::<Vec<_>>(), expected);
}

#[test]
fn a_long_turn_is_known_before_it_ends_and_costs_no_time_then() {
    let parrot = Parrot::default();
    let words = "alpha ".repeat(12);
    let plain = SessionBuilder::new(&assistant(&parrot)).simulate(&speech(&format!("300 {words} 800")), COST);
    let known = SessionBuilder::new(&with_voices(&parrot, None)).simulate(&speech(&format!("300 {words} 800")), COST);
    let (plain, known) = (plain.expect("a conversation"), known.expect("a conversation"));
    assert_eq!(names(&known), [Some("Ada".to_owned())]);
    let transcript = |conversation: &Conversation| {
        let finals = conversation.events.iter().filter(|event| matches!(event.kind, EventKind::Final { .. }));
        finals.map(|event| event.at.ms()).collect::<Vec<_>>()
    };
    let (without, with) = (transcript(&plain), transcript(&known));
    assert!(with[0] - without[0] < 5.0, "the transcript comes at {without:?} ms, and with voices at {with:?}");
}

#[test]
fn a_configuration_without_its_voices_says_how_to_make_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("assistant.toml");
    let assistant =
        "[asr]\nmodel = \"asr-en\"\n[llm]\nkind = \"llama\"\nmodel = \"lm-en\"\n[tts]\nmodel = \"tts-kathleen\"\n";
    let refused = |speaker: &str| {
        let text = format!("{assistant}[speaker]\nmodel = \"asr-en\"\nvoices = \"voices.toml\"\n{speaker}");
        Config::parse(&text, &path).expect_err("no voices").to_string()
    };
    let message = refused("");
    assert!(message.contains("speaker.voices") && message.contains("rejoinder enrol --voices"), "{message}");
    std::fs::write(folder.path().join("voices.toml"), "model = \"none\"\n").expect("a file");
    let message = refused("told = \"{name}\"");
    assert!(message.contains("speaker.told") && message.contains("{text}"), "{message}");
}
