//! The line between a simulated caller and the assistant: what each hears of the other, and the record of it.

use std::ops::Range;

use rejoinder_models::units::{Position, SampleRate, Samples};

use super::audible::audible;
use super::caller::{Caller, Said};
use super::room::Room;
use super::scenario::Scenario;
use super::voices::Voices;
use crate::clock::position;
use crate::event::Event;
use crate::run::world::{Step, World};
use crate::{Error, Result};

/// A conversation in which nothing more is said ends after this, at rest or not.
const LIMIT: Samples = Samples(30 * 16_000);
/// What a forgetful record keeps.
const KEPT: Samples = Samples(60 * 16_000);

/// Takes what the microphone heard and what the loudspeaker played meanwhile, at 16 kHz.
pub(crate) type OnSound<'a> = Box<dyn FnMut(&[f32], &[f32]) -> Result<()> + Send + 'a>;

/// What happened in a conversation, and what was true.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// What the caller did.
    pub said: Vec<Said>,
    /// Where the assistant's sound could be heard: between gaps of 50 ms and more.
    pub audible: Vec<Range<Position>>,
    /// What the assistant told.
    pub events: Vec<Event>,
    /// What its stages did.
    pub steps: Vec<Step>,
    /// How long it was.
    pub length: Position,
}

pub(crate) struct Line<'a> {
    caller: Caller,
    room: Room,
    record: Record,
    forgets: bool,
    on_sound: Option<OnSound<'a>>,
    /// What was played and not yet given to `on_sound`, and the place in it, by the loudspeaker's clock.
    playing: Vec<f32>,
    reading: f64,
    /// Samples that the loudspeaker has played, by its own clock.
    played: u64,
    failed: Option<Error>,
}

impl<'a> Line<'a> {
    pub(crate) fn new(
        scenario: &Scenario,
        voices: &Voices,
        forgets: bool,
        on_sound: Option<OnSound<'a>>,
    ) -> Result<Self> {
        Ok(Self {
            caller: Caller::new(scenario, voices)?,
            room: Room::new(scenario, voices)?,
            record: Record::default(),
            forgets,
            on_sound,
            playing: Vec::new(),
            reading: 0.0,
            played: 0,
            failed: None,
        })
    }

    /// What happened, or why it could not go on.
    pub(crate) fn finish(self) -> Result<Record> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok(Record { said: self.caller.into_said(), ..self.record }),
        }
    }

    fn hear(&mut self, samples: &mut [f32]) -> Result<()> {
        self.caller.speak(samples)?;
        self.room.hear(samples);
        self.record.length = self.record.length + Samples(samples.len() as u64);
        if let Some(on_sound) = &mut self.on_sound {
            let speed = 1.0 + self.room.drift_ppm() * 1e-6;
            let played: Vec<f32> =
                (0..samples.len()).map(|n| between(&self.playing, self.reading + n as f64 * speed)).collect();
            self.reading += samples.len() as f64 * speed;
            let passed = (self.reading as usize).min(self.playing.len());
            self.playing.drain(..passed);
            // A loudspeaker that played too little has not played ahead.
            self.reading = Some(self.reading - passed as f64).filter(|left| *left < 1.0).unwrap_or(0.0);
            on_sound(samples, &played)?;
        }
        Ok(())
    }

    fn listen(&mut self, sound: &[f32]) {
        let speed = 1.0 + self.room.drift_ppm() * 1e-6;
        audible(sound, |i| Position(((self.played + i) as f64 / speed) as u64), &mut self.record.audible);
        self.played += sound.len() as u64;
    }

    fn forget(&mut self) {
        let until = Position(self.record.length.0.saturating_sub(KEPT.0));
        self.caller.forget(until);
        self.record.audible.retain(|span| span.end >= until);
    }
}

/// The sound at a place between samples; past the last one, that one.
fn between(sound: &[f32], place: f64) -> f32 {
    let before = place as usize;
    let at = |n: usize| sound.get(n).or(sound.last()).copied().unwrap_or(0.0);
    at(before) + (place - before as f64) as f32 * (at(before + 1) - at(before))
}

impl World for Line<'_> {
    fn sample_rate(&self) -> SampleRate {
        SampleRate::INTERNAL
    }

    fn drift_ppm(&self) -> f64 {
        self.room.drift_ppm()
    }

    fn played(&mut self, sound: &[f32]) {
        self.room.played(sound);
        self.listen(sound);
        if self.on_sound.is_some() {
            self.playing.extend_from_slice(sound);
        }
    }

    fn capture(&mut self, samples: &mut [f32]) {
        if let Err(error) = self.hear(samples) {
            self.failed = Some(error);
        }
        if self.forgets {
            self.forget();
        }
    }

    fn event(&mut self, event: &Event) {
        self.caller.event(event);
        if !self.forgets {
            self.record.events.push(event.clone());
        }
    }

    fn step(&mut self, step: &Step) {
        if !self.forgets {
            self.record.steps.push(*step);
        }
    }

    fn is_over(&mut self, now_ns: u64, idle: bool) -> bool {
        let end = self.caller.said().last().map_or(Position(0), |said| said.end);
        let over = self.caller.is_done() && (idle || position(now_ns).since(end) >= LIMIT);
        over || self.failed.is_some()
    }
}
