//! Microphones and loudspeakers. Only this folder names `cpal` and `pulseaudio`.
//!
//! A device that is unplugged, or whose sound server ends, is opened again when it is back; meanwhile a microphone gives
//! nothing and a loudspeaker takes nothing.

mod choice;
mod host;
mod keeper;
mod port;
#[cfg(target_os = "linux")]
mod pulse;

use cpal::FromSample;
use rejoinder_models::units::{SampleRate, Samples};

use choice::Direction;
pub use choice::{DeviceInfo, devices};
use keeper::{Keeper, Lent};
use port::{Found, Stream, Wanted};

use super::{Loudspeaker, Microphone, Sink, Source};
use crate::Result;

/// Mono samples converted at a time inside a callback.
const SCRATCH: usize = 2_048;

/// A microphone.
pub struct DeviceSource(Port<Microphone>);

/// A loudspeaker.
pub struct DeviceSink(Port<Loudspeaker>);

struct Port<T> {
    wanted: Wanted,
    name: String,
    /// As it was first found, until it is used.
    found: Option<Found>,
    keeper: Option<Keeper<T>>,
}

impl DeviceSource {
    /// The microphone with this id or name, or the usual one, read in blocks of `block_ms`.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) when there is none.
    pub fn open(choice: Option<&str>, block_ms: f64) -> Result<Self> {
        Port::open(choice, block_ms, Direction::Input).map(Self)
    }

    /// What a person calls it.
    pub fn name(&self) -> &str {
        &self.0.name
    }
}

impl DeviceSink {
    /// The loudspeaker with this id or name, or the usual one, written in blocks of `block_ms`.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) when there is none.
    pub fn open(choice: Option<&str>, block_ms: f64) -> Result<Self> {
        Port::open(choice, block_ms, Direction::Output).map(Self)
    }

    /// What a person calls it.
    pub fn name(&self) -> &str {
        &self.0.name
    }
}

impl Source for DeviceSource {
    fn sample_rate(&self) -> SampleRate {
        self.0.wanted.rate
    }

    fn start(&mut self, microphone: Microphone) -> Result<()> {
        self.0.start(microphone, Found::record)
    }

    fn stop(&mut self) {
        self.0.stop();
    }
}

impl Sink for DeviceSink {
    fn sample_rate(&self, _wanted: SampleRate) -> SampleRate {
        self.0.wanted.rate
    }

    fn start(&mut self, loudspeaker: Loudspeaker) -> Result<()> {
        self.0.start(loudspeaker, Found::play)
    }

    fn stop(&mut self) -> Result<()> {
        self.0.stop();
        Ok(())
    }
}

impl<T: Send + 'static> Port<T> {
    fn open(choice: Option<&str>, block_ms: f64, direction: Direction) -> Result<Self> {
        let (wanted, found) = Wanted::first(choice, block_ms, direction)?;
        Ok(Self { wanted, name: found.name.clone(), found: Some(found), keeper: None })
    }

    fn start(&mut self, end: T, run: fn(Found, Lent<T>) -> Result<Stream>) -> Result<()> {
        let (wanted, mut found) = (self.wanted.clone(), self.found.take());
        let open = move |lent| run(found.take().map_or_else(|| wanted.find(), Ok)?, lent);
        self.keeper = Some(Keeper::start(&self.name, end, open)?);
        Ok(())
    }

    fn stop(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.stop();
        }
    }
}

/// Averages the channels of interleaved frames and pushes them.
///
/// # Realtime Safety
/// Works on the stack; see [`Microphone::push`].
#[doc(hidden)]
pub fn record_block<T: Copy>(data: &[T], channels: usize, microphone: &mut Microphone)
where
    f32: FromSample<T>,
{
    let mut mono = [0.0_f32; SCRATCH];
    for frames in data.chunks(SCRATCH * channels) {
        let count = frames.len() / channels;
        for (sample, frame) in mono.iter_mut().zip(frames.chunks_exact(channels)) {
            let sum: f32 = frame.iter().map(|&value| f32::from_sample_(value)).sum();
            *sample = sum / channels as f32;
        }
        microphone.push(&mono[..count]);
    }
}

/// Pulls mono samples and writes them to all channels of interleaved frames, the first of which sounds after `latency`.
///
/// # Realtime Safety
/// Works on the stack; see [`Loudspeaker::pull`].
#[doc(hidden)]
pub fn sound_block<T: Copy + FromSample<f32>>(
    data: &mut [T],
    channels: usize,
    latency: Samples,
    loudspeaker: &mut Loudspeaker,
) {
    let mut mono = [0.0_f32; SCRATCH];
    let mut latency = latency;
    for frames in data.chunks_mut(SCRATCH * channels) {
        let count = frames.len() / channels;
        loudspeaker.set_latency(latency);
        loudspeaker.pull(&mut mono[..count]);
        latency = latency + Samples(count as u64);
        for (frame, sample) in frames.chunks_exact_mut(channels).zip(mono) {
            frame.fill(T::from_sample_(sample));
        }
    }
}
