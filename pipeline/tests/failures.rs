//! Stages that fail in a conversation, in virtual time.
#![allow(clippy::unwrap_used, reason = "a test's helpers may fail like the test")]

mod common;

use std::time::Duration;

use common::{Parrot, assistant, speech};
use rejoinder::turn::State;
use rejoinder::{Conversation, Cost, EventKind, SessionBuilder, Timelines};

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
