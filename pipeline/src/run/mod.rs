//! Two ways to run the same stages: on threads as the sound comes, or one step after another in virtual time.

mod chain;
mod cost;
pub(crate) mod handoff;
mod lossy;
pub(crate) mod queue;
pub(crate) mod steps;
pub(crate) mod threads;
mod watch;
pub(crate) mod world;

pub(crate) use chain::{Chain, EventHandler, Shutdown, StepHandler, Stop};
pub use cost::{Cost, StageCosts};
