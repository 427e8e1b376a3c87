//! Conversations on threads, as fast as the rings take the sound.
#![allow(clippy::unwrap_used, reason = "a test's helpers may fail like the test")]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Parrot, assistant, speech};
use rejoinder::{Control, Event, EventKind, Session, Timelines};
use rejoinder_models::llm::Cancel;

#[test]
fn a_session_that_ends_by_itself_does_not_raise_the_flag_of_its_application() {
    let stop = Cancel::default();
    let session = Session::builder(&assistant(&Parrot::default())).stop_flag(stop.clone()).start().unwrap();
    session.wait().unwrap();
    assert!(!stop.is_cancelled());
}

#[test]
fn a_session_may_be_stopped_by_the_handler_of_its_own_events() {
    let held = Arc::new(Mutex::new(None::<Session>));
    let (stopped, told) = std::sync::mpsc::channel();
    let own = held.clone();
    let builder = Session::builder(&assistant(&Parrot::default())).on_event(move |_| {
        if let Some(session) = own.lock().unwrap().take() {
            stopped.send(session.stop().is_ok()).unwrap();
        }
    });
    let mut session = builder.start().unwrap();
    for piece in speech("300 alpha 1500").samples.chunks(1_600) {
        session.push(piece);
    }
    *held.lock().unwrap() = Some(session);
    // The next event may be told before the session is there.
    if let Some(session) = held.lock().unwrap().as_mut() {
        session.controls().send(Control::Mute);
    }
    assert_eq!(told.recv_timeout(Duration::from_secs(20)), Ok(true));
}

#[test]
fn the_talk_button_waits_for_what_was_said_before_and_need_not_be_let_go() {
    for release in [true, false] {
        let parrot = Parrot::default();
        let mut assistant = assistant(&parrot);
        assistant.turn_taking.policy.push_to_talk = true;
        let mut session = Session::builder(&assistant).start().unwrap();
        session.controls().send(Control::Press);
        // All at once, and the button after it.
        session.push(&speech("300 alpha charlie").samples);
        if release {
            session.controls().send(Control::Release);
        }
        session.wait().unwrap();
        let asked = parrot.0.lock().unwrap();
        let asked: Vec<_> = asked.iter().map(|messages| messages.last().unwrap().content.as_str()).collect();
        assert_eq!(asked, ["alpha charlie"], "released: {release}");
    }
}

/// In pieces of odd lengths.
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
