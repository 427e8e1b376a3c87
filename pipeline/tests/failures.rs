//! Stages that fail in a conversation, in virtual time.
#![allow(clippy::unwrap_used, reason = "a test's helpers may fail like the test")]

mod common;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use common::{Parrot, assistant, speech};
use rejoinder::turn::State;
use rejoinder::{Assistant, Conversation, Cost, EventKind, SessionBuilder, Timelines};
use rejoinder_models::Result;
use rejoinder_models::llm::tools::Moment;
use rejoinder_models::llm::{Cancel, ChatMessage, Dialogue, Finish, Responder, ToolSpec};

const COST: Cost = Cost::Fixed { step: Duration::from_micros(200), output: Duration::from_millis(2) };

fn simulate(script: &str) -> Conversation {
    SessionBuilder::new(&assistant(&Parrot::default())).simulate(&speech(script), COST).unwrap()
}

#[test]
fn a_stage_that_fails_ends_its_turn_and_the_conversation_goes_on() {
    let lines: Timelines = simulate("300 fail 2000 alpha 500").events.iter().collect();
    assert_eq!(lines.turns()[0].failed.as_deref(), Some("respond: parrot: no answer"));
    assert_eq!(lines.turns()[1].reply.trim_start_matches("fail "), "alpha bravo.");
}

#[test]
fn what_a_model_said_before_it_failed_is_a_reply_that_can_be_interrupted() {
    let conversation = simulate("300 fail fail 700 alpha alpha alpha 900");
    let lines: Timelines = conversation.events.iter().collect();
    assert_eq!(lines.turns()[0].failed.as_deref(), Some("respond: parrot: no more"));
    let sounding = conversation.events.iter().skip_while(|event| event.kind != EventKind::AudioStarted);
    let mut states = sounding.filter_map(|event| match event.kind {
        EventKind::State { state } => Some(state),
        _ => None,
    });
    assert_eq!(states.next(), Some(State::Speaking));
    assert_eq!(states.next(), Some(State::Interrupted));
    assert!(lines.turns()[0].interrupted, "{lines:?}");
}

#[test]
fn an_apology_takes_the_place_of_a_reply_that_has_no_word_yet() {
    let parrot = Parrot::default();
    let assistant = Assistant { apology: Some("delta delta.".to_owned()), ..assistant(&parrot) };
    let session = SessionBuilder::new(&assistant);
    let conversation = session.simulate(&speech("300 fail 2000 alpha 1500 fail fail 2000"), COST).unwrap();
    let lines: Timelines = conversation.events.iter().collect();
    let [failed, next, late] = lines.turns() else { panic!("three turns, not {lines:?}") };
    assert!(failed.reply == "delta delta." && failed.finished && failed.failed.is_none(), "{lines:?}");
    let reason = "parrot: no answer";
    let told = |kind: &EventKind| matches!(kind, EventKind::Degraded { reason: why, .. } if why == reason);
    assert_eq!(conversation.events.iter().filter(|event| told(&event.kind)).count(), 1);
    assert_eq!(next.reply, "alpha bravo.");
    assert_eq!(late.failed.as_deref(), Some("respond: parrot: no more"), "what has a word is not apologized for");
    let history = parrot.0.lock().unwrap()[1].clone();
    let said: Vec<_> = history[1..].iter().map(|message| message.content.as_str()).collect();
    assert_eq!(said, ["fail", "delta delta.", "alpha"]);
}

#[test]
fn noise_after_a_failed_turn_asks_nobody_again() {
    let parrot = Parrot::default();
    let session = SessionBuilder::new(&assistant(&parrot));
    let conversation = session.simulate(&speech("300 fail 2000 hiss 2000 hiss 1000"), COST).unwrap();
    assert_eq!(parrot.0.lock().unwrap().len(), 1);
    assert_eq!(conversation.events.iter().filter(|event| event.kind == EventKind::NoReply).count(), 2);
}

/// A model that thinks until it may think no more.
#[derive(Clone)]
struct Thinker;

impl Responder for Thinker {
    fn name(&self) -> &'static str {
        "thinker"
    }

    fn dialogue(&self, _now: Moment) -> Result<Box<dyn Dialogue>> {
        Ok(Box::new(Self))
    }
}

impl Dialogue for Thinker {
    fn reply(
        &mut self,
        _messages: &[ChatMessage],
        _tools: &[ToolSpec],
        _cancel: &Cancel,
        _on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Finish> {
        Ok(Finish::Length)
    }
}

#[test]
fn a_reply_without_a_word_is_told() {
    let assistant = Assistant { responder: Arc::new(Thinker), ..assistant(&Parrot::default()) };
    let conversation = SessionBuilder::new(&assistant).simulate(&speech("300 alpha 2000 bravo 900"), COST).unwrap();
    let lines: Timelines = conversation.events.iter().collect();
    for turn in lines.turns() {
        let failed = turn.failed.as_deref().unwrap();
        assert!(failed.starts_with("respond: the model came to max_tokens before its reply had a word"), "{failed}");
    }
    assert_eq!(lines.turns().len(), 2);
}
