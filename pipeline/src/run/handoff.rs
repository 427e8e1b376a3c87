//! How long a sleeping stage takes to wake.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::queue::{Policy, queue};

/// Messages are this far apart, so that the reader sleeps in between.
const APART: Duration = Duration::from_millis(2);

/// From sending to taking a message over the queue that lies between two stages, for each of `messages`, while `busy`
/// threads compete for the cores.
pub fn handoffs(messages: usize, busy: usize) -> Vec<Duration> {
    let stop = Arc::<AtomicBool>::default();
    let (near, far) = queue::<Instant>(256, Policy::Block, Arc::default());
    std::thread::scope(|scope| {
        for _ in 0..busy {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let reader =
            scope.spawn(move || std::iter::from_fn(|| far.next().map(|sent| sent.elapsed())).collect::<Vec<_>>());
        for _ in 0..messages {
            std::thread::park_timeout(APART);
            near.send(Instant::now());
        }
        drop(near);
        let times = reader.join().unwrap_or_default();
        stop.store(true, Ordering::Relaxed);
        times
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_timed() {
        let times = handoffs(50, 1);
        assert_eq!(times.len(), 50);
        assert!(times.iter().all(|time| *time < Duration::from_secs(5)), "{times:?}");
    }
}
