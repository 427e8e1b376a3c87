//! What is outside of the assistant in virtual time: a caller, a room, and whoever watches.

use std::time::Duration;

use rejoinder_models::audio::Clip;
use rejoinder_models::units::{Position, SampleRate};

use crate::clock::ns_of;
use crate::event::Event;
use crate::message::TurnId;

/// The caller is given this long after the recording's end for the endpoint to be found.
const TAIL: Duration = Duration::from_millis(1_500);
/// A conversation that does not come to rest is ended this long after the recording's end.
const LIMIT: Duration = Duration::from_secs(120);

/// What is outside of the assistant. The runner asks for the microphone's sound in pieces of 10 ms; all that was played
/// until the end of a piece comes before it is asked for.
pub(crate) trait World {
    /// The microphone's rate.
    fn sample_rate(&self) -> SampleRate;

    /// How much faster the loudspeaker's clock is than the microphone's, in parts of a million.
    fn drift_ppm(&self) -> f64 {
        0.0
    }

    /// The loudspeaker played this, following what it played before, at its own rate.
    fn played(&mut self, sound: &[f32]);

    /// Fills `samples` with what the microphone hears next.
    fn capture(&mut self, samples: &mut [f32]);

    /// Something happened.
    fn event(&mut self, event: &Event);

    /// A stage handled a message.
    fn step(&mut self, step: &Step);

    /// Whether the conversation ends, `now_ns` nanoseconds after capture began. `idle` says that nothing is going on.
    fn is_over(&mut self, now_ns: u64, idle: bool) -> bool;
}

/// One message on its way through a stage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The stage.
    pub stage: &'static str,
    /// The message's turn.
    pub turn: TurnId,
    /// When the stage took it.
    pub at: Position,
    /// How long the message waited for the stage.
    pub wait: Duration,
    /// How much of the wait the stage was free, so that only its waking took time. Zero in virtual time.
    pub handoff: Duration,
    /// How long the stage worked on it, by the clock of the conversation, without what it waited for a place in a full
    /// queue.
    pub compute: Duration,
    /// How long it worked in earnest outside of models. Only with models that are
    /// [`metered`](crate::Assistant::metered) can this be told apart; else it is the whole work.
    pub overhead: Duration,
}

/// What a stage did in a conversation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StageStats {
    /// The stage.
    pub name: String,
    /// How long it worked on each message.
    pub compute: Vec<Duration>,
    /// How long each message waited for it.
    pub wait: Vec<Duration>,
}

impl StageStats {
    /// Adds a step to the stage that it belongs to.
    pub(crate) fn add(stats: &mut Vec<Self>, step: &Step) {
        let at = stats.iter().position(|stats| stats.name == step.stage).unwrap_or_else(|| {
            stats.push(Self { name: step.stage.to_owned(), ..Self::default() });
            stats.len() - 1
        });
        stats[at].compute.push(step.compute);
        stats[at].wait.push(step.wait);
    }
}

/// A recording as the caller, and a record of all that happens.
pub(crate) struct Recording<'a> {
    clip: &'a Clip,
    captured: usize,
    /// What the loudspeaker played.
    pub(crate) sound: Vec<f32>,
    /// All that happened.
    pub(crate) events: Vec<Event>,
    /// What each stage did.
    pub(crate) stages: Vec<StageStats>,
}

impl<'a> Recording<'a> {
    pub(crate) fn new(clip: &'a Clip) -> Self {
        Self { clip, captured: 0, sound: Vec::new(), events: Vec::new(), stages: Vec::new() }
    }
}

impl World for Recording<'_> {
    fn sample_rate(&self) -> SampleRate {
        self.clip.rate
    }

    fn played(&mut self, sound: &[f32]) {
        self.sound.extend_from_slice(sound);
    }

    fn capture(&mut self, samples: &mut [f32]) {
        let rest = self.clip.samples.get(self.captured..).unwrap_or_default();
        let count = rest.len().min(samples.len());
        samples[..count].copy_from_slice(&rest[..count]);
        samples[count..].fill(0.0);
        self.captured += samples.len();
    }

    fn event(&mut self, event: &Event) {
        self.events.push(event.clone());
    }

    fn step(&mut self, step: &Step) {
        StageStats::add(&mut self.stages, step);
    }

    fn is_over(&mut self, now_ns: u64, idle: bool) -> bool {
        let end = ns_of(self.clip.samples.len() as u64, self.clip.rate);
        let rested = idle && now_ns >= end + TAIL.as_nanos() as u64;
        rested || now_ns >= end + LIMIT.as_nanos() as u64
    }
}
