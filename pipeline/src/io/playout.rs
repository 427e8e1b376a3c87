//! The playback ring and the playhead: sound goes from `speak` to a callback; how far the listener got comes back.
//!
//! Samples in the ring are numbered since the conversation began. An interruption is one number, the sample up to
//! which the callback skips; what was heard of a reply is another, the sample that it had reached. A reply that was
//! begun ahead waits in the ring, before its first sample, until its turn is released. While somebody speaks over a
//! reply it is ducked: it goes on more quietly, or stands still.

mod loudspeaker;
mod player;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use loudspeaker::Loudspeaker;
pub(crate) use player::Player;
use rejoinder_models::streaming::Streaming;
use rejoinder_models::units::{Position, SampleRate, Samples};
use ringbuf::HeapRb;
use ringbuf::traits::Split;

use crate::clock::{Clock, position};
use crate::message::{ReplyWord, TurnId, Turns};
use crate::run::queue::Wake;

/// How far `speak` may run ahead of the listener. Policy when the ring is full: `speak` waits.
pub(crate) const LEAD_MS: f64 = 4_000.0;
/// An interrupted reply fades out over this time, so that it does not click.
const FADE_MS: f64 = 5.0;
/// The time in which the gain of a ducked reply goes from one to nothing.
const RAMP_MS: f64 = 20.0;
/// From this on a gain in decibels is silence.
pub(crate) const SILENCE_DB: f64 = -60.0;
/// Replies whose marks are kept.
const REPLIES: usize = 4;

/// A stream of samples at another rate.
pub(crate) type Resample = Box<dyn Streaming<Input = [f32], Output = Vec<f32>> + Send>;

#[derive(Debug)]
struct Shared {
    rate: SampleRate,
    clock: Clock,
    turns: Turns,
    written: AtomicU64,
    /// Samples that have been heard, or skipped. A device holds some samples that have left the ring.
    heard: AtomicU64,
    skip_to: AtomicU64,
    /// Samples that the loudspeaker has asked for, silence included.
    asked: AtomicU64,
    first: AtomicU64,
    first_at_ns: AtomicU64,
    /// The reply that comes next or sounds, and its first sample, written before it.
    gate: AtomicU64,
    gate_at: AtomicU64,
    /// The gain as the bits of a float.
    gain: AtomicU32,
    waiting: AtomicBool,
    space: Wake,
    replies: Mutex<VecDeque<Reply>>,
}

#[derive(Debug)]
struct Reply {
    turn: TurnId,
    base: u64,
    /// How much of it was synthesized.
    made: u64,
    end: Option<u64>,
    /// Whether that is the end of what was to be said.
    whole: bool,
    cut: Option<u64>,
    /// What was spoken, as far as it was synthesized.
    text: String,
    words: Vec<(u64, ReplyWord)>,
    told: usize,
    started: bool,
    finished: bool,
}

/// How a reply came along since the last look.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Progress {
    /// Its first sample sounded at this moment.
    Started(TurnId, Position),
    /// A word was played to its end.
    Word(TurnId, String),
    /// It was played to its end.
    Finished(TurnId),
}

/// What was heard of a reply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Heard {
    /// All of it.
    Whole,
    /// Its text, as it was spoken, up to this byte.
    UpTo(usize),
}

/// The playhead: how far the listener got. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Playout(Arc<Shared>);

/// A playback ring for audio of `rate`, fed with sound of rate `from` through `resample` where they differ. Of a reply
/// that was begun ahead it holds `held_ms` at the most.
pub(crate) fn playback_ring(
    rate: SampleRate,
    from: SampleRate,
    resample: Option<Resample>,
    held_ms: f64,
    clock: Clock,
    turns: Turns,
) -> (Player, Loudspeaker, Playout) {
    let capacity = Samples::from_ms(LEAD_MS, rate).0 as usize;
    let (near, far) = HeapRb::new(capacity).split();
    let shared = Arc::new(Shared {
        rate,
        clock,
        turns: turns.clone(),
        written: AtomicU64::new(0),
        heard: AtomicU64::new(0),
        skip_to: AtomicU64::new(0),
        asked: AtomicU64::new(0),
        first: AtomicU64::new(u64::MAX),
        first_at_ns: AtomicU64::new(0),
        gate: AtomicU64::new(0),
        gate_at: AtomicU64::new(0),
        gain: AtomicU32::new(1.0_f32.to_bits()),
        waiting: AtomicBool::new(false),
        space: Wake::default(),
        replies: Mutex::default(),
    });
    let fade = Samples::from_ms(FADE_MS, rate).0;
    let player = Player {
        shared: shared.clone(),
        ring: near,
        turns,
        resample,
        from,
        turn: TurnId::default(),
        pending: VecDeque::new(),
        base: 0,
        held: Samples::from_ms(held_ms, rate).0,
    };
    let loudspeaker = Loudspeaker {
        shared: shared.clone(),
        ring: far,
        fade,
        gain: 1.0,
        slope: 1.0 / Samples::from_ms(RAMP_MS, rate).0.max(1) as f32,
        latency: Samples(0),
        played: 0,
        silence: u64::MAX,
        tap: None,
    };
    (player, loudspeaker, Playout(shared))
}

impl Playout {
    /// Looks at the playhead and appends what is new of `turn` and later ones, in order.
    pub(crate) fn poll(&self, turn: TurnId, progress: &mut Vec<Progress>) {
        let played = self.0.heard.load(Ordering::Acquire);
        let lives = |reply: &&mut Reply| reply.cut.is_none() && !reply.finished && reply.turn >= turn;
        for reply in self.0.replies().iter_mut().filter(lives) {
            if !self.0.turns.is_released(reply.turn) {
                continue;
            }
            if !reply.started && played > reply.base && reply.end != Some(reply.base) {
                reply.started = true;
                let at = position(self.0.first_at_ns.load(Ordering::Acquire));
                progress.push(Progress::Started(reply.turn, at));
            }
            while let Some((_, word)) = reply.words.get(reply.told).filter(|(end, _)| *end <= played) {
                progress.push(Progress::Word(reply.turn, word.text.clone()));
                reply.told += 1;
            }
            if reply.end.is_some_and(|end| end <= played) {
                reply.finished = true;
                progress.push(Progress::Finished(reply.turn));
            }
        }
    }

    /// Drops the sound of all replies before `turn`, and notes what was heard of them.
    pub(crate) fn interrupt_before(&self, turn: TurnId) {
        let played = self.0.heard.load(Ordering::Acquire);
        for reply in self.0.replies().iter_mut().filter(|reply| reply.turn < turn && !reply.finished) {
            reply.cut = reply.cut.or(Some(played));
        }
        self.0.skip_written();
        self.0.space.notify();
    }

    /// A reply that was begun ahead may sound: what of it waits for that goes on.
    pub(crate) fn released(&self) {
        self.0.space.notify();
    }

    /// How many samples the loudspeaker has asked for, silence included.
    pub(crate) fn asked(&self) -> u64 {
        self.0.asked.load(Ordering::Relaxed)
    }

    /// The turn whose reply waits to be heard, or is being heard.
    pub(crate) fn awaited(&self) -> Option<TurnId> {
        let turn = TurnId::from_bits(self.0.gate.load(Ordering::SeqCst));
        let reached = self.0.heard.load(Ordering::Acquire).max(self.0.skip_to.load(Ordering::SeqCst));
        let waits = self.0.written.load(Ordering::SeqCst) > reached && self.0.turns.is_released(turn);
        waits.then_some(turn)
    }

    /// Brings the gain to `db` decibels, in a ramp. From -60 on playback stands still once it is silent; at 0 all is as
    /// it was.
    pub(crate) fn duck(&self, db: f64) {
        let gain = if db <= SILENCE_DB { 0.0 } else { 10_f64.powf(db / 20.0) as f32 };
        self.0.gain.store(gain.to_bits(), Ordering::SeqCst);
    }

    /// How much of the reply to `turn` was synthesized, heard or not.
    pub(crate) fn made_ms(&self, turn: TurnId) -> f64 {
        let replies = self.0.replies();
        let made = replies.iter().rev().find(|reply| reply.turn == turn).map_or(0, |reply| reply.made);
        Samples(made).ms(self.0.rate)
    }

    /// How much of the reply to `turn` is left to be heard, on the one clock; none while its end is not known.
    pub(crate) fn left(&self, turn: TurnId) -> Option<Samples> {
        let replies = self.0.replies();
        let end = replies.iter().rev().find(|reply| reply.turn == turn)?.end?;
        let left = Samples(end.saturating_sub(self.0.heard.load(Ordering::Acquire)));
        Some(left.convert(self.0.rate, SampleRate::INTERNAL))
    }

    /// How much of the reply to `turn` has sounded, on the one clock.
    pub(crate) fn sounded(&self, turn: TurnId) -> Samples {
        let replies = self.0.replies();
        let Some(reply) = replies.iter().rev().find(|reply| reply.turn == turn) else { return Samples(0) };
        let upto = reply.cut.unwrap_or_else(|| self.0.heard.load(Ordering::Acquire));
        let upto = reply.end.map_or(upto, |end| upto.min(end));
        Samples(upto.saturating_sub(reply.base)).convert(self.0.rate, SampleRate::INTERNAL)
    }

    /// What was spoken of the reply to `turn`, heard or not: the model's words, or what a stage after it made of them.
    pub(crate) fn said(&self, turn: TurnId) -> Option<String> {
        self.0.replies().iter().rev().find(|reply| reply.turn == turn).map(|reply| reply.text.clone())
    }

    /// What was heard of the reply to `turn`: nothing where it has not begun.
    pub(crate) fn heard(&self, turn: TurnId) -> Heard {
        let replies = self.0.replies();
        let Some(reply) = replies.iter().rev().find(|reply| reply.turn == turn) else { return Heard::UpTo(0) };
        let upto = reply.cut.unwrap_or_else(|| self.0.heard.load(Ordering::Acquire));
        if reply.whole && reply.end.is_some_and(|end| end <= upto) {
            return Heard::Whole;
        }
        let last = reply.words.iter().rev().find(|(end, _)| *end <= upto);
        Heard::UpTo(last.map_or(0, |(_, word)| word.text_end))
    }
}

impl Shared {
    fn replies(&self) -> MutexGuard<'_, VecDeque<Reply>> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn skip_written(&self) {
        self.skip_to.fetch_max(self.written.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}
