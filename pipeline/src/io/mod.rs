//! Where sound comes from and where it goes: devices, files, nothing.

pub(crate) mod capture;
pub mod device;
pub mod file;
pub mod null;
pub(crate) mod playout;
pub(crate) mod reference;

pub use capture::Microphone;
pub use playout::{Heard, Loudspeaker};
use rejoinder_models::units::SampleRate;

use crate::Result;

/// Where the caller's sound comes from. It fills the capture ring from a thread or callback of its own, and drops its
/// end when it is over.
pub trait Source: Send {
    /// The rate of the samples that it gives.
    fn sample_rate(&self) -> SampleRate;

    /// Begins.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) when the device does not start, [`Error::Session`](crate::Error::Session)
    /// when a thread cannot be had.
    fn start(&mut self, microphone: Microphone) -> Result<()>;

    /// Ends, and drops its end of the ring.
    fn stop(&mut self);
}

/// Where the assistant's sound goes. It drains the playback ring from a thread or callback of its own.
pub trait Sink: Send {
    /// The rate at which it takes samples, given the one that would need no resampling.
    fn sample_rate(&self, wanted: SampleRate) -> SampleRate;

    /// Begins.
    ///
    /// # Errors
    /// As [`Source::start`].
    fn start(&mut self, loudspeaker: Loudspeaker) -> Result<()>;

    /// Ends; a file is then complete.
    ///
    /// # Errors
    /// [`Error::Models`](crate::Error::Models) when a file could not be written.
    fn stop(&mut self) -> Result<()>;
}
