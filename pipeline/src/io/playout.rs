//! The playback ring and the playhead: sound goes from `speak` to a callback; how far the listener got comes back.
//!
//! Samples in the ring are numbered since the conversation began. An interruption is one number, the sample up to
//! which the callback skips; what was heard of a reply is another, the sample that it had reached. A reply that was
//! begun ahead waits in the ring, before its first sample, until its turn is released. While somebody speaks over a
//! reply it is ducked: it goes on more quietly, or stands still.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rejoinder_models::streaming::Streaming;
use rejoinder_models::units::{Position, SampleRate, Samples};
use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use crate::Result;
use crate::clock::{Clock, ns_of, position};
use crate::message::{Body, Message, ReplyWord, Sound, TurnId, Turns};
use crate::run::queue::Wake;

/// How far `speak` may run ahead of the listener. Policy when the ring is full: `speak` waits.
const LEAD_MS: f64 = 4_000.0;
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
    cut: Option<u64>,
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
    /// Its text up to this byte.
    UpTo(usize),
}

/// The playhead: how far the listener got. Clones share it.
#[derive(Clone, Debug)]
pub struct Playout(Arc<Shared>);

/// The near end of the playback ring.
pub(crate) struct Player {
    shared: Arc<Shared>,
    ring: HeapProd<f32>,
    turns: Turns,
    resample: Option<Resample>,
    from: SampleRate,
    turn: TurnId,
    pending: VecDeque<f32>,
    /// Where the reply begins in the ring.
    base: u64,
    /// How much of a reply that was begun ahead may wait in the ring.
    held: u64,
}

/// The far end of the playback ring: gives what a loudspeaker plays.
pub struct Loudspeaker {
    shared: Arc<Shared>,
    ring: HeapCons<f32>,
    fade: u64,
    gain: f32,
    /// What the gain may change by from one sample to the next.
    slope: f32,
    /// How long a sample that leaves the ring now takes to sound.
    latency: Samples,
    /// Samples that have left the ring, skipped ones included.
    played: u64,
    /// Samples of silence that followed the last of them.
    silence: u64,
}

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
    };
    (player, loudspeaker, Playout(shared))
}

impl Playout {
    /// Looks at the playhead and appends what is new, in order.
    pub(crate) fn poll(&self, progress: &mut Vec<Progress>) {
        let played = self.0.heard.load(Ordering::Acquire);
        let turns = &self.0.turns;
        let lives = |reply: &&mut Reply| reply.cut.is_none() && !reply.finished && turns.is_current(reply.turn);
        for reply in self.0.replies().iter_mut().filter(lives) {
            if !turns.is_released(reply.turn) {
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

    /// What was heard of the reply to `turn`: nothing where it has not begun.
    pub fn heard(&self, turn: TurnId) -> Heard {
        let replies = self.0.replies();
        let Some(reply) = replies.iter().rev().find(|reply| reply.turn == turn) else { return Heard::UpTo(0) };
        let upto = reply.cut.unwrap_or_else(|| self.0.heard.load(Ordering::Acquire));
        if reply.end.is_some_and(|end| end <= upto) {
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

impl Player {
    /// Takes a message of the last stage. Its sound may have to wait for space: see [`pump`](Self::pump).
    pub(crate) fn take(&mut self, message: Message) -> Result<()> {
        if message.turn < self.turn || !self.turns.is_current(message.turn) {
            return Ok(());
        }
        match message.body {
            Body::Sound(sound) => {
                self.begin(message.turn);
                self.sound(sound)
            }
            Body::SoundEnd => {
                self.begin(message.turn);
                self.finish()
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, turn: TurnId) {
        if turn == self.turn {
            return;
        }
        self.turn = turn;
        self.pending.clear();
        if let Some(resample) = &mut self.resample {
            resample.reset();
        }
        let base = self.shared.written.load(Ordering::SeqCst);
        self.base = base;
        self.shared.first.store(base, Ordering::Release);
        self.shared.gate_at.store(base, Ordering::SeqCst);
        self.shared.gate.store(turn.bits(), Ordering::SeqCst);
        let mut replies = self.shared.replies();
        if replies.len() == REPLIES {
            replies.pop_front();
        }
        let words = Vec::new();
        replies.push_back(Reply {
            turn,
            base,
            made: 0,
            end: None,
            cut: None,
            words,
            told: 0,
            started: false,
            finished: false,
        });
    }

    fn sound(&mut self, sound: Sound) -> Result<()> {
        if let Some(reply) = self.shared.replies().back_mut() {
            let rate = self.shared.rate;
            let at = |word: &ReplyWord| reply.base + word.end.convert(self.from, rate).0;
            let words: Vec<_> = sound.words.into_iter().map(|word| (at(&word), word)).collect();
            reply.words.extend(words);
            reply.made += Samples(sound.samples.len() as u64).convert(self.from, rate).0;
        }
        match &mut self.resample {
            Some(resample) => {
                let mut out = Vec::new();
                resample.push(&sound.samples, &mut out)?;
                self.pending.extend(out);
            }
            None => self.pending.extend(sound.samples),
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        if let Some(resample) = &mut self.resample {
            let mut out = Vec::new();
            resample.flush(&mut out)?;
            self.pending.extend(out);
        }
        let end = self.shared.written.load(Ordering::SeqCst) + self.pending.len() as u64;
        if let Some(reply) = self.shared.replies().back_mut() {
            reply.end = Some(end);
            for (at, _) in &mut reply.words {
                *at = (*at).min(end);
            }
        }
        Ok(())
    }

    /// Moves what fits into the ring. Returns true when nothing is left to move, because it fitted or because the
    /// turn is stale.
    pub(crate) fn pump(&mut self) -> bool {
        if !self.turns.is_current(self.turn) {
            self.pending.clear();
        }
        let room = match self.turns.is_released(self.turn) {
            true => usize::MAX,
            false => (self.base + self.held).saturating_sub(self.shared.written.load(Ordering::SeqCst)) as usize,
        };
        let (head, tail) = self.pending.as_slices();
        let mut moved = self.ring.push_slice(&head[..head.len().min(room)]);
        if moved == head.len() {
            moved += self.ring.push_slice(&tail[..tail.len().min(room - moved)]);
        }
        self.pending.drain(..moved);
        self.shared.written.fetch_add(moved as u64, Ordering::SeqCst);
        if !self.turns.is_current(self.turn) {
            self.shared.skip_written();
        }
        self.pending.is_empty()
    }

    /// Moves all that is pending into the ring, and waits for space where there is none.
    pub(crate) fn pump_all(&mut self) {
        self.shared.space.register();
        while !self.pump() {
            self.shared.waiting.store(true, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            let full = self.ring.vacant_len() == 0 || !self.turns.is_released(self.turn);
            if full && self.turns.is_current(self.turn) {
                std::thread::park();
            }
        }
    }
}

impl Loudspeaker {
    /// The rate of the samples that it gives.
    pub fn sample_rate(&self) -> SampleRate {
        self.shared.rate
    }

    /// Says how long the next sample that is pulled takes to sound, in samples of the device's rate.
    ///
    /// # Realtime Safety
    /// A store.
    pub fn set_latency(&mut self, latency: Samples) {
        self.latency = latency;
    }

    /// Fills `out` with what is to be played next, mono in [-1, 1], silence where there is nothing.
    ///
    /// # Realtime Safety
    /// Copies out of the ring, stores atomics, reads the machine's clock, and wakes the `speak` thread where that
    /// waits for space. It neither allocates nor locks nor waits.
    pub fn pull(&mut self, out: &mut [f32]) {
        let sounds_at = self.shared.clock.now_ns() + ns_of(self.latency.0, self.shared.rate);
        self.pull_at(out, sounds_at);
        self.note_heard(self.latency.0 + out.len() as u64);
    }

    /// As [`pull`](Self::pull), for a first sample that sounds at `ns` nanoseconds since capture began, and a block
    /// that has been heard when this returns.
    pub(crate) fn pull_heard(&mut self, out: &mut [f32], ns: u64) {
        self.pull_at(out, ns);
        self.note_heard(0);
    }

    fn pull_at(&mut self, out: &mut [f32], ns: u64) {
        let before = self.played;
        let mut filled = 0;
        // The gain is read before the skip: whoever lifts a ducked reply's gain has had it skipped before.
        let gain = f32::from_bits(self.shared.gain.load(Ordering::SeqCst));
        let skip_to = self.shared.skip_to.load(Ordering::SeqCst);
        if skip_to > self.played {
            let audible = if self.silence == 0 { self.fade } else { 0 };
            let fade = audible.min(skip_to - self.played).min(out.len() as u64) as usize;
            filled = self.ring.pop_slice(&mut out[..fade]);
            for (i, sample) in out[..filled].iter_mut().enumerate() {
                *sample *= self.gain * (filled - i) as f32 / (filled + 1) as f32;
            }
            self.played += filled as u64;
            self.played += self.ring.skip((skip_to - self.played) as usize) as u64;
            self.gain = gain;
        }
        let start = self.played;
        let wanted = self.audible(gain, out.len() - filled);
        let got = self.ring.pop_slice(&mut out[filled..filled + wanted]);
        let silent = self.shape(gain, &mut out[filled..], got);
        self.played += got as u64;
        let kept = if self.played > before { 0 } else { self.silence };
        self.silence = kept.saturating_add(silent as u64);
        let first = self.shared.first.load(Ordering::Acquire);
        if (start..self.played).contains(&first) {
            let offset = filled as u64 + first - start;
            self.shared.first_at_ns.store(ns + ns_of(offset, self.shared.rate), Ordering::Release);
        }
        fence(Ordering::SeqCst);
        if self.played > before && self.shared.waiting.swap(false, Ordering::SeqCst) {
            self.shared.space.notify();
        }
    }

    /// How many of the next `length` samples are not held at the gate, nor by a gain on its way to nothing.
    fn audible(&self, gain: f32, length: usize) -> usize {
        let gate = TurnId::from_bits(self.shared.gate.load(Ordering::SeqCst));
        let mut length = length;
        if !self.shared.turns.is_released(gate) {
            let gate_at = self.shared.gate_at.load(Ordering::SeqCst);
            length = length.min(gate_at.saturating_sub(self.played) as usize);
        }
        if gain == 0.0 { length.min((self.gain / self.slope).round() as usize) } else { length }
    }

    /// Brings the gain nearer to `gain` with each sample, applies it to the first `got` and silences the rest. Returns
    /// how many that are.
    fn shape(&mut self, gain: f32, out: &mut [f32], got: usize) -> usize {
        let (sound, rest) = out.split_at_mut(got);
        for sample in sound {
            self.gain += (gain - self.gain).clamp(-self.slope, self.slope);
            *sample *= self.gain;
        }
        rest.fill(0.0);
        if !rest.is_empty() {
            // Silence needs no ramp down; what comes after it rises from nothing only where it was held.
            self.gain = if gain == 0.0 { 0.0 } else { self.gain.max(gain) };
        }
        rest.len()
    }

    /// Moves the playhead, given how many of the latest samples, silence included, are still to sound.
    fn note_heard(&self, unheard: u64) {
        let heard = self.played.saturating_sub(unheard.saturating_sub(self.silence));
        self.shared.heard.fetch_max(heard, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::hz(1_000);

    fn word(text: &str, text_end: usize, end: u64) -> ReplyWord {
        ReplyWord { text: text.to_owned(), text_end, end: Samples(end) }
    }

    fn message(turn: u64, body: Body) -> Message {
        Message { turn: TurnId::new(turn), at: Position(0), body }
    }

    fn ring() -> (Turns, Player, Loudspeaker, Playout) {
        let turns = Turns::default();
        turns.raise(TurnId::new(1));
        turns.release(TurnId::new(1));
        let (player, speaker, playout) = playback_ring(RATE, RATE, None, 500.0, Clock::manual(), turns.clone());
        (turns, player, speaker, playout)
    }

    fn reply(player: &mut Player) {
        let words = vec![word("one", 3, 40), word("two", 7, 80)];
        player.take(message(1, Body::Sound(Sound { samples: vec![0.5; 100], words }))).unwrap();
        player.take(message(1, Body::SoundEnd)).unwrap();
        assert!(player.pump());
    }

    #[test]
    fn a_reply_is_told_word_by_word_and_heard_whole() {
        let (_, mut player, mut speaker, playout) = ring();
        reply(&mut player);
        let mut out = [0.0; 50];
        speaker.pull_heard(&mut out, 7_000_000);
        let mut progress = Vec::new();
        playout.poll(&mut progress);
        let started = Progress::Started(TurnId::new(1), Position::from_ms(7.0));
        assert_eq!(progress, [started, Progress::Word(TurnId::new(1), "one".to_owned())]);
        assert_eq!(playout.heard(TurnId::new(1)), Heard::UpTo(3));
        speaker.pull_heard(&mut out, 0);
        progress.clear();
        playout.poll(&mut progress);
        assert_eq!(progress, [Progress::Word(TurnId::new(1), "two".to_owned()), Progress::Finished(TurnId::new(1))]);
        assert_eq!(playout.heard(TurnId::new(1)), Heard::Whole);
    }

    #[test]
    fn an_interruption_fades_skips_and_remembers_the_last_word() {
        let (turns, mut player, mut speaker, playout) = ring();
        reply(&mut player);
        let mut out = [0.0; 50];
        speaker.pull_heard(&mut out, 0);
        turns.raise(TurnId::new(2));
        playout.interrupt_before(TurnId::new(2));
        speaker.pull_heard(&mut out, 0);
        assert!(out[..5].windows(2).all(|pair| pair[1] < pair[0]), "fades: {:?}", &out[..5]);
        assert!(out[5..].iter().all(|sample| *sample == 0.0));
        assert_eq!(playout.heard(TurnId::new(1)), Heard::UpTo(3));
        let mut progress = Vec::new();
        playout.poll(&mut progress);
        assert!(progress.iter().all(|step| !matches!(step, Progress::Finished(_))));
    }

    #[test]
    fn sound_that_was_on_its_way_when_the_turn_rose_is_never_played() {
        let (turns, mut player, mut speaker, playout) = ring();
        let sound = Sound { samples: vec![0.5; 100], words: Vec::new() };
        player.take(message(1, Body::Sound(sound.clone()))).unwrap();
        turns.raise(TurnId::new(2));
        turns.release(TurnId::new(2));
        playout.interrupt_before(TurnId::new(2));
        assert!(player.pump());
        player.take(message(1, Body::Sound(sound.clone()))).unwrap();
        assert!(player.pump());
        player.take(message(2, Body::Sound(Sound { samples: vec![0.25; 10], ..sound }))).unwrap();
        assert!(player.pump());
        let mut out = [0.0; 50];
        speaker.pull_heard(&mut out, 0);
        let loud: Vec<f32> = out.iter().copied().filter(|sample| *sample != 0.0).collect();
        assert_eq!(loud, [0.25; 10]);
    }

    #[test]
    fn a_full_ring_makes_the_speaker_wait_for_the_listener() {
        let (_, mut player, mut speaker, _) = ring();
        let samples = vec![0.5; 5_000];
        player.take(message(1, Body::Sound(Sound { samples, words: Vec::new() }))).unwrap();
        assert!(!player.pump());
        speaker.pull_heard(&mut [0.0; 1_000], 0);
        assert!(player.pump());
    }

    #[test]
    fn what_a_device_holds_is_heard_when_it_has_sounded() {
        let (_, mut player, mut speaker, playout) = ring();
        reply(&mut player);
        speaker.set_latency(Samples(30));
        let mut out = [0.0; 20];
        let mut finished = || {
            speaker.pull(&mut out);
            let mut progress = Vec::new();
            playout.poll(&mut progress);
            progress.contains(&Progress::Finished(TurnId::new(1)))
        };
        // The reply's 100 samples have left after five blocks, and the last of them sounds 30 samples later.
        let blocks = (1..20).find(|_| finished());
        assert_eq!(blocks, Some(8), "six blocks and a half have sounded when the eighth is asked for");
        assert_eq!(playout.heard(TurnId::new(1)), Heard::Whole);
    }

    #[test]
    fn a_reply_without_sound_is_finished_at_once() {
        let (_, mut player, _, playout) = ring();
        player.take(message(1, Body::SoundEnd)).unwrap();
        let mut progress = Vec::new();
        playout.poll(&mut progress);
        assert_eq!(progress, [Progress::Finished(TurnId::new(1))]);
        assert_eq!(playout.heard(TurnId::new(1)), Heard::Whole);
    }

    fn pulled(speaker: &mut Loudspeaker, length: usize) -> Vec<f32> {
        let mut out = vec![9.0; length];
        speaker.pull_heard(&mut out, 0);
        out
    }

    /// The steps from sample to sample of something that is constant but for its gain.
    fn steepest(sound: &[f32]) -> f32 {
        sound.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn a_ducked_reply_stands_still_and_goes_on_where_it_stopped() {
        let (_, mut player, mut speaker, playout) = ring();
        let ramp: Vec<f32> = (1..=200).map(|i| i as f32 / 400.0).collect();
        player.take(message(1, Body::Sound(Sound { samples: ramp.clone(), words: Vec::new() }))).unwrap();
        player.take(message(1, Body::SoundEnd)).unwrap();
        player.pump();
        assert_eq!(pulled(&mut speaker, 50), ramp[..50]);
        playout.duck(SILENCE_DB);
        let down = pulled(&mut speaker, 70);
        assert!(down[..20].windows(2).all(|pair| pair[1] < pair[0]) && steepest(&down) < 0.02, "{down:?}");
        assert!(down[20..].iter().all(|x| *x == 0.0));
        assert!(pulled(&mut speaker, 30).iter().all(|x| *x == 0.0));
        playout.duck(0.0);
        let up = pulled(&mut speaker, 130);
        assert!(steepest(&up[..25]) < 0.02, "{up:?}");
        assert_eq!(up[20..], ramp[90..], "twenty samples went down, and the next ones come up");
        assert_eq!(playout.heard(TurnId::new(1)), Heard::Whole);
    }

    #[test]
    fn a_reply_can_go_on_more_quietly() {
        let (_, mut player, mut speaker, playout) = ring();
        player.take(message(1, Body::Sound(Sound { samples: vec![0.5; 200], words: Vec::new() }))).unwrap();
        player.pump();
        playout.duck(-20.0);
        let out = pulled(&mut speaker, 100);
        assert!(steepest(&out) < 0.03 && (out[99] - 0.05).abs() < 1e-6, "{out:?}");
        playout.duck(0.0);
        assert!((pulled(&mut speaker, 100)[99] - 0.5).abs() < 1e-6);
    }

    #[test]
    fn an_interrupted_reply_that_was_ducked_is_not_heard_again_and_the_next_begins_loud() {
        let (turns, mut player, mut speaker, playout) = ring();
        reply(&mut player);
        playout.duck(SILENCE_DB);
        pulled(&mut speaker, 50);
        turns.raise(TurnId::new(2));
        turns.release(TurnId::new(2));
        playout.interrupt_before(TurnId::new(2));
        playout.duck(0.0);
        let sound = Sound { samples: vec![0.25; 10], words: Vec::new() };
        player.take(message(2, Body::Sound(sound))).unwrap();
        player.pump();
        let out = pulled(&mut speaker, 50);
        let loud: Vec<f32> = out.into_iter().filter(|sample| *sample != 0.0).collect();
        assert_eq!(loud, [0.25; 10]);
    }

    #[test]
    fn a_reply_that_was_begun_ahead_waits_for_its_release_within_bounds() {
        let (turns, mut player, mut speaker, playout) = ring();
        let held = TurnId::new(2);
        turns.raise(held);
        let sound = |length| Body::Sound(Sound { samples: vec![0.5; length], words: vec![word("one", 3, 40)] });
        player.take(message(2, sound(400))).unwrap();
        assert!(player.pump(), "half a second may be held");
        player.take(message(2, sound(400))).unwrap();
        assert!(!player.pump());
        let mut progress = Vec::new();
        assert!(pulled(&mut speaker, 100).iter().all(|x| *x == 0.0));
        playout.poll(&mut progress);
        assert_eq!((progress.len(), playout.heard(held), playout.made_ms(held)), (0, Heard::UpTo(0), 800.0));
        turns.release(held);
        assert_eq!(pulled(&mut speaker, 100), [0.5; 100]);
        playout.poll(&mut progress);
        assert!(matches!(progress[0], Progress::Started(turn, _) if turn == held));
        assert!(player.pump());
    }

    #[test]
    fn a_reply_that_was_begun_ahead_in_vain_is_never_heard() {
        let (turns, mut player, mut speaker, playout) = ring();
        let (held, again) = (TurnId::new(2), TurnId::new(2).retry());
        turns.raise(held);
        let sound = |value| Body::Sound(Sound { samples: vec![value; 20], words: Vec::new() });
        player.take(message(2, sound(0.5))).unwrap();
        player.pump();
        turns.raise(again);
        playout.interrupt_before(again);
        player.take(Message { turn: again, at: Position(0), body: sound(0.25) }).unwrap();
        player.pump();
        assert!(pulled(&mut speaker, 50).iter().all(|x| *x == 0.0));
        turns.release(again);
        let loud: Vec<f32> = pulled(&mut speaker, 50).into_iter().filter(|x| *x != 0.0).collect();
        assert_eq!(loud, [0.25; 20]);
        let mut progress = Vec::new();
        playout.poll(&mut progress);
        assert!(progress.iter().all(|step| matches!(step, Progress::Started(turn, _) if *turn == again)));
    }
}
