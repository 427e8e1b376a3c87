//! Things that several threads make ahead of whoever takes them, in order.

use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::{Error, Result};

/// What is made of each number of a range, in its order. Dropping it ends the threads.
pub struct Ordered<T> {
    queues: Vec<Receiver<Result<T>>>,
    threads: Vec<JoinHandle<()>>,
    /// How many were taken, and how many there are in all.
    taken: usize,
    total: usize,
}

impl<T: Send + 'static> Ordered<T> {
    /// Starts threads, of which each makes every so manieth thing and is at most `queue` of its own ahead; a full queue
    /// blocks its thread. `maker` gives each thread what makes things.
    ///
    /// # Errors
    /// Those of `maker`, and a thread that does not start.
    pub(super) fn start<M: FnMut(usize) -> Result<T> + Send + 'static>(
        numbers: Range<usize>,
        [threads, queue]: [usize; 2],
        mut maker: impl FnMut() -> Result<M>,
    ) -> Result<Self> {
        let total = numbers.len();
        let count = threads.clamp(1, total.max(1));
        let (mut queues, mut threads) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for first in 0..count {
            let (sender, receiver) = sync_channel(queue.max(1));
            let (mut make, own) = (maker()?, numbers.clone().skip(first).step_by(count));
            let run = move || {
                for number in own {
                    if !hand_on(&sender, make(number)) {
                        return;
                    }
                }
            };
            let thread = std::thread::Builder::new().name(format!("loader-{first}")).spawn(run);
            threads.push(thread.map_err(|e| Error::Training(format!("cannot start a loader thread: {e}")))?);
            queues.push(receiver);
        }
        Ok(Self { queues, threads, taken: 0, total })
    }
}

/// Blocks while the queue is full. False when nobody listens any more, or after an error.
fn hand_on<T>(sender: &SyncSender<Result<T>>, made: Result<T>) -> bool {
    let good = made.is_ok();
    sender.send(made).is_ok() && good
}

impl<T> Iterator for Ordered<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.taken == self.total {
            return None;
        }
        let queue = &self.queues[self.taken % self.queues.len()];
        self.taken += 1;
        let lost = |_| Err(Error::data("training data", "a batch could not be made: the message above tells where"));
        Some(queue.recv().unwrap_or_else(lost))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.total - self.taken, Some(self.total - self.taken))
    }
}

impl<T> Drop for Ordered<T> {
    fn drop(&mut self) {
        self.queues.clear();
        for thread in self.threads.drain(..) {
            // A panic in the thread has been reported by its own message.
            let _ = thread.join();
        }
    }
}
