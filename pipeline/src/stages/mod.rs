//! The stages of a conversation: thin adapters over the models. All but `identify` are always there.

mod ending;
mod front_end;
mod identify;
mod listen;
mod recent;
mod respond;
mod speak;
mod transcribe;

pub(crate) use ending::{Ending, Told};
pub(crate) use front_end::{Cleaner, FrontEnd};
pub(crate) use identify::Identify;
pub(crate) use listen::{Listen, ListenSettings};
pub(crate) use respond::Respond;
pub(crate) use speak::Speak;
pub(crate) use transcribe::Transcribe;
