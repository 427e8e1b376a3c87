use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use rejoinder_models::units::{SampleRate, Samples};
use ringbuf::HeapProd;
use ringbuf::traits::{Observer, Producer};

use super::{REPLIES, Reply, Resample, Shared};
use crate::message::{Body, Message, ReplyWord, Sound, TurnId, Turns};
use crate::{Result, meter};

/// The near end of the playback ring.
pub(crate) struct Player {
    pub(super) shared: Arc<Shared>,
    pub(super) ring: HeapProd<f32>,
    pub(super) turns: Turns,
    pub(super) resample: Option<Resample>,
    pub(super) from: SampleRate,
    pub(super) turn: TurnId,
    pub(super) pending: VecDeque<f32>,
    /// Where the reply begins in the ring.
    pub(super) base: u64,
    /// How much of a reply that was begun ahead may wait in the ring.
    pub(super) held: u64,
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
            // A turn that failed before it had a sound takes no reply's place.
            Body::SoundEnd { whole: false } if message.turn != self.turn => Ok(()),
            Body::SoundEnd { whole } => {
                self.begin(message.turn);
                self.finish(whole)
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
            whole: false,
            cut: None,
            text: String::new(),
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
            reply.text.push_str(&sound.text);
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

    /// The first end of a reply counts: where a stage fails after it, all was there.
    fn finish(&mut self, whole: bool) -> Result<()> {
        if self.shared.replies().back().is_some_and(|reply| reply.end.is_some()) {
            return Ok(());
        }
        if let Some(resample) = &mut self.resample {
            let mut out = Vec::new();
            resample.flush(&mut out)?;
            self.pending.extend(out);
        }
        let end = self.shared.written.load(Ordering::SeqCst) + self.pending.len() as u64;
        if let Some(reply) = self.shared.replies().back_mut() {
            (reply.end, reply.whole) = (Some(end), whole);
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
                meter::waiting(std::thread::park);
            }
        }
    }
}
