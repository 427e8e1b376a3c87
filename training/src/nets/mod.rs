//! The nets. A config makes a net with `init(&device)`; training, evaluation and export run the same forward.

pub mod conformer;
pub mod tts;
