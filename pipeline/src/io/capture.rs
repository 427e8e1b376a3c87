//! The capture ring: samples go from a callback, or any other thread, to `listen`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rejoinder_models::units::SampleRate;
use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use crate::clock::{Clock, ns_of, samples_at};
use crate::message::Turns;
use crate::run::queue::Wake;

/// How much the ring holds. Policy when it is full: what comes is refused and counted as lost, and silence takes its
/// place where it would have been.
const RING_S: u32 = 2;

#[derive(Debug, Default)]
struct Shared {
    lost: AtomicU64,
    /// Samples of silence that are still to take the place of lost ones, once the ring has room.
    owed: AtomicU64,
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
    /// Takes mono samples in [-1, 1], in pieces of any length. What the ring cannot hold is lost, and counted; as much
    /// silence takes its place.
    ///
    /// # Realtime Safety
    /// Copies into the ring, stores atomics, reads the machine's clock and wakes the `listen` thread where it sleeps.
    /// It neither allocates nor locks nor waits.
    pub fn push(&mut self, samples: &[f32]) {
        let owed = self.shared.owed.swap(0, Ordering::Relaxed);
        let paid = self.ring.push_iter(std::iter::repeat_n(0.0, owed as usize)) as u64;
        let taken = if paid == owed { self.ring.push_slice(samples) } else { 0 };
        let lost = (samples.len() - taken) as u64;
        self.shared.owed.fetch_add(owed - paid + lost, Ordering::Relaxed);
        self.shared.lost.fetch_add(lost, Ordering::Relaxed);
        self.pushed += samples.len() as u64;
        let filled = self.shared.filled.load(Ordering::Relaxed);
        self.clock.set_ns(ns_of(self.pushed + filled, self.rate));
        self.wake.notify();
    }

    /// Whether all that was pushed has been taken and nothing is going on in the conversation, or it is over.
    pub fn is_idle(&self) -> bool {
        !self.ring.read_is_held() || (self.ring.is_empty() && self.turns.is_idle())
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
    /// Nothing yet.
    Empty,
    /// Nothing ever again.
    Closed,
}

impl Captured {
    pub(crate) fn next(&mut self) -> Next {
        let closed = self.is_closed();
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

    /// How many samples were lost since the last call.
    pub(crate) fn take_lost(&self) -> u64 {
        self.shared.lost.swap(0, Ordering::Relaxed)
    }

    /// Whether nothing comes any more but what is in the ring.
    pub(crate) fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
    }

    /// How many samples have come.
    pub(crate) fn came(&self) -> u64 {
        self.came
    }

    /// Silence in place of what should have come until now, at most a second of it; a machine may stand still for hours.
    pub(crate) fn fill(&mut self) -> Vec<f32> {
        let missing = samples_at(self.clock.now_ns(), self.rate).saturating_sub(self.taken);
        let missing = missing.min(self.longest_fill());
        // What was lost before is part of what is missing, and was pushed.
        let owed = self.shared.owed.swap(0, Ordering::Relaxed);
        self.shared.owed.fetch_add(owed.saturating_sub(missing), Ordering::Relaxed);
        self.shared.filled.fetch_add(missing.saturating_sub(owed), Ordering::Relaxed);
        self.taken += missing;
        vec![0.0; missing as usize]
    }

    /// The most that [`fill`](Self::fill) gives.
    pub(crate) fn longest_fill(&self) -> u64 {
        u64::from(self.rate.get())
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
    fn a_full_ring_refuses_and_counts_and_silence_stands_where_something_was_lost() {
        let (mut near, mut far) = capture_ring(SampleRate::hz(1_000), Clock::live(), Turns::default(), Arc::default());
        let mut heard = Vec::new();
        let mut drain = |far: &mut Captured| {
            while let Next::Samples(samples) = far.next() {
                assert!(samples.len() <= 10);
                heard.extend(samples);
            }
        };
        near.push(&[0.5; 2_300]);
        assert_eq!((far.take_lost(), far.take_lost()), (300, 0));
        drain(&mut far);
        near.push(&[0.25; 50]);
        drain(&mut far);
        assert_eq!((heard.len(), far.came()), (2_350, 2_350));
        assert!(heard[..2_000].iter().all(|x| *x == 0.5));
        assert!(heard[2_000..2_300].iter().all(|x| *x == 0.0));
        assert!(heard[2_300..].iter().all(|x| *x == 0.25));
        drop(near);
        assert!(matches!(far.next(), Next::Closed));
    }

    #[test]
    fn nobody_waits_for_a_conversation_that_is_over() {
        let turns = Turns::default();
        let (mut near, far) = capture_ring(SampleRate::hz(1_000), Clock::live(), turns.clone(), Arc::default());
        turns.set_idle(false);
        near.push(&[0.5; 10]);
        assert!(!near.is_idle());
        drop(far);
        assert!(near.is_idle());
    }

    #[test]
    fn what_comes_after_a_gap_comes_after_the_silence_in_its_place() {
        let clock = Clock::manual();
        let (mut near, mut far) = capture_ring(SampleRate::hz(1_000), clock.clone(), Turns::default(), Arc::default());
        near.push(&[0.5; 10]);
        assert!(matches!(far.next(), Next::Samples(samples) if samples.len() == 10));
        clock.set_ns(3_000_000_000);
        assert_eq!([far.fill(), far.fill(), far.fill()].map(|silence| silence.len()), [1_000, 1_000, 990]);
        assert_eq!((far.taken_ns(), far.came()), (3_000_000_000, 10));
        assert!(far.fill().is_empty());
        near.push(&[0.5; 10]);
        assert_eq!(clock.now_ns(), 3_010_000_000);
        assert!(matches!(far.next(), Next::Samples(samples) if samples == [0.5; 10]));
        assert_eq!((far.taken_ns(), far.came()), (3_010_000_000, 20));
    }
}
