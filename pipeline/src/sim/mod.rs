//! Simulated conversations: a caller made of recordings talks to an assistant in virtual time, by a script or by
//! chance, and what was true is held against what the assistant did.
//!
//! ```no_run
//! use rejoinder::Config;
//! use rejoinder::sim::{Figures, Scenario, Simulation, Voices, assistant};
//!
//! let assistant = assistant(&Config::load_default()?)?;
//! let voices = Voices::open("tests/fixtures/caller")?;
//! let scenario = Scenario { turns: 100, ..Scenario::default() };
//! let record = Simulation::new(&assistant, &scenario, &voices).run()?;
//! println!("{}", Figures::of(&record));
//! # Ok::<(), rejoinder::Error>(())
//! ```

mod audible;
mod caller;
mod check;
mod devices;
mod draw;
mod endings;
mod figures;
mod line;
mod live;
mod match_turns;
mod room;
mod scenario;
mod script;
mod sound_server;
mod utterance;
mod voices;

use rejoinder_models::llm::Cancel;
use rejoinder_models::llm::tools::Moment;
use rejoinder_models::units::SampleRate;

pub use crate::run::handoff::handoffs;
pub use caller::Said;
pub use check::complaints;
pub use devices::Devices;
pub use draw::draw;
pub use endings::{looked, patient};
pub use figures::{Figures, Rate, Speculation};
pub use line::Record;
pub use scenario::{
    Act, CallerConfig, CostConfig, EchoConfig, Expect, FixedCosts, Kind, RandomConfig, RoomConfig, Scenario,
};
pub use sound_server::{SoundServer, with_priority};
pub use utterance::Utterance;
pub use voices::{Recording, Role, SETS_VARIABLE, Voices};

use crate::event::Event;
use crate::{Assistant, Config, Error, Result, SessionBuilder};
use line::{Line, OnSound};

/// When a simulated conversation takes place: a Monday morning, so that the answers are the same every time.
pub const MOMENT: Moment = Moment::from_local_ms(1_767_605_400_000);

/// The assistant of a configuration as it is simulated: with models whose time is told apart.
///
/// # Errors
/// As [`Assistant::open`]; [`Error::Config`] for one that waits for a button, which a simulated caller does not have, or for a
/// wake phrase, which they do not say.
pub fn assistant(config: &Config) -> Result<Assistant> {
    if config.turn_taking.policy.push_to_talk {
        let reason = "turn.push_to_talk: a simulated caller presses no button; expected a configuration without it";
        return Err(Error::config(&config.path, reason));
    }
    if config.turn_taking.policy.follow_up.is_some() {
        let reason = "turn.wake: a simulated caller says no wake phrase; expected a configuration without it";
        return Err(Error::config(&config.path, reason));
    }
    Ok(Assistant::open(config)?.metered())
}

/// A conversation that is about to be simulated.
pub struct Simulation<'a> {
    builder: SessionBuilder,
    scenario: &'a Scenario,
    voices: &'a Voices,
    forgets: bool,
    on_sound: Option<OnSound<'a>>,
}

impl<'a> Simulation<'a> {
    /// Of this assistant with a caller who has these recordings.
    pub fn new(assistant: &Assistant, scenario: &'a Scenario, voices: &'a Voices) -> Self {
        let builder = SessionBuilder::new(assistant).playback_rate(SampleRate::INTERNAL).begins_at(MOMENT);
        Self { builder, scenario, voices, forgets: false, on_sound: None }
    }

    /// Calls this with each event.
    #[must_use]
    pub fn on_event(mut self, handler: impl FnMut(&Event) + Send + 'static) -> Self {
        self.builder = self.builder.on_event(handler);
        self
    }

    /// Calls this with what the microphone hears and what the loudspeaker plays meanwhile, in equal pieces at 16 kHz.
    #[must_use]
    pub fn on_sound(mut self, handler: impl FnMut(&[f32], &[f32]) -> Result<()> + Send + 'a) -> Self {
        self.on_sound = Some(Box::new(handler));
        self
    }

    /// A flag that ends the conversation when it is raised.
    #[must_use]
    pub fn stop_flag(mut self, stop: Cancel) -> Self {
        self.builder = self.builder.stop_flag(stop);
        self
    }

    /// Keeps no record of what was longer than a minute ago, so that the memory of a long run stays the same.
    #[must_use]
    pub fn forgetful(mut self) -> Self {
        self.forgets = true;
        self
    }

    /// Runs it in real time, with the stages on threads of their own. What was given for sound or events is not called.
    ///
    /// # Errors
    /// As [`run`](Self::run); [`Error::Session`] when a thread breaks down.
    pub fn run_live(self) -> Result<Record> {
        let line = Line::new(self.scenario, self.voices, self.forgets, None)?;
        live::run(self.builder, line)
    }

    /// Runs it in real time through sound devices. What was given for sound or events is not called.
    ///
    /// # Errors
    /// As [`run_live`](Self::run_live); [`Error::Device`] when a device is missing.
    pub fn run_through(self, devices: &Devices) -> Result<Record> {
        let line = Line::new(self.scenario, self.voices, self.forgets, None)?;
        devices::run(self.builder, line, devices)
    }

    /// Runs it in virtual time on this thread.
    ///
    /// # Errors
    /// [`Error::Models`] when a model cannot make a stream or a recording cannot be read,
    /// [`Error::Session`] when the caller lacks a recording.
    pub fn run(self) -> Result<Record> {
        let Self { builder, scenario, voices, forgets, on_sound } = self;
        let mut line = Line::new(scenario, voices, forgets, on_sound)?;
        builder.run_in(&mut line, scenario.cost.resolve())?;
        line.finish()
    }
}
