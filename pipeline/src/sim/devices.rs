//! A simulated conversation in real time through sound devices: the caller plays into what the assistant's microphone
//! hears, and hears what its loudspeaker plays. Virtual devices of a sound server will do.
//!
//! All times are on the assistant's clock. Both the caller's words and the reply are recorded where they leave the sound
//! server, by streams of the same kind as the assistant's microphone, so that the server's own delays cancel out; what
//! remains uncertain is a device block.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use rejoinder_models::units::{Position, SampleRate, Samples};

use super::audible::above;
use super::line::{Line, Record};
use super::live::{Told, tapped};
use crate::clock::{Clock, ns_of};
use crate::event::Event;
use crate::io::capture::{Captured, Next, capture_ring};
use crate::io::device::{DeviceSink, DeviceSource};
use crate::io::playout::{Player, Resample, playback_ring};
use crate::io::{Sink, Source};
use crate::message::{AUDIBLE, Body, Message, Sound, TurnId, Turns};
use crate::run::queue::Wake;
use crate::run::world::World;
use crate::session::resampler;
use crate::{Error, Result, SessionBuilder};

const RATE: SampleRate = SampleRate::INTERNAL;
/// The caller's voice runs this far ahead of what has left the sound server.
const LEAD: Samples = Samples(1_600);
/// A device that gives nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// The caller's words are looked for this far from where they are expected.
const NEAR: Samples = Samples(8_000);

/// What is as loud as this, -36 dB of full scale, is the caller's words: a room's noise, which goes with them through the
/// devices, is told from them by its level.
const VOICE_LEVEL: f32 = 0.016;

/// All that the caller says is one reply to the sound server.
const VOICE: TurnId = TurnId::new(1);

/// The devices of a conversation, by id or name.
#[derive(Clone, Debug, PartialEq)]
pub struct Devices {
    /// The assistant's microphone.
    pub microphone: String,
    /// The assistant's loudspeaker.
    pub loudspeaker: String,
    /// What the caller plays into, to be heard by the microphone.
    pub mouth: String,
    /// What records the loudspeaker.
    pub ear: String,
    /// The length of a device block in milliseconds.
    pub block_ms: f64,
}

/// A recording of what leaves the sound server, in samples of 16 kHz.
struct Tap {
    source: DeviceSource,
    ring: Captured,
    resample: Option<Resample>,
    taken: u64,
    /// The moment of the first sample, as the least delayed block has it.
    offset: Option<i64>,
    /// How loud sound has to be.
    level: f32,
    spans: Vec<Range<Position>>,
}

impl Tap {
    fn open(device: &str, block_ms: f64, level: f32, wake: &Arc<Wake>) -> Result<Self> {
        // The tap's own clock is of no interest: its samples are placed by the conversation's.
        let clock = Clock::live();
        let mut source = DeviceSource::open(Some(device), block_ms)?;
        let rate = source.sample_rate();
        let (microphone, ring) = capture_ring(rate, clock, Turns::default(), wake.clone());
        source.start(microphone)?;
        Ok(Self { source, ring, resample: resampler(rate, RATE)?, taken: 0, offset: None, level, spans: Vec::new() })
    }

    /// What was recorded since the last look.
    fn take(&mut self, clock: &Clock) -> Result<Vec<f32>> {
        let mut samples = Vec::new();
        while let Next::Samples(piece) = self.ring.next() {
            match &mut self.resample {
                Some(resample) => resample.push(&piece, &mut samples)?,
                None => samples.extend(piece),
            }
        }
        if samples.is_empty() {
            return Ok(samples);
        }
        // Later than the last sample, however long this thread has slept.
        let now = clock.now();
        let from = self.taken;
        above(self.level, &samples, |i| Position(from + i), &mut self.spans);
        self.taken += samples.len() as u64;
        let offset = now.0 as i64 - self.taken as i64;
        self.offset = Some(self.offset.map_or(offset, |best| best.min(offset)));
        Ok(samples)
    }

    /// Where sound was, on the conversation's clock.
    fn spans(&self) -> Vec<Range<Position>> {
        let offset = self.offset.unwrap_or_default();
        let at = |at: Position| Position((at.0 as i64 + offset).max(0) as u64);
        self.spans.iter().map(|span| at(span.start)..at(span.end)).collect()
    }
}

/// The caller's voice on its way into the sound server.
struct Mouth {
    sink: DeviceSink,
    player: Player,
    spoken: u64,
    spans: Vec<Range<Position>>,
}

impl Mouth {
    fn open(device: &str, block_ms: f64) -> Result<Self> {
        let mut sink = DeviceSink::open(Some(device), block_ms)?;
        let rate = sink.sample_rate(RATE);
        let turns = Turns::default();
        turns.release(VOICE);
        let (player, loudspeaker, _) = playback_ring(rate, RATE, resampler(RATE, rate)?, 0.0, Clock::live(), turns);
        sink.start(loudspeaker)?;
        Ok(Self { sink, player, spoken: 0, spans: Vec::new() })
    }

    fn speak(&mut self, samples: Vec<f32>) -> Result<()> {
        let from = self.spoken;
        above(VOICE_LEVEL, &samples, |i| Position(from + i), &mut self.spans);
        self.spoken += samples.len() as u64;
        let body = Body::Sound(Sound { samples, ..Sound::default() });
        self.player.take(Message { turn: VOICE, at: Position(0), body })?;
        self.player.pump();
        Ok(())
    }
}

/// Runs a conversation on a line through devices.
pub(crate) fn run(builder: SessionBuilder, mut line: Line<'_>, devices: &Devices) -> Result<Record> {
    let (tell, told) = channel();
    let clock = Clock::live();
    let microphone = DeviceSource::open(Some(&devices.microphone), devices.block_ms)?;
    let loudspeaker = DeviceSink::open(Some(&devices.loudspeaker), devices.block_ms)?;
    let session = tapped(builder, tell).source(microphone).sink(loudspeaker).start_by(clock.clone())?;
    let wake = Arc::<Wake>::default();
    wake.register();
    let mut lips = Tap::open(&devices.microphone, devices.block_ms, VOICE_LEVEL, &wake)?;
    let mut ear = Tap::open(&devices.ear, devices.block_ms, AUDIBLE, &wake)?;
    let mut mouth = Mouth::open(&devices.mouth, devices.block_ms)?;
    let (mut events, mut last) = (Vec::<Event>::new(), Instant::now());
    loop {
        for told in told.try_iter() {
            match told {
                Told::Step(step) => line.step(&step),
                Told::Event(event) => {
                    line.event(&Event { at: Position(mouth.spoken), ..event.clone() });
                    events.push(event);
                }
            }
        }
        let heard = ear.take(&clock)?;
        line.played(&heard);
        if !lips.take(&clock)?.is_empty() {
            last = Instant::now();
        } else if last.elapsed() > PATIENCE {
            return Err(Error::Device(format!("{} gives no sound", devices.microphone)));
        }
        let wanted = (lips.taken + LEAD.0).saturating_sub(mouth.spoken);
        if wanted > 0 {
            let mut samples = vec![0.0; wanted as usize];
            line.capture(&mut samples);
            mouth.speak(samples)?;
        }
        if session.is_over() || line.is_over(ns_of(mouth.spoken, RATE), session.is_idle()) {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    lips.source.stop();
    ear.source.stop();
    mouth.sink.stop()?;
    session.stop()?;
    let mut record = line.finish()?;
    place(&mut record, &mouth.spans, &lips.spans());
    Ok(Record { events, audible: ear.spans(), length: clock.now(), ..record })
}

/// Moves what the caller said from the caller's clock to where it was recorded.
fn place(record: &mut Record, spoken: &[Range<Position>], recorded: &[Range<Position>]) {
    let mut shift: Option<i64> = None;
    for said in &mut record.said {
        let Some(sound) = spoken.iter().find(|span| span.end > said.start) else { continue };
        let expected = (sound.start.0 as i64 + shift.unwrap_or_default()).max(0) as u64;
        let distance = |span: &Range<Position>| span.start.0.abs_diff(expected);
        let nearest = recorded.iter().min_by_key(|span| distance(span));
        let found = if shift.is_none() { recorded.first() } else { nearest.filter(|span| distance(span) <= NEAR.0) };
        shift = found.map(|found| found.start.0 as i64 - sound.start.0 as i64).or(shift);
        let shift = shift.unwrap_or_default();
        let at = |at: Position| Position((at.0 as i64 + shift).max(0) as u64);
        (said.start, said.end) = (at(said.start), at(said.end));
        said.sounding.iter_mut().for_each(|part| *part = at(part.start)..at(part.end));
    }
}
