use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use rejoinder_models::units::{SampleRate, Samples};
use ringbuf::HeapCons;
use ringbuf::traits::{Consumer, Observer};

use super::Shared;
use crate::clock::ns_of;
use crate::io::reference::Tap;
use crate::message::TurnId;

/// The far end of the playback ring: gives what a loudspeaker plays.
pub struct Loudspeaker {
    pub(super) shared: Arc<Shared>,
    pub(super) ring: HeapCons<f32>,
    pub(super) fade: u64,
    pub(super) gain: f32,
    /// What the gain may change by from one sample to the next.
    pub(super) slope: f32,
    /// How long a sample that leaves the ring now takes to sound.
    pub(super) latency: Samples,
    /// Samples that have left the ring, skipped ones included.
    pub(super) played: u64,
    /// Samples of silence that followed the last of them.
    pub(super) silence: u64,
    pub(super) tap: Option<Tap>,
}

impl Loudspeaker {
    /// The rate of the samples that it gives.
    pub fn sample_rate(&self) -> SampleRate {
        self.shared.rate
    }

    /// Gives all that is played to an echo canceller, too.
    pub(crate) fn tap(&mut self, tap: Tap) {
        self.tap = Some(tap);
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
    /// Copies out of the ring and into the echo canceller's, stores atomics, reads the machine's clock, and wakes the
    /// `speak` thread where that waits for space. It neither allocates nor locks nor waits.
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
        self.shared.asked.fetch_add(out.len() as u64, Ordering::Relaxed);
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
        // What is written from here on may belong to a reply whose gate is not seen yet.
        let there = self.ring.occupied_len();
        let wanted = self.audible(gain, there.min(out.len() - filled));
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
        if let Some(tap) = &mut self.tap {
            tap.push(out);
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
