//! The one clock: samples since capture began, at 16 kHz.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use rejoinder_models::units::{Position, SampleRate};

/// The clock of a conversation. Clones share it.
///
/// Live, the capture side sets it with each piece of audio and it runs on between pieces, so that moments inside a
/// block can be told apart. In virtual time it stands where the runner put it.
#[derive(Clone, Debug)]
pub(crate) struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Nanoseconds since capture began in virtual time; live, the difference of that to `epoch`.
    value: AtomicI64,
    epoch: Option<Instant>,
}

impl Clock {
    /// A clock that runs with the machine's.
    pub(crate) fn live() -> Self {
        let inner = Inner { value: AtomicI64::new(0), epoch: Some(Instant::now()) };
        Self(Arc::new(inner))
    }

    /// A clock that is set by hand.
    pub(crate) fn manual() -> Self {
        Self(Arc::new(Inner { value: AtomicI64::new(0), epoch: None }))
    }

    /// Whether it runs with the machine's.
    pub(crate) fn is_live(&self) -> bool {
        self.0.epoch.is_some()
    }

    /// Puts the clock to `ns` nanoseconds since capture began.
    ///
    /// # Realtime Safety
    /// An atomic store and, live, one read of the machine's clock.
    pub(crate) fn set_ns(&self, ns: u64) {
        self.0.value.store(ns as i64 - self.epoch_ns(), Ordering::Release);
    }

    /// Nanoseconds since capture began.
    ///
    /// # Realtime Safety
    /// As [`set_ns`](Self::set_ns).
    pub(crate) fn now_ns(&self) -> u64 {
        (self.0.value.load(Ordering::Acquire) + self.epoch_ns()).max(0) as u64
    }

    /// Now.
    pub(crate) fn now(&self) -> Position {
        position(self.now_ns())
    }

    fn epoch_ns(&self) -> i64 {
        self.0.epoch.map_or(0, |epoch| epoch.elapsed().as_nanos() as i64)
    }
}

/// The moment nearest to `ns` nanoseconds after capture began.
pub(crate) fn position(ns: u64) -> Position {
    Position(samples_at(ns, SampleRate::INTERNAL))
}

/// How many samples of `rate` are over after `ns` nanoseconds.
pub(crate) fn samples_at(ns: u64, rate: SampleRate) -> u64 {
    (u128::from(ns) * u128::from(rate.get()) / 1_000_000_000) as u64
}

/// How many nanoseconds `samples` of `rate` last, rounded up, so that [`samples_at`] gives them back.
pub(crate) fn ns_of(samples: u64, rate: SampleRate) -> u64 {
    (u128::from(samples) * 1_000_000_000).div_ceil(u128::from(rate.get())) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn samples_survive_the_way_through_nanoseconds(samples in 0u64..1_000_000_000, hz in 1u32..200_000) {
            let rate = SampleRate::hz(hz);
            proptest::prop_assert_eq!(samples_at(ns_of(samples, rate), rate), samples);
        }
    }

    #[test]
    fn a_live_clock_runs_on_from_where_it_was_put() {
        let clock = Clock::live();
        clock.set_ns(5_000_000_000);
        assert!(clock.now() >= Position(80_000));
    }
}
