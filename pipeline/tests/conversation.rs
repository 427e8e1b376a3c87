//! Conversations in virtual time with fixed costs, and the same live.

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Parrot, RATE, assistant, speech};
use rejoinder::{
    Body, Conversation, Cost, Event, EventKind, Message, Outbox, Session, SessionBuilder, Stage, Timelines,
};
use rejoinder_models::audio::Clip;
use rejoinder_models::llm::Role;
use rejoinder_models::units::SampleRate;

const COST: Cost = Cost::Fixed { step: Duration::from_micros(200), output: Duration::from_millis(2) };

fn simulate(parrot: &Parrot, script: &str) -> Conversation {
    SessionBuilder::new(&assistant(parrot)).simulate(&speech(script), COST).expect("a conversation")
}

fn timelines(conversation: &Conversation) -> Timelines {
    conversation.events.iter().collect()
}

fn loud(clip: &Clip, from_ms: f64, to_ms: f64) -> bool {
    let at = |ms: f64| ((ms * f64::from(clip.rate.get()) / 1e3) as usize).min(clip.samples.len());
    clip.samples[at(from_ms)..at(to_ms)].iter().any(|x| x.abs() > 0.05)
}

#[test]
fn a_question_gets_a_spoken_answer_and_a_timeline() {
    let conversation = simulate(&Parrot::default(), "500 alpha charlie 600");
    let lines = timelines(&conversation);
    let [turn] = lines.turns() else { panic!("one turn, not {:?}", lines.turns()) };
    assert_eq!((turn.text.as_str(), turn.reply.as_str()), ("alpha charlie", "alpha charlie bravo."));
    let speech_end = turn.speech_end.unwrap().ms();
    assert!((speech_end - 900.0).abs() < 60.0, "speech ends at 900 ms, not {speech_end}");
    let silence = turn.after_speech_ms(turn.endpoint).unwrap();
    assert!((400.0..=411.0).contains(&silence), "the endpoint comes after 400 ms of silence, not {silence}");
    let order =
        [turn.speech_start, turn.speech_end, turn.endpoint, turn.transcript, turn.first_token, turn.first_audio];
    assert!(order.is_sorted() && order.iter().all(Option::is_some), "{order:?}");
    let audio = turn.first_audio.unwrap().ms();
    assert!(!loud(&conversation.assistant, 0.0, audio) && loud(&conversation.assistant, audio, audio + 5.0));
    let played = conversation.events.iter().filter_map(|event| match &event.kind {
        EventKind::WordPlayed { text } => Some(text.as_str()),
        _ => None,
    });
    assert_eq!(played.collect::<Vec<_>>(), ["alpha", "charlie", "bravo."]);
    assert_eq!(conversation.caller.samples.len(), conversation.assistant.samples.len());
}

#[test]
fn several_turns_in_one_recording_share_a_history() {
    let parrot = Parrot::default();
    let conversation = simulate(&parrot, "300 alpha 2500 charlie 500");
    assert_eq!(timelines(&conversation).turns().len(), 2);
    let asked = parrot.0.lock().unwrap().clone();
    let last: Vec<_> = asked[1].iter().map(|message| message.content.as_str()).collect();
    assert_eq!(last, ["answer", "alpha", "alpha bravo.", "charlie"]);
}

#[test]
fn speech_over_the_reply_stops_it_and_the_history_ends_at_the_last_word_heard() {
    let parrot = Parrot::default();
    let conversation = simulate(&parrot, "300 delta 2000 alpha 500");
    let lines = timelines(&conversation);
    let [first, second] = lines.turns() else { panic!("two turns, not {:?}", lines.turns()) };
    assert!(first.interrupted && !second.interrupted);
    let (start, stop) = (first.first_audio.unwrap().ms(), first.audio_end.unwrap().ms());
    let heard = ((stop - start) / 200.0).floor() as usize;
    assert!((2..28).contains(&heard), "the reply is cut in its middle, not after {heard} words");
    assert!(!loud(&conversation.assistant, stop + 20.0, second.first_audio.unwrap().ms()));
    let asked = parrot.0.lock().unwrap().clone();
    let cut = &asked[1][2];
    assert_eq!(cut.role, Role::Assistant);
    assert_eq!(cut.content, vec!["charlie"; heard].join(" "));
    assert_eq!(first.kept.as_deref(), Some(cut.content.as_str()));
    assert_eq!(second.text, "alpha");
}

#[test]
fn a_caller_who_goes_on_before_the_answer_is_answered_once_and_in_full() {
    let parrot = Parrot::default();
    let slow = Cost::Fixed { step: Duration::from_micros(200), output: Duration::from_millis(300) };
    let caller = speech("300 alpha 500 charlie 500");
    let conversation = SessionBuilder::new(&assistant(&parrot)).simulate(&caller, slow).unwrap();
    let lines = timelines(&conversation);
    assert!(lines.turns()[0].interrupted && lines.turns()[0].first_audio.is_none(), "{lines:?}");
    let asked = parrot.0.lock().unwrap().clone();
    assert_eq!(asked.last().unwrap().last().unwrap().content, "alpha charlie");
    assert_eq!(lines.turns().last().unwrap().reply, "alpha charlie bravo.");
}

#[test]
fn a_tool_is_called_and_the_reply_goes_on_with_its_result() {
    let parrot = Parrot::default();
    let conversation = simulate(&parrot, "300 time 500");
    let lines = timelines(&conversation);
    assert_eq!(lines.turns()[0].tools, ["clock"]);
    assert_eq!(lines.turns()[0].reply, "bravo bravo. delta bravo.");
    let asked = parrot.0.lock().unwrap().clone();
    let roles: Vec<_> = asked[1].iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool]);
}

#[test]
fn a_stage_that_fails_ends_its_turn_and_the_conversation_goes_on() {
    let conversation = simulate(&Parrot::default(), "300 fail 2000 alpha 500");
    let lines = timelines(&conversation);
    assert_eq!(lines.turns()[0].failed.as_deref(), Some("respond: parrot: no answer"));
    assert_eq!(lines.turns()[1].reply.trim_start_matches("fail "), "alpha bravo.");
}

#[test]
fn silence_and_noise_without_words_get_no_reply() {
    let silence = SessionBuilder::new(&assistant(&Parrot::default()));
    let silence = silence.simulate(&Clip::new(vec![0.0; 80_000], RATE), COST).unwrap();
    assert_eq!(silence.events, []);
    let noise = simulate(&Parrot::default(), "300 hiss 500");
    assert!(noise.events.iter().any(|event| event.kind == EventKind::NoReply));
    assert!(!loud(&noise.assistant, 0.0, 10_000.0));
}

#[test]
fn the_same_conversation_happens_the_same_way_twice() {
    let run = || simulate(&Parrot::default(), "300 delta 1500 alpha 100 charlie 2500 time 700");
    let (first, second) = (run(), run());
    assert_eq!(first.events, second.events);
    assert_eq!(first.assistant, second.assistant);
}

#[test]
fn a_recording_at_another_rate_is_understood() {
    for hz in [8_000, 22_050, 44_100, 48_000] {
        let caller = speech("300 alpha charlie 500").at(SampleRate::hz(hz)).unwrap();
        let conversation = SessionBuilder::new(&assistant(&Parrot::default())).simulate(&caller, COST).unwrap();
        assert_eq!(timelines(&conversation).turns()[0].text, "alpha charlie", "at {hz} Hz");
    }
}

/// Says everything in other words.
struct Translate;

impl Stage for Translate {
    fn name(&self) -> &'static str {
        "translate"
    }
    fn handle(&mut self, message: Message, out: &mut Outbox<'_>) -> rejoinder::Result<()> {
        let body = match message.body {
            Body::Reply(text) => Body::Reply(text.replace("bravo", "delta")),
            body => body,
        };
        let _ = out.send(message.turn, body);
        Ok(())
    }
}

#[test]
fn a_stage_of_ones_own_can_be_inserted() {
    let builder = SessionBuilder::new(&assistant(&Parrot::default())).stage_after("respond", Translate);
    let conversation = builder.simulate(&speech("300 alpha 500"), COST).unwrap();
    assert!(conversation.events.iter().any(|e| e.kind == EventKind::WordPlayed { text: "delta.".to_owned() }));
    let missing = SessionBuilder::new(&assistant(&Parrot::default())).stage_after("respnd", Translate);
    let error = missing.simulate(&speech("300"), COST).unwrap_err().to_string();
    assert_eq!(error, "no stage named respnd; there are: listen, transcribe, respond, speak");
}

/// Live: on threads, in pieces of odd lengths, as fast as the rings take them.
#[test]
fn a_live_session_hears_and_answers() {
    let events = Arc::new(Mutex::new(Vec::<Event>::new()));
    let told = events.clone();
    let builder = Session::builder(&assistant(&Parrot::default()));
    let mut session = builder.on_event(move |event| told.lock().unwrap().push(event.clone())).start().unwrap();
    let caller = speech("300 alpha charlie 1500");
    let (mut heard, mut block) = (Vec::new(), vec![0.0; 160]);
    let began = std::time::Instant::now();
    for (i, piece) in caller.samples.chunks(160).cycle().enumerate() {
        let over = i * 160 >= caller.samples.len();
        session.push(if over { &[0.0; 160] } else { piece });
        session.pull(&mut block);
        heard.extend_from_slice(&block);
        let played = events.lock().unwrap().iter().any(|event| event.kind == EventKind::AudioFinished);
        if over && played && session.is_idle() {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", events.lock().unwrap());
        std::thread::sleep(Duration::from_millis(2));
    }
    session.wait().unwrap();
    let events = events.lock().unwrap();
    let lines: Timelines = events.iter().collect();
    assert_eq!(lines.turns()[0].text, "alpha charlie");
    assert_eq!(lines.turns()[0].reply, "alpha charlie bravo.");
    assert!(heard.iter().filter(|x| x.abs() > 0.25).count() > 1_000);
}
