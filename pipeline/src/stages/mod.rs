//! The four stages of a conversation: thin adapters over the models.

mod front_end;
mod listen;
mod respond;
mod speak;
mod transcribe;

pub(crate) use front_end::{Cleaner, FrontEnd};
pub(crate) use listen::{Listen, ListenSettings};
pub(crate) use respond::Respond;
pub(crate) use speak::Speak;
pub(crate) use transcribe::Transcribe;
