use std::time::Duration;

use super::*;
use crate::event::Event;
use crate::message::TurnId;
use crate::sim::caller::Said;

fn at(ms: u64) -> Position {
    Position(ms * 16)
}

fn said(kind: Kind, start: u64, end: u64) -> Said {
    let sounding = std::iter::once(at(start)..at(end)).collect();
    Said { kind, clip: String::new(), text: String::new(), start: at(start), end: at(end), sounding }
}

fn event(ms: u64, turn: u64, kind: EventKind) -> Event {
    Event { at: at(ms), turn: TurnId::new(turn), kind }
}

/// A turn that is heard from `start` to `end`, is over at `endpoint` and is answered from `audio` to `silent`.
fn turn(id: u64, start: u64, end: u64, endpoint: u64, audio: u64) -> Vec<Event> {
    let words = Vec::new();
    vec![
        event(start + 60, id, EventKind::SpeechStarted { since: at(start) }),
        event(end + 200, id, EventKind::SpeechStopped { since: at(end) }),
        event(endpoint, id, EventKind::Endpoint { speech_end: at(end) }),
        event(endpoint + 10, id, EventKind::Final { text: "time".to_owned(), words }),
        event(endpoint + 25, id, EventKind::ReplyText { text: "noon".to_owned() }),
        event(audio, id, EventKind::AudioStarted),
    ]
}

fn record(said: Vec<Said>, audible: &[(u64, u64)], events: Vec<Event>) -> Record {
    let audible = audible.iter().map(|(from, until)| at(*from)..at(*until)).collect();
    Record { said, audible, events, steps: Vec::new(), length: at(60_000) }
}

#[test]
fn voice_to_voice_counts_from_the_true_end_to_the_first_audible_sample_and_adds_up() {
    let mut events = turn(1, 1_030, 1_950, 2_550, 2_600);
    events.push(event(4_000, 1, EventKind::AudioFinished));
    let mut record = record(vec![said(Kind::Say, 1_000, 2_000)], &[(2_640, 4_000)], events);
    record.steps.push(Step {
        stage: "respond",
        turn: TurnId::new(1),
        at: at(2_560),
        wait: Duration::ZERO,
        handoff: Duration::from_micros(300),
        compute: Duration::from_millis(20),
        overhead: Duration::from_micros(200),
    });
    let figures = Figures::of(&record);
    assert_eq!((figures.voice_to_voice_ms.p50, figures.voice_to_voice_ms.n), (640.0, 1));
    let parts = [figures.endpoint_ms, figures.transcript_ms, figures.first_token_ms, figures.first_audio_ms];
    assert_eq!(parts.map(|part| part.p50), [550.0, 10.0, 15.0, 65.0]);
    assert!((figures.overhead_ms.p50 - 0.5).abs() < 1e-9);
    assert_eq!((figures.false_cutoffs, figures.unanswered), (Rate { count: 0, of: 1 }, Rate { count: 0, of: 1 }));
    assert_eq!(figures.false_interruptions, Rate { count: 0, of: 1 });
}

#[test]
fn a_turn_that_ends_before_the_words_do_is_a_false_cutoff() {
    let mut events = turn(1, 1_000, 1_400, 1_900, 1_950);
    events.push(event(2_250, 1, EventKind::Interrupted));
    events.extend(turn(2, 2_200, 3_000, 3_500, 3_600));
    let figures = Figures::of(&record(vec![said(Kind::Say, 1_000, 3_000)], &[(1_950, 2_255), (3_600, 5_000)], events));
    assert_eq!(figures.false_cutoffs, Rate { count: 1, of: 1 });
    assert_eq!(figures.voice_to_voice_ms.p50, 600.0, "from the end of all the words");
    assert_eq!(figures.voice_to_voice_by_utterance_ms, [(0, 600.0)].into());
}

#[test]
fn words_are_held_against_the_transcripts_and_those_of_interruptions_apart() {
    let mut events = turn(1, 1_000, 2_000, 2_500, 2_600);
    events.push(event(4_130, 1, EventKind::Interrupted));
    events.extend(turn(2, 4_010, 5_000, 5_500, 5_600));
    let spoken = |kind, start, text: &str| Said { text: text.to_owned(), ..said(kind, start, start + 1_000) };
    let acts = vec![
        spoken(Kind::Say, 1_000, "Time."),
        spoken(Kind::Interrupt, 4_000, "what time is it"),
        spoken(Kind::Say, 9_000, "hello there"),
    ];
    let figures = Figures::of(&record(acts, &[(2_600, 4_135), (5_600, 7_000)], events));
    assert_eq!(figures.word_errors, Rate { count: 3 + 2, of: 1 + 4 + 2 }, "what nobody heard is wrong");
    assert_eq!(figures.interruption_word_errors, Rate { count: 3, of: 4 });
}

#[test]
fn an_interruption_is_timed_from_its_onset_to_the_last_audible_sample() {
    let mut events = turn(1, 1_000, 2_000, 2_500, 2_600);
    events.push(event(4_130, 1, EventKind::Interrupted));
    events.extend(turn(2, 4_010, 5_000, 5_500, 5_600));
    events.push(event(7_000, 2, EventKind::AudioFinished));
    let acts = vec![said(Kind::Say, 1_000, 2_000), said(Kind::Interrupt, 4_000, 5_000)];
    let figures = Figures::of(&record(acts.clone(), &[(2_600, 4_135), (5_600, 7_000)], events.clone()));
    assert_eq!((figures.barge_in_ms.p50, figures.barge_in_ms.n), (135.0, 1));
    assert_eq!(figures.missed_barge_ins, Rate { count: 0, of: 1 });
    assert_eq!(figures.false_interruptions, Rate { count: 0, of: 1 });
    // The same, but the reply goes on for another two seconds.
    events.retain(|event| event.kind != EventKind::Interrupted);
    events.push(event(6_200, 1, EventKind::Interrupted));
    let figures = Figures::of(&record(acts, &[(2_600, 6_200)], events));
    assert_eq!((figures.missed_barge_ins, figures.barge_in_ms.n), (Rate { count: 1, of: 1 }, 0));
    assert_eq!(figures.missed_barge_ins_at_s, [4.0]);
    // A reply that ends by itself under the caller's words, but for its last moments.
    let by_itself = |end_ms| {
        let acts = vec![said(Kind::Say, 1_000, 2_000), said(Kind::Interrupt, 4_000, 5_000)];
        let mut events = turn(1, 1_000, 2_000, 2_500, 2_600);
        events.push(event(end_ms, 1, EventKind::AudioFinished));
        Figures::of(&record(acts, &[(2_600, end_ms)], events)).missed_barge_ins
    };
    assert_eq!((by_itself(4_400), by_itself(4_200)), (Rate { count: 1, of: 1 }, Rate { count: 0, of: 0 }));
    // One that begins in a pause of the reply silences nothing.
    let mut events = turn(1, 1_000, 2_000, 2_500, 2_600);
    events.push(event(4_135, 1, EventKind::Interrupted));
    let acts = vec![said(Kind::Say, 1_000, 2_000), said(Kind::Interrupt, 4_000, 5_000)];
    let figures = Figures::of(&record(acts, &[(2_600, 3_900)], events));
    assert_eq!((figures.missed_barge_ins, figures.barge_in_ms.n), (Rate { count: 0, of: 1 }, 0));
}

#[test]
fn a_reply_that_a_cough_or_nothing_stops_is_a_false_interruption() {
    let mut events = turn(1, 1_000, 2_000, 2_500, 2_600);
    events.push(event(3_300, 1, EventKind::Interrupted));
    events.extend(turn(2, 3_200, 3_400, 4_000, 4_100));
    events.push(event(8_000, 2, EventKind::Interrupted));
    events.push(event(8_000, 3, EventKind::SpeechStarted { since: at(7_900) }));
    events.push(event(8_400, 3, EventKind::SpeechStopped { since: at(8_200) }));
    events.push(event(9_000, 4, EventKind::Reminded));
    let acts = vec![said(Kind::Say, 1_000, 2_000), said(Kind::Cough, 3_200, 3_400)];
    let figures = Figures::of(&record(acts, &[(2_600, 3_305), (4_100, 8_005)], events));
    assert_eq!(figures.false_interruptions, Rate { count: 2, of: 2 });
    let causes: Vec<_> = figures.false_interruptions_by.iter().map(|(by, count)| (by.as_str(), *count)).collect();
    assert_eq!(causes, [("cough", 1), ("nothing", 1)]);
    assert_eq!(figures.ghosts, Rate { count: 1, of: 3 }, "a reminder is nobody's");
    assert_eq!(figures.ghost_replies, Rate { count: 0, of: 1 });
}

#[test]
fn words_that_get_no_reply_are_unanswered_unless_the_caller_goes_on() {
    let mut events = turn(1, 1_000, 2_000, 2_600, 2_700);
    events.pop();
    events.push(event(2_650, 1, EventKind::NoReply));
    let alone = vec![said(Kind::Say, 1_000, 2_000)];
    assert_eq!(Figures::of(&record(alone, &[], events.clone())).unanswered, Rate { count: 1, of: 1 });
    let going_on = vec![said(Kind::Say, 1_000, 2_000), said(Kind::GoOn, 3_000, 4_000)];
    events.extend(turn(2, 3_000, 4_000, 4_600, 4_700));
    events.push(event(6_000, 2, EventKind::AudioFinished));
    assert_eq!(Figures::of(&record(going_on, &[(4_700, 6_000)], events)).unanswered, Rate { count: 0, of: 1 });
}
