//! Bounded queues between named threads.
//!
//! The reader parks and the writer unparks it, so that one thread can wait for several things. Beneath is the standard
//! library's channel: a blocking call of crossbeam's yields before it parks, which costs milliseconds where other
//! threads keep the cores busy; park and unpark cost microseconds.

use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::mpsc::{self, SyncSender, TryRecvError, TrySendError};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;

use crate::meter;

/// Wakes one thread.
#[derive(Debug, Default)]
pub(crate) struct Wake(OnceLock<Thread>);

impl Wake {
    /// Makes the calling thread the one that is woken. Only the first call counts.
    pub(crate) fn register(&self) {
        self.0.get_or_init(std::thread::current);
        fence(Ordering::SeqCst);
    }

    /// Wakes the thread, or keeps it from its next sleep. Call it after what the thread waits for was made visible.
    ///
    /// # Realtime Safety
    /// An atomic swap, and a system call where the thread sleeps. It neither allocates nor locks nor waits.
    pub(crate) fn notify(&self) {
        fence(Ordering::SeqCst);
        if let Some(thread) = self.0.get() {
            thread.unpark();
        }
    }
}

/// What a writer does when its queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// It waits.
    Block,
    /// It drops what it has, and the loss is counted.
    Refuse,
}

/// The near end of a queue. The queue is closed when the last one is dropped.
#[derive(Debug)]
pub(crate) struct Sender<T> {
    channel: Option<SyncSender<T>>,
    wake: Arc<Wake>,
    lost: Arc<AtomicU64>,
    policy: Policy,
}

/// The far end of a queue.
#[derive(Debug)]
pub(crate) struct Receiver<T> {
    channel: mpsc::Receiver<T>,
    wake: Arc<Wake>,
    lost: Arc<AtomicU64>,
}

/// A queue of `capacity` items whose reader is woken through `wake`.
pub(crate) fn queue<T>(capacity: usize, policy: Policy, wake: Arc<Wake>) -> (Sender<T>, Receiver<T>) {
    let (near, far) = mpsc::sync_channel(capacity);
    let lost = Arc::<AtomicU64>::default();
    let sender = Sender { channel: Some(near), wake: wake.clone(), lost: lost.clone(), policy };
    (sender, Receiver { channel: far, wake, lost })
}

impl<T> Sender<T> {
    /// Adds an item. Returns false when the reader is gone.
    pub(crate) fn send(&self, item: T) -> bool {
        let Some(channel) = &self.channel else { return false };
        let alive = match channel.try_send(item) {
            Ok(()) => true,
            Err(TrySendError::Disconnected(_)) => false,
            Err(TrySendError::Full(_)) if self.policy == Policy::Refuse => {
                self.lose();
                true
            }
            Err(TrySendError::Full(item)) => meter::waiting(|| channel.send(item)).is_ok(),
        };
        self.wake.notify();
        alive
    }

    /// Adds an item, or gives it back where there is no place for it or no reader.
    pub(crate) fn try_send(&self, item: T) -> Result<(), TrySendError<T>> {
        let Some(channel) = &self.channel else { return Err(TrySendError::Disconnected(item)) };
        let sent = channel.try_send(item);
        self.wake.notify();
        sent
    }

    /// Counts an item that is dropped for want of a place.
    pub(crate) fn lose(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        let Self { channel, wake, lost, policy } = self;
        Self { channel: channel.clone(), wake: wake.clone(), lost: lost.clone(), policy: *policy }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.channel = None;
        self.wake.notify();
    }
}

impl<T> Receiver<T> {
    /// The next item, or none when there is none now.
    pub(crate) fn try_next(&self) -> Result<Option<T>, Closed> {
        match self.channel.try_recv() {
            Ok(item) => Ok(Some(item)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(Closed),
        }
    }

    /// Waits for the next item; none when the queue is closed and empty.
    pub(crate) fn next(&self) -> Option<T> {
        self.wake.register();
        loop {
            match self.try_next() {
                Ok(Some(item)) => return Some(item),
                Ok(None) => std::thread::park(),
                Err(Closed) => return None,
            }
        }
    }

    /// How many items were lost since the last call.
    pub(crate) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}

/// All senders of a queue are gone.
#[derive(Debug)]
pub(crate) struct Closed;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_cross_threads_in_order_and_closing_ends_the_reader() {
        let (near, far) = queue(4, Policy::Block, Arc::default());
        let reader = std::thread::spawn(move || std::iter::from_fn(|| far.next()).collect::<Vec<u32>>());
        for item in 0..1_000 {
            assert!(near.send(item));
        }
        drop(near);
        assert_eq!(reader.join().unwrap(), (0..1_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_refusing_queue_counts_what_it_loses() {
        let (near, far) = queue(2, Policy::Refuse, Arc::default());
        (0..5).for_each(|item| assert!(near.send(item)));
        assert_eq!(far.take_lost(), 3);
        drop(near);
        assert_eq!(std::iter::from_fn(|| far.next()).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn a_writer_learns_that_the_reader_is_gone() {
        let (near, far) = queue(2, Policy::Block, Arc::default());
        drop(far);
        assert!(!near.send(1));
    }
}
