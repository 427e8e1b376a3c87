//! Microphones and loudspeakers. Only this file and `choice.rs` name `cpal`.

mod choice;
#[cfg(target_os = "linux")]
mod pulse;

use std::sync::mpsc::channel;
use std::time::Duration;

#[cfg(target_os = "linux")]
use cpal::HostId;
use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{BufferSize, Device, FromSample, SampleFormat, SizedSample, Stream, StreamConfig, SupportedBufferSize};
use rejoinder_models::units::{SampleRate, Samples};

pub use choice::{DeviceInfo, devices};
use choice::{Direction, failed, find, id_of, name_of, none_found, usual};

use super::{Loudspeaker, Microphone, Sink, Source};
use crate::{Error, Result};

/// Mono samples converted at a time inside a callback.
const SCRATCH: usize = 2_048;
/// How long a device may take to open.
const OPEN: Duration = Duration::from_secs(5);
/// How long it may take to close.
const CLOSE: Duration = Duration::from_secs(1);

/// A microphone.
pub struct DeviceSource(Port);

/// A loudspeaker.
pub struct DeviceSink(Port);

struct Port {
    device: Device,
    name: String,
    format: SampleFormat,
    config: StreamConfig,
    /// The frames of a block.
    block: u32,
    stream: Option<Running>,
}

/// What lives as long as a device is used.
enum Running {
    Cpal {
        _stream: Stream,
    },
    #[cfg(target_os = "linux")]
    Pulse {
        _playback: pulse::Playback,
    },
}

impl DeviceSource {
    /// The microphone with this id or name, or the usual one, read in blocks of `block_ms`.
    ///
    /// # Errors
    /// [`Error::Device`] when there is none.
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
    /// [`Error::Device`] when there is none.
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
        SampleRate::hz(self.0.config.sample_rate)
    }

    fn start(&mut self, microphone: Microphone) -> Result<()> {
        let stream = match self.0.format {
            SampleFormat::I8 => self.0.record::<i8>(microphone),
            SampleFormat::I16 => self.0.record::<i16>(microphone),
            SampleFormat::I32 => self.0.record::<i32>(microphone),
            SampleFormat::U8 => self.0.record::<u8>(microphone),
            SampleFormat::U16 => self.0.record::<u16>(microphone),
            SampleFormat::F32 => self.0.record::<f32>(microphone),
            SampleFormat::F64 => self.0.record::<f64>(microphone),
            other => return Err(unsupported(&self.0.name, other)),
        };
        self.0.play(stream)
    }

    fn stop(&mut self) {
        self.0.stop();
    }
}

impl Sink for DeviceSink {
    fn sample_rate(&self, _wanted: SampleRate) -> SampleRate {
        SampleRate::hz(self.0.config.sample_rate)
    }

    fn start(&mut self, loudspeaker: Loudspeaker) -> Result<()> {
        #[cfg(target_os = "linux")]
        if self.0.device.id().is_ok_and(|id| id.host() == HostId::PulseAudio) {
            let (id, rate) = (id_of(&self.0.device), SampleRate::hz(self.0.config.sample_rate));
            let _playback = pulse::Playback::open(&id, rate, self.0.block, loudspeaker)?;
            self.0.stream = Some(Running::Pulse { _playback });
            return Ok(());
        }
        let stream = match self.0.format {
            SampleFormat::I8 => self.0.sound::<i8>(loudspeaker),
            SampleFormat::I16 => self.0.sound::<i16>(loudspeaker),
            SampleFormat::I32 => self.0.sound::<i32>(loudspeaker),
            SampleFormat::U8 => self.0.sound::<u8>(loudspeaker),
            SampleFormat::U16 => self.0.sound::<u16>(loudspeaker),
            SampleFormat::F32 => self.0.sound::<f32>(loudspeaker),
            SampleFormat::F64 => self.0.sound::<f64>(loudspeaker),
            other => return Err(unsupported(&self.0.name, other)),
        };
        self.0.play(stream)
    }

    fn stop(&mut self) -> Result<()> {
        self.0.stop();
        Ok(())
    }
}

impl Port {
    fn open(choice: Option<&str>, block_ms: f64, direction: Direction) -> Result<Self> {
        let host = cpal::default_host();
        let device = match choice {
            Some(choice) => find(&host, choice, direction)?,
            None => usual(&host, direction)?,
        };
        let name = name_of(&device);
        let supported = match direction {
            Direction::Input => device.default_input_config(),
            Direction::Output => device.default_output_config(),
        };
        let supported = supported.map_err(|error| match choice {
            Some(_) => failed(&name, &error),
            None => none_found(direction),
        })?;
        let mut config = supported.config();
        let frames = Samples::from_ms(block_ms, SampleRate::hz(config.sample_rate)).0 as u32;
        let frames = match *supported.buffer_size() {
            SupportedBufferSize::Range { min, max } => frames.clamp(min.max(1), max.max(1)),
            SupportedBufferSize::Unknown => frames,
        };
        config.buffer_size = BufferSize::Fixed(frames);
        Ok(Self { device, name, format: supported.sample_format(), config, block: frames, stream: None })
    }

    fn play(&mut self, stream: Result<Stream, cpal::Error>) -> Result<()> {
        let stream = stream.map_err(|error| failed(&self.name, &error))?;
        stream.play().map_err(|error| failed(&self.name, &error))?;
        self.stream = Some(Running::Cpal { _stream: stream });
        Ok(())
    }

    /// Ends the stream. A sound server that hangs keeps a thread waiting for it, but not the caller.
    fn stop(&mut self) {
        let Some(stream) = self.stream.take() else { return };
        let (tell, told) = channel();
        let close = move || {
            drop(stream);
            let _ = tell.send(());
        };
        if std::thread::Builder::new().name("device-close".to_owned()).spawn(close).is_ok()
            && told.recv_timeout(CLOSE).is_err()
        {
            tracing::warn!(device = self.name, "the sound server does not answer");
        }
    }

    fn record<T>(&self, mut microphone: Microphone) -> Result<Stream, cpal::Error>
    where
        T: SizedSample,
        f32: FromSample<T>,
    {
        let channels = usize::from(self.config.channels);
        let callback = move |data: &[T], _: &cpal::InputCallbackInfo| record_block(data, channels, &mut microphone);
        self.device.build_input_stream(self.config, callback, on_error(&self.name), Some(OPEN))
    }

    fn sound<T>(&self, mut loudspeaker: Loudspeaker) -> Result<Stream, cpal::Error>
    where
        T: SizedSample + FromSample<f32>,
    {
        let channels = usize::from(self.config.channels);
        let rate = SampleRate::hz(self.config.sample_rate);
        let callback = move |data: &mut [T], info: &cpal::OutputCallbackInfo| {
            let moments = info.timestamp();
            let ahead = moments.playback.saturating_duration_since(moments.callback);
            let latency = Samples::from_ms(ahead.as_secs_f64() * 1e3, rate);
            sound_block(data, channels, latency, &mut loudspeaker);
        };
        self.device.build_output_stream(self.config, callback, on_error(&self.name), Some(OPEN))
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

fn on_error(name: &str) -> impl FnMut(cpal::Error) + Send + 'static {
    let name = name.to_owned();
    move |error| tracing::warn!(device = name, "{error}")
}

fn unsupported(name: &str, format: SampleFormat) -> Error {
    Error::Device(format!("{name}: expected samples of 8 to 32-bit integers or floats, found {format}"))
}
