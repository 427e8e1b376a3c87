//! The capture ring: samples go from a callback, or any other thread, to `listen`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rejoinder_models::units::SampleRate;
use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use crate::clock::{Clock, ns_of, samples_at};
use crate::message::Turns;
use crate::run::queue::Wake;

/// How much the ring holds. Policy when it is full: what comes is refused and counted as lost.
const RING_S: u32 = 2;

#[derive(Debug, Default)]
struct Shared {
    lost: AtomicU64,
    /// Samples of silence that took the place of what never came.
    filled: AtomicU64,
    closed: AtomicBool,
}

/// The near end of the capture ring: takes what a microphone hears. Dropping it ends the conversation in order.
pub struct Microphone {
    ring: HeapProd<f32>,
    shared: Arc<Shared>,
    wake: Arc<Wake>,
    clock: Clock,
    turns: Turns,
    rate: SampleRate,
    pushed: u64,
}

impl Microphone {
    /// Takes mono samples in [-1, 1], in pieces of any length. What the ring cannot hold is lost, and counted.
    ///
    /// # Realtime Safety
    /// Copies into the ring, stores atomics, reads the machine's clock and wakes the `listen` thread where it sleeps.
    /// It neither allocates nor locks nor waits.
    pub fn push(&mut self, samples: &[f32]) {
        let taken = self.ring.push_slice(samples);
        self.shared.lost.fetch_add((samples.len() - taken) as u64, Ordering::Relaxed);
        self.pushed += samples.len() as u64;
        let filled = self.shared.filled.load(Ordering::Relaxed);
        self.clock.set_ns(ns_of(self.pushed + filled, self.rate));
        self.wake.notify();
    }

    /// Whether all that was pushed has been taken and nothing is going on in the conversation.
    pub fn is_idle(&self) -> bool {
        self.ring.is_empty() && self.turns.is_idle()
    }

    /// The rate of the samples that it takes.
    pub fn sample_rate(&self) -> SampleRate {
        self.rate
    }
}

impl Drop for Microphone {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        self.wake.notify();
    }
}

/// The far end of the capture ring.
pub(crate) struct Captured {
    ring: HeapCons<f32>,
    shared: Arc<Shared>,
    clock: Clock,
    block: usize,
    rate: SampleRate,
    /// Samples that came, and with the silence in place of what did not.
    came: u64,
    taken: u64,
}

/// What the capture ring has.
pub(crate) enum Next {
    /// Samples, at most 10 ms of them.
    Samples(Vec<f32>),
    /// This many samples did not fit.
    Lost(u64),
    /// Nothing yet.
    Empty,
    /// Nothing ever again.
    Closed,
}

impl Captured {
    pub(crate) fn next(&mut self) -> Next {
        let closed = self.shared.closed.load(Ordering::Acquire);
        let lost = self.shared.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            self.came += lost;
            self.taken += lost;
            return Next::Lost(lost);
        }
        let mut samples = vec![0.0; self.block.min(self.ring.occupied_len())];
        self.ring.pop_slice(&mut samples);
        self.came += samples.len() as u64;
        self.taken += samples.len() as u64;
        match (samples.is_empty(), closed) {
            (false, _) => Next::Samples(samples),
            (true, false) => Next::Empty,
            (true, true) => Next::Closed,
        }
    }
}

impl Captured {
    /// How many samples have come.
    pub(crate) fn came(&self) -> u64 {
        self.came
    }

    /// Silence in place of what should have come until now.
    pub(crate) fn fill(&mut self) -> Vec<f32> {
        let missing = samples_at(self.clock.now_ns(), self.rate).saturating_sub(self.taken);
        self.shared.filled.fetch_add(missing, Ordering::Relaxed);
        self.taken += missing;
        vec![0.0; missing as usize]
    }

    /// When the last of what was taken came in, in nanoseconds since capture began.
    pub(crate) fn taken_ns(&self) -> u64 {
        ns_of(self.taken, self.rate)
    }
}

/// A capture ring for audio of this rate, whose arrivals set the clock and wake the reader.
pub(crate) fn capture_ring(rate: SampleRate, clock: Clock, turns: Turns, wake: Arc<Wake>) -> (Microphone, Captured) {
    let (near, far) = HeapRb::new((rate.get() * RING_S) as usize).split();
    let shared = Arc::new(Shared::default());
    let block = (rate.get() as usize / 100).max(1);
    let ears = Captured { ring: far, shared: shared.clone(), clock: clock.clone(), block, rate, came: 0, taken: 0 };
    (Microphone { ring: near, shared, wake, clock, turns, rate, pushed: 0 }, ears)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_ring_refuses_and_counts() {
        let (mut near, mut far) = capture_ring(SampleRate::hz(1_000), Clock::live(), Turns::default(), Arc::default());
        near.push(&[0.5; 2_300]);
        assert!(matches!(far.next(), Next::Lost(300)));
        let mut kept = 0;
        while let Next::Samples(samples) = far.next() {
            assert!(samples.len() <= 10);
            kept += samples.len();
        }
        assert_eq!(kept, 2_000);
        drop(near);
        assert!(matches!(far.next(), Next::Closed));
    }

    #[test]
    fn what_comes_after_a_gap_comes_after_the_silence_in_its_place() {
        let clock = Clock::manual();
        let (mut near, mut far) = capture_ring(SampleRate::hz(1_000), clock.clone(), Turns::default(), Arc::default());
        near.push(&[0.5; 10]);
        assert!(matches!(far.next(), Next::Samples(samples) if samples.len() == 10));
        clock.set_ns(3_000_000_000);
        assert_eq!((far.fill(), far.taken_ns(), far.came()), (vec![0.0; 2_990], 3_000_000_000, 10));
        assert!(far.fill().is_empty());
        near.push(&[0.5; 10]);
        assert_eq!(clock.now_ns(), 3_010_000_000);
        assert!(matches!(far.next(), Next::Samples(samples) if samples == [0.5; 10]));
        assert_eq!((far.taken_ns(), far.came()), (3_010_000_000, 20));
    }
}
