//! A loudspeaker of a PulseAudio server. The only file that names `pulseaudio`.
//!
//! Of the latency that a client asks for, the server takes off two requests and gives half of the rest to the device
//! (`fix_playback_buffer_attr` in its `protocol-native.c`). cpal 0.18 asks for two requests in all, so that nothing is
//! left: the device then works in blocks of half a millisecond, as does whoever records its monitor, and server and
//! clients take a core and more. Here a request is half as long, which leaves the device a quarter of the same latency.

use std::ffi::CString;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::channel::oneshot;
use futures::executor::block_on;
use futures::future::{Either, select};
use pulseaudio::protocol::stream::{BufferAttr, StreamFlags};
use pulseaudio::protocol::{ChannelMap, PlaybackStreamParams, SampleFormat, SampleSpec};
use pulseaudio::{AsPlaybackSource, Client, ClientError, PlaybackStream};
use rejoinder_models::units::{SampleRate, Samples};

use super::keeper::Lent;
use super::port::OPEN;
use super::{SCRATCH, sound_block};
use crate::clock::{ns_of, samples_at};
use crate::io::Loudspeaker;
use crate::{Error, Result};

const SAMPLE: usize = size_of::<f32>();
/// How often the server is asked what has sounded. In between, that runs on with the machine's clock.
const POLL: Duration = Duration::from_millis(250);

/// A loudspeaker that plays until it is dropped.
pub(super) struct Playback {
    stream: PlaybackStream,
    /// Tells the thread that follows the stream, when it is dropped.
    goes_on: Option<oneshot::Sender<()>>,
    follower: Option<JoinHandle<()>>,
}

/// What of the stream has sounded, told by the server now and then.
struct Sounded {
    epoch: Instant,
    /// When the stream's first sample sounded, in nanoseconds since `epoch`.
    first_ns: AtomicI64,
}

impl Playback {
    /// Plays mono to a sink; the server spreads it over the channels. A sample sounds about two blocks after it was asked
    /// for.
    pub(super) fn open(sink: &str, rate: SampleRate, block: u32, loudspeaker: Lent<Loudspeaker>) -> Result<Self> {
        let failed = |error: &dyn std::fmt::Display| Error::Device(format!("{sink}: {error}"));
        let name = CString::new(sink).map_err(|error| failed(&error))?;
        let alarm = loudspeaker.alarm();
        // A server that hangs would keep the caller for ever.
        let (tell, told) = channel();
        let open = move || {
            let _ = tell.send(connect(name, rate, block, loudspeaker));
        };
        std::thread::Builder::new().name("pulse-open".to_owned()).spawn(open).map_err(|error| failed(&error))?;
        let (stream, sounded) = match told.recv_timeout(OPEN) {
            Ok(opened) => opened.map_err(|error| failed(&error))?,
            Err(_) => return Err(failed(&"the sound server does not answer")),
        };
        let (goes_on, ended) = oneshot::channel();
        let follow = {
            let (stream, sink) = (stream.clone(), sink.to_owned());
            move || {
                if let Err(error) = sounded.follow(&stream, rate, ended) {
                    tracing::warn!(device = sink, "{error}");
                    alarm();
                }
            }
        };
        let thread = std::thread::Builder::new().name("pulse-timing".to_owned());
        let follower = thread.spawn(follow).map_err(|error| failed(&error))?;
        Ok(Self { stream, goes_on: Some(goes_on), follower: Some(follower) })
    }
}

impl Drop for Playback {
    fn drop(&mut self) {
        self.goes_on = None;
        // Sent and not waited for: the server may be gone.
        let _ = self.stream.clone().delete().now_or_never();
        if let Some(follower) = self.follower.take() {
            follower.thread().unpark();
            let _ = follower.join();
        }
    }
}

fn connect(
    sink: CString,
    rate: SampleRate,
    block: u32,
    mut loudspeaker: Lent<Loudspeaker>,
) -> Result<(PlaybackStream, Arc<Sounded>), ClientError> {
    let client = Client::from_env(c"rejoinder")?;
    let sounded = Arc::new(Sounded::new());
    let bytes = |frames: u32| frames.max(1).saturating_mul(SAMPLE as u32);
    let params = PlaybackStreamParams {
        sample_spec: SampleSpec { format: SampleFormat::Float32Le, channels: 1, sample_rate: rate.get() },
        channel_map: ChannelMap::mono(),
        sink_name: Some(sink),
        buffer_attr: BufferAttr {
            target_length: bytes(block.saturating_mul(2)),
            minimum_request_length: bytes(block / 2),
            ..BufferAttr::default()
        },
        flags: StreamFlags { adjust_latency: true, ..StreamFlags::default() },
        ..PlaybackStreamParams::default()
    };
    let (clock, mut written) = (sounded.clone(), 0);
    let callback = move |data: &mut [u8]| {
        if let Some(loudspeaker) = loudspeaker.end() {
            sound_bytes(data, clock.latency(written, rate), loudspeaker);
        }
        written += (data.len() / SAMPLE) as u64;
        data.len()
    };
    let stream = block_on(client.create_playback_stream(params, callback.as_playback_source()))?;
    Ok((stream, sounded))
}

/// Writes mono samples as little-endian bytes, the first of which sounds after `latency`.
fn sound_bytes(data: &mut [u8], mut latency: Samples, loudspeaker: &mut Loudspeaker) {
    let mut mono = [0.0_f32; SCRATCH];
    for bytes in data.chunks_mut(SCRATCH * SAMPLE) {
        let mono = &mut mono[..bytes.len() / SAMPLE];
        sound_block(mono, 1, latency, loudspeaker);
        latency = latency + Samples(mono.len() as u64);
        for (bytes, sample) in bytes.chunks_exact_mut(SAMPLE).zip(mono) {
            bytes.copy_from_slice(&sample.to_le_bytes());
        }
    }
}

impl Sounded {
    fn new() -> Self {
        Self { epoch: Instant::now(), first_ns: AtomicI64::new(0) }
    }

    fn now_ns(&self) -> i64 {
        self.epoch.elapsed().as_nanos() as i64
    }

    /// How long the next sample takes to sound, after `written` ones.
    fn latency(&self, written: u64, rate: SampleRate) -> Samples {
        let ns = self.first_ns.load(Ordering::Relaxed) + ns_of(written, rate) as i64 - self.now_ns();
        Samples(samples_at(ns.max(0) as u64, rate))
    }

    /// Asks the server until the other end of `ended` is dropped, which a server that does not answer cannot delay.
    fn follow(
        &self,
        stream: &PlaybackStream,
        rate: SampleRate,
        mut ended: oneshot::Receiver<()>,
    ) -> Result<(), ClientError> {
        loop {
            let asked_ns = self.now_ns();
            let info = match block_on(select(&mut ended, pin!(stream.timing_info()))) {
                Either::Left(_) => return Ok(()),
                Either::Right((info, _)) => info?,
            };
            let read = info.read_offset.max(0) as u64 / SAMPLE as u64;
            let sounded_ns = ns_of(read, rate) as i64 - info.sink_usec as i64 * 1_000;
            self.first_ns.store((asked_ns + self.now_ns()) / 2 - sounded_ns, Ordering::Relaxed);
            std::thread::park_timeout(POLL);
        }
    }
}
