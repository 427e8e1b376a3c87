//! A device as it was found, and the stream that it opens.

use std::time::Duration;

use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{
    BufferSize, Device, ErrorKind, FromSample, HostId, SampleFormat, SizedSample, StreamConfig, SupportedBufferSize,
};
use rejoinder_models::units::{SampleRate, Samples};

use super::choice::{Direction, failed, find, id_of, name_of, none_found, usual};
use super::host::with_host;
use super::keeper::Lent;
#[cfg(target_os = "linux")]
use super::pulse;
use super::{record_block, sound_block};
use crate::io::{Loudspeaker, Microphone};
use crate::{Error, Result};

/// How long a device may take to open.
pub(super) const OPEN: Duration = Duration::from_secs(5);

/// Which device is used, and how: what stays the same when it is opened again.
#[derive(Clone)]
pub(super) struct Wanted {
    host: HostId,
    choice: Option<String>,
    direction: Direction,
    pub(super) rate: SampleRate,
    block_ms: f64,
}

/// A device that is there.
pub(super) struct Found {
    pub(super) name: String,
    device: Device,
    format: SampleFormat,
    config: StreamConfig,
    /// The frames of a block.
    block: u32,
}

/// What lives as long as a device is used.
pub(super) enum Stream {
    Cpal {
        _stream: cpal::Stream,
    },
    #[cfg(target_os = "linux")]
    Pulse {
        _playback: pulse::Playback,
    },
}

impl Wanted {
    /// What is meant by a choice now, at the device's own rate.
    pub(super) fn first(choice: Option<&str>, block_ms: f64, direction: Direction) -> Result<(Self, Found)> {
        let open = |host: &cpal::Host| Ok((host.id(), Found::open(host, choice, block_ms, direction, None)?));
        let (host, found) = with_host(None, open)?;
        let rate = SampleRate::hz(found.config.sample_rate);
        Ok((Self { host, choice: choice.map(str::to_owned), direction, rate, block_ms }, found))
    }

    /// Looks for it again, on the same sound system and at the same rate.
    pub(super) fn find(&self) -> Result<Found> {
        let choice = self.choice.as_deref();
        with_host(Some(self.host), |host| Found::open(host, choice, self.block_ms, self.direction, Some(self.rate)))
    }
}

impl Found {
    fn open(
        host: &cpal::Host,
        choice: Option<&str>,
        block_ms: f64,
        direction: Direction,
        rate: Option<SampleRate>,
    ) -> Result<Self> {
        let device = match choice {
            Some(choice) => find(host, choice, direction)?,
            None => usual(host, direction)?,
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
        if let Some(rate) = rate {
            config.sample_rate = rate.get();
        }
        let frames = Samples::from_ms(block_ms, SampleRate::hz(config.sample_rate)).0 as u32;
        let frames = match *supported.buffer_size() {
            SupportedBufferSize::Range { min, max } => frames.clamp(min.max(1), max.max(1)),
            SupportedBufferSize::Unknown => frames,
        };
        config.buffer_size = BufferSize::Fixed(frames);
        Ok(Self { name, device, format: supported.sample_format(), config, block: frames })
    }

    /// Gives what a microphone hears to the conversation.
    pub(super) fn record(self, microphone: Lent<Microphone>) -> Result<Stream> {
        let stream = match self.format {
            SampleFormat::I8 => self.input::<i8>(microphone),
            SampleFormat::I16 => self.input::<i16>(microphone),
            SampleFormat::I32 => self.input::<i32>(microphone),
            SampleFormat::U8 => self.input::<u8>(microphone),
            SampleFormat::U16 => self.input::<u16>(microphone),
            SampleFormat::F32 => self.input::<f32>(microphone),
            SampleFormat::F64 => self.input::<f64>(microphone),
            other => return Err(unsupported(&self.name, other)),
        };
        self.run(stream)
    }

    /// Plays what the conversation gives to a loudspeaker.
    pub(super) fn play(self, loudspeaker: Lent<Loudspeaker>) -> Result<Stream> {
        #[cfg(target_os = "linux")]
        if self.device.id().is_ok_and(|id| id.host() == HostId::PulseAudio) {
            let rate = SampleRate::hz(self.config.sample_rate);
            let _playback = pulse::Playback::open(&id_of(&self.device), rate, self.block, loudspeaker)?;
            return Ok(Stream::Pulse { _playback });
        }
        let stream = match self.format {
            SampleFormat::I8 => self.output::<i8>(loudspeaker),
            SampleFormat::I16 => self.output::<i16>(loudspeaker),
            SampleFormat::I32 => self.output::<i32>(loudspeaker),
            SampleFormat::U8 => self.output::<u8>(loudspeaker),
            SampleFormat::U16 => self.output::<u16>(loudspeaker),
            SampleFormat::F32 => self.output::<f32>(loudspeaker),
            SampleFormat::F64 => self.output::<f64>(loudspeaker),
            other => return Err(unsupported(&self.name, other)),
        };
        self.run(stream)
    }

    fn run(self, stream: Result<cpal::Stream, cpal::Error>) -> Result<Stream> {
        let stream = stream.map_err(|error| failed(&self.name, &error))?;
        stream.play().map_err(|error| failed(&self.name, &error))?;
        Ok(Stream::Cpal { _stream: stream })
    }

    fn input<T>(&self, mut microphone: Lent<Microphone>) -> Result<cpal::Stream, cpal::Error>
    where
        T: SizedSample,
        f32: FromSample<T>,
    {
        let channels = usize::from(self.config.channels);
        let on_error = on_error(&self.name, microphone.alarm());
        let callback = move |data: &[T], _: &cpal::InputCallbackInfo| {
            if let Some(microphone) = microphone.end() {
                record_block(data, channels, microphone);
            }
        };
        self.device.build_input_stream(self.config, callback, on_error, Some(OPEN))
    }

    fn output<T>(&self, mut loudspeaker: Lent<Loudspeaker>) -> Result<cpal::Stream, cpal::Error>
    where
        T: SizedSample + FromSample<f32>,
    {
        let channels = usize::from(self.config.channels);
        let rate = SampleRate::hz(self.config.sample_rate);
        let on_error = on_error(&self.name, loudspeaker.alarm());
        let callback = move |data: &mut [T], info: &cpal::OutputCallbackInfo| {
            let moments = info.timestamp();
            let ahead = moments.playback.saturating_duration_since(moments.callback);
            let latency = Samples::from_ms(ahead.as_secs_f64() * 1e3, rate);
            if let Some(loudspeaker) = loudspeaker.end() {
                sound_block(data, channels, latency, loudspeaker);
            }
        };
        self.device.build_output_stream(self.config, callback, on_error, Some(OPEN))
    }
}

/// Sounds the alarm at an error after which no sound comes or goes. The others may come on the thread that plays, which
/// must not wait for a log.
fn on_error(name: &str, alarm: impl Fn() + Send + 'static) -> impl FnMut(cpal::Error) + Send + 'static {
    let name = name.to_owned();
    move |error| {
        let passes = [ErrorKind::Xrun, ErrorKind::DeviceChanged, ErrorKind::RealtimeDenied, ErrorKind::DeviceBusy];
        if passes.contains(&error.kind()) {
            tracing::debug!(device = name, "{error}");
        } else {
            tracing::warn!(device = name, "{error}");
            alarm();
        }
    }
}

fn unsupported(name: &str, format: SampleFormat) -> Error {
    Error::Device(format!("{name}: expected samples of 8 to 32-bit integers or floats, found {format}"))
}
