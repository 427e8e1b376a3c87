//! What was played, on its way back to `listen`: the echo canceller's reference, to the sample.
//!
//! Loudspeaker and microphone may run by clocks of their own, and hand over sound at moments of their own. The reader
//! gets, with each piece of the microphone's sound, an equally long piece of what was played. Of a clock that is too fast
//! something is skipped now and then, for one that is too slow something is filled in, so that the two stay together for
//! hours. These slips are as long as what is handed over at a time, a sample in virtual time, a block of a device; the
//! canceller follows them as it follows any change of the delay.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rejoinder_models::units::{SampleRate, Samples};
use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use super::playout::Resample;
use crate::Result;

/// How much the ring holds. Policy when it is full: what comes is refused, and silence takes its place.
const RING_S: u32 = 2;
/// What is left over at all times in [`WINDOWS`] windows of [`WINDOW_MS`] is more than the devices' blocks explain, and is skipped,
/// but for this.
const SLACK_MS: f64 = 10.0;
const WINDOW_MS: f64 = 500.0;
/// So many windows are looked back over: longer than the reader can be behind with the microphone's sound, of which a ring
/// holds 2 s, so that as much of both is left over.
const WINDOWS: usize = 5;

/// The near end: takes what a loudspeaker plays.
pub(crate) struct Tap {
    ring: HeapProd<f32>,
    lost: Arc<AtomicU64>,
}

impl Tap {
    /// Takes samples at the loudspeaker's rate, silence included.
    ///
    /// # Realtime Safety
    /// Copies into a ring and adds to an atomic. It neither allocates nor locks nor waits.
    pub(crate) fn push(&mut self, samples: &[f32]) {
        let taken = self.ring.push_slice(samples);
        self.lost.fetch_add((samples.len() - taken) as u64, Ordering::Relaxed);
    }
}

/// The far end: what was played while the microphone heard something.
pub(crate) struct Reference {
    ring: HeapCons<f32>,
    lost: Arc<AtomicU64>,
    resample: Option<Resample>,
    scratch: Vec<f32>,
    /// What was played and not taken yet, at 16 kHz.
    played: Vec<f32>,
    began: bool,
    /// Samples taken in the current window, the least that was left over in it, and in those before it.
    window: usize,
    least: usize,
    before: VecDeque<usize>,
}

/// A reference for a loudspeaker of `rate`, whose sound comes through `resample` where that is not 16 kHz.
pub(crate) fn reference_ring(rate: SampleRate, resample: Option<Resample>) -> (Tap, Reference) {
    let (near, far) = HeapRb::new((rate.get() * RING_S) as usize).split();
    let lost = Arc::<AtomicU64>::default();
    let tap = Tap { ring: near, lost: lost.clone() };
    let (scratch, played, before) = (Vec::new(), Vec::new(), VecDeque::new());
    (tap, Reference { ring: far, lost, resample, scratch, played, began: false, window: 0, least: usize::MAX, before })
}

impl Reference {
    /// Appends `count` samples of 16 kHz: what was played while the microphone heard its latest `count`. Where nothing
    /// was played, that is silence.
    pub(crate) fn take(&mut self, count: usize, out: &mut Vec<f32>) -> Result<()> {
        self.fetch()?;
        if !self.began {
            // What was played before capture began is heard by nobody.
            self.played.drain(..self.played.len().saturating_sub(count));
            self.began = count > 0;
        }
        let end = out.len() + count;
        let taken = count.min(self.played.len());
        out.extend(self.played.drain(..taken));
        let fill = if taken > 0 { out[out.len() - 1] } else { 0.0 };
        out.resize(end, fill);
        self.follow(count);
        Ok(())
    }

    fn fetch(&mut self) -> Result<()> {
        let come = self.ring.occupied_len();
        let lost = (self.lost.swap(0, Ordering::Relaxed) as usize).min(self.ring.capacity().get());
        self.scratch.clear();
        self.scratch.resize(come + lost, 0.0);
        self.ring.pop_slice(&mut self.scratch[..come]);
        match &mut self.resample {
            Some(resample) => resample.push(&self.scratch, &mut self.played)?,
            None => self.played.extend_from_slice(&self.scratch),
        }
        Ok(())
    }

    /// Skips what is left over for too long.
    fn follow(&mut self, count: usize) {
        let samples = |ms| Samples::from_ms(ms, SampleRate::INTERNAL).0 as usize;
        self.least = self.least.min(self.played.len());
        self.window += count;
        if self.window < samples(WINDOW_MS) {
            return;
        }
        self.before.push_back(self.least);
        (self.window, self.least) = (0, usize::MAX);
        if self.before.len() == WINDOWS {
            let least = self.before.iter().min().copied().unwrap_or(0);
            let excess = least.saturating_sub(samples(SLACK_MS));
            self.played.drain(..excess);
            self.before.iter_mut().for_each(|least| *least -= excess);
            self.before.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: usize = 160;

    /// Plays a ramp by a clock that is `ppm` faster, in blocks of `block` samples, for `seconds`. Gives what came with
    /// each piece of the microphone's.
    fn played(ppm: f64, block: usize, seconds: usize) -> Vec<f32> {
        let (mut tap, mut reference) = reference_ring(SampleRate::INTERNAL, None);
        let (mut out, mut given) = (Vec::new(), 0);
        for captured in 1..=seconds * 100 {
            let due = (captured as f64 * BLOCK as f64 * (1.0 + ppm * 1e-6)) as usize;
            while given + block <= due {
                let sound: Vec<f32> = (given + 1..=given + block).map(|i| i as f32).collect();
                tap.push(&sound);
                given += block;
            }
            reference.take(BLOCK, &mut out).unwrap();
        }
        out
    }

    #[test]
    fn on_one_clock_the_reference_is_what_was_played_to_the_sample() {
        let out = played(0.0, BLOCK, 5);
        assert!(out.iter().enumerate().all(|(i, x)| *x == (i + 1) as f32));
    }

    #[test]
    fn devices_with_large_blocks_are_late_by_one_of_them_and_lose_nothing() {
        let out = played(0.0, 1_024, 5);
        let late = out.len() as f32 - out[out.len() - 1];
        assert!((1.0..=1_024.0).contains(&late), "{late}");
        let steady = &out[4_800..];
        assert!(steady.windows(2).all(|pair| pair[1] - pair[0] == 1.0));
    }

    #[test]
    fn clocks_that_differ_stay_together_with_slips_no_longer_than_what_is_handed_over() {
        for (ppm, block) in [(-500.0, 1), (500.0, 1), (-500.0, BLOCK), (500.0, BLOCK)] {
            let out = played(ppm, block, 120);
            let steady = || out.iter().enumerate().skip(64_000).filter(|(_, x)| **x != 0.0);
            for (i, x) in steady() {
                let late = i as f64 * (1.0 + ppm * 1e-6) - f64::from(*x);
                let most = (2 * BLOCK + 2 * block) as f64;
                assert!((-2.0..=most).contains(&late), "late by {late} samples at {i}, {ppm} ppm in blocks of {block}");
            }
            let steps: Vec<f32> = steady().zip(steady().skip(1)).map(|((_, a), (_, b))| b - a).collect();
            // In half a second, 500 ppm are four samples.
            assert!(
                steps.iter().all(|step| (0.0..=5.0 + block as f32).contains(step)),
                "{ppm} ppm in blocks of {block}"
            );
            assert!(out.iter().skip(64_000).zip(1..).any(|(x, i)| *x != out[64_000] + (i - 1) as f32), "{ppm} ppm");
        }
    }

    #[test]
    fn what_was_played_before_capture_began_and_what_was_lost_keep_the_time() {
        let (mut tap, mut reference) = reference_ring(SampleRate::INTERNAL, None);
        let mut out = Vec::new();
        tap.push(&[0.5; 3_000]);
        tap.push(&[0.7; BLOCK]);
        reference.take(BLOCK, &mut out).unwrap();
        assert!(out.iter().all(|x| *x == 0.7));
        // 2.5 s go into a ring of 2 s: half a second of silence stands in for what was lost.
        tap.push(&[0.1; 32_000]);
        tap.push(&[0.2; 8_000]);
        tap.push(&[0.3; 8_000]);
        out.clear();
        reference.take(32_000, &mut out).unwrap();
        tap.push(&[0.4; BLOCK]);
        reference.take(16_000 + BLOCK, &mut out).unwrap();
        assert!(out[..32_000].iter().all(|x| *x == 0.1));
        assert!(out[32_000..48_000].iter().all(|x| *x == 0.0));
        assert!(out[48_000..].iter().all(|x| *x == 0.4));
    }

    #[test]
    fn a_reader_that_was_held_up_skips_nothing() {
        let (mut tap, mut reference) = reference_ring(SampleRate::INTERNAL, None);
        let mut out = Vec::new();
        let played: Vec<f32> = (1..=16_000 * 6).map(|i| i as f32).collect();
        let (mut given, mut taken) = (0, 0);
        for block in 1..=600 {
            tap.push(&played[given..given + BLOCK]);
            given += BLOCK;
            // It stands still for 1.5 s, and then makes up for it.
            while taken < block && !(100..250).contains(&block) {
                reference.take(BLOCK, &mut out).unwrap();
                taken += 1;
            }
        }
        assert_eq!(out, played);
    }

    #[test]
    fn without_a_loudspeaker_there_is_silence() {
        let (_tap, mut reference) = reference_ring(SampleRate::INTERNAL, None);
        let mut out = Vec::new();
        reference.take(BLOCK, &mut out).unwrap();
        assert_eq!(out, [0.0; BLOCK]);
    }
}
