//! Devices that stand still in the middle of a conversation, and go on.

#![allow(clippy::unwrap_used, reason = "a test's helpers may fail like the test")]

mod common;

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{Parrot, RATE, assistant, speech};
use rejoinder::io::{Microphone, Source};
use rejoinder::{AudioDevice, Event, EventKind, Session};
use rejoinder_models::llm::Role;
use rejoinder_models::units::SampleRate;

/// The caller and the listener move in steps of this length.
const STEP: Duration = Duration::from_millis(10);
const STEP_SAMPLES: usize = 160;
const LONG: Duration = Duration::from_secs(60);

/// A microphone at the pace of its hands.
#[derive(Clone, Default)]
struct ByHand(Arc<Mutex<Option<Microphone>>>);

impl Source for ByHand {
    fn sample_rate(&self) -> SampleRate {
        RATE
    }
    fn start(&mut self, microphone: Microphone) -> rejoinder::Result<()> {
        *self.0.lock().unwrap() = Some(microphone);
        Ok(())
    }
    fn stop(&mut self) {
        *self.0.lock().unwrap() = None;
    }
}

/// A conversation whose devices are moved by hand.
struct Call {
    session: Session,
    microphone: ByHand,
    told: Receiver<Event>,
    events: Vec<Event>,
    began: Instant,
}

impl Call {
    fn new(parrot: &Parrot) -> Self {
        let (tell, told) = channel();
        let microphone = ByHand::default();
        let session = Session::builder(&assistant(parrot)).source(microphone.clone());
        let session = session.on_event(move |event| drop(tell.send(event.clone()))).start().unwrap();
        Self { session, microphone, told, events: Vec::new(), began: Instant::now() }
    }

    /// Ten milliseconds, in which the microphone hears `heard` where it moves, and the loudspeaker plays where it moves.
    fn step(&mut self, heard: Option<&[f32]>, plays: bool) {
        if let (Some(samples), Some(microphone)) = (heard, self.microphone.0.lock().unwrap().as_mut()) {
            microphone.push(samples);
        }
        if plays {
            self.session.pull(&mut [0.0; STEP_SAMPLES]);
        }
        self.events.extend(self.told.try_iter());
        assert!(self.began.elapsed() < LONG, "{:?}", self.events);
        std::thread::sleep(STEP);
    }

    fn say(&mut self, script: &str) {
        for piece in speech(script).samples.chunks(STEP_SAMPLES) {
            self.step(Some(piece), true);
        }
    }

    /// Lets time pass until something has happened so often.
    fn until(&mut self, hears: bool, plays: bool, count: usize, is: impl Fn(&EventKind) -> bool) {
        while self.events.iter().filter(|event| is(&event.kind)).count() < count {
            self.step(hears.then_some(&[0.0; STEP_SAMPLES]), plays);
        }
    }
}

fn lost(device: AudioDevice) -> impl Fn(&EventKind) -> bool {
    move |kind| *kind == EventKind::DeviceLost { device }
}

fn found(device: AudioDevice) -> impl Fn(&EventKind) -> bool {
    move |kind| *kind == EventKind::DeviceFound { device }
}

fn played(kind: &EventKind) -> bool {
    matches!(kind, EventKind::WordPlayed { .. })
}

#[test]
fn a_loudspeaker_that_stands_still_ends_the_reply_where_it_was_heard_and_plays_the_next() {
    let parrot = Parrot::default();
    let mut call = Call::new(&parrot);
    // Six seconds of reply: more than the ring holds, so that `speak` waits.
    call.say("300 delta 500");
    call.until(true, true, 3, played);
    call.until(true, false, 1, lost(AudioDevice::Loudspeaker));
    assert_eq!(call.events.last().unwrap().turn.number(), 1);
    let words = call.events.iter().filter(|event| played(&event.kind)).count();
    while !call.session.is_idle() {
        call.step(Some(&[0.0; STEP_SAMPLES]), false);
    }
    call.until(true, true, 1, found(AudioDevice::Loudspeaker));
    call.say("alpha 500");
    call.until(true, true, 1, |kind| *kind == EventKind::AudioFinished);
    let asked = parrot.0.lock().unwrap().last().unwrap().clone();
    let said: Vec<_> = asked.iter().filter(|message| message.role == Role::Assistant).collect();
    let [said] = said[..] else { panic!("one reply was heard in part, not {said:?}") };
    assert_eq!(said.content.split_whitespace().count(), words, "{said:?}");
    assert_eq!(call.events.iter().filter(|event| lost(AudioDevice::Loudspeaker)(&event.kind)).count(), 1);
    call.session.stop().unwrap();
}

#[test]
fn a_microphone_that_stands_still_ends_the_turn_in_silence_and_hears_the_next() {
    let mut call = Call::new(&Parrot::default());
    call.say("300 alpha charlie 60");
    call.until(false, true, 1, lost(AudioDevice::Microphone));
    call.until(false, true, 1, |kind| *kind == EventKind::AudioFinished);
    call.until(true, true, 1, found(AudioDevice::Microphone));
    call.say("300 bravo 500");
    call.until(true, true, 2, |kind| *kind == EventKind::AudioFinished);
    let heard = call.events.iter().filter_map(|event| match &event.kind {
        EventKind::Final { text, .. } => Some(text.as_str()),
        _ => None,
    });
    assert_eq!(heard.collect::<Vec<_>>(), ["alpha charlie", "bravo"]);
    call.session.stop().unwrap();
}
