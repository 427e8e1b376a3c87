//! The four stages of a conversation: thin adapters over the models.

mod ending;
mod listen;
mod respond;
mod speak;
mod transcribe;

pub(crate) use ending::Ending;
pub(crate) use listen::{Listen, ListenSettings};
pub(crate) use respond::Respond;
pub(crate) use speak::Speak;
pub(crate) use transcribe::Transcribe;
