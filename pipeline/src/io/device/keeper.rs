//! Keeps a device open: where its stream ends by itself, another one is opened, as soon as the device is there again.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// How often a device that is gone is looked for.
const RETRY: Duration = Duration::from_secs(1);
/// How long a device may take to close.
const CLOSE: Duration = Duration::from_secs(1);

/// What the keeper is told.
enum Report<T> {
    /// A stream is gone and hands back what it was lent.
    Ended(T),
    /// The stream of this number gives and takes no more sound.
    Failed(u64),
    /// The device is not wanted any more.
    Stop,
}

/// A conversation's end, lent to the callback of a stream. Whoever drops the stream, it goes back to the keeper.
pub(super) struct Lent<T> {
    end: Option<T>,
    stream: u64,
    reports: Sender<Report<T>>,
}

impl<T: Send + 'static> Lent<T> {
    /// What was lent: there until it is dropped.
    ///
    /// # Realtime Safety
    /// A borrow.
    pub(super) fn end(&mut self) -> Option<&mut T> {
        self.end.as_mut()
    }

    /// What the stream calls when it has failed.
    pub(super) fn alarm(&self) -> impl Fn() + Send + 'static {
        let (reports, stream) = (self.reports.clone(), self.stream);
        move || drop(reports.send(Report::Failed(stream)))
    }
}

impl<T> Drop for Lent<T> {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            let _ = self.reports.send(Report::Ended(end));
        }
    }
}

/// A device that is kept open on a thread of its own.
pub(super) struct Keeper<T> {
    name: String,
    reports: Sender<Report<T>>,
    /// Closed by the thread's end.
    thread: Receiver<()>,
}

impl<T: Send + 'static> Keeper<T> {
    /// Lends `end` to the stream that `open` opens, and to each one after it.
    ///
    /// # Errors
    /// That of the first opening.
    pub(super) fn start<S: Send + 'static>(
        name: &str,
        end: T,
        mut open: impl FnMut(Lent<T>) -> Result<S> + Send + 'static,
    ) -> Result<Self> {
        let (reports, told) = channel();
        let first = open(Lent { end: Some(end), stream: 0, reports: reports.clone() })?;
        let (alive, thread) = channel();
        let (name, keeper) = (name.to_owned(), Keeping { name: name.to_owned(), reports: reports.clone(), told });
        let body = move || {
            keeper.run(first, open);
            drop::<Sender<()>>(alive);
        };
        let spawned = std::thread::Builder::new().name("device".to_owned()).spawn(body);
        spawned.map_err(|source| Error::Session(format!("thread device: {source}")))?;
        Ok(Self { name, reports, thread })
    }

    /// Closes the device. A sound server that hangs keeps the thread waiting, but not the caller.
    pub(super) fn stop(self) {
        let _ = self.reports.send(Report::Stop);
        if self.thread.recv_timeout(CLOSE) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!(device = self.name, "the sound server does not answer");
        }
    }
}

struct Keeping<T> {
    name: String,
    reports: Sender<Report<T>>,
    told: Receiver<Report<T>>,
}

impl<T> Keeping<T> {
    fn run<S>(self, first: S, mut open: impl FnMut(Lent<T>) -> Result<S>) {
        let (mut stream, mut number, mut reason) = (Some(first), 0, String::new());
        while let Ok(report) = self.told.recv() {
            match report {
                // What it was lent comes back once it is closed.
                Report::Failed(of) if of == number => stream = None,
                Report::Failed(_) => {}
                Report::Ended(end) => {
                    drop(stream.take());
                    if self.is_stopped_within(RETRY) {
                        return;
                    }
                    number += 1;
                    stream = match open(Lent { end: Some(end), stream: number, reports: self.reports.clone() }) {
                        Ok(stream) => {
                            tracing::info!(device = self.name, "it is back");
                            reason.clear();
                            Some(stream)
                        }
                        Err(error) => {
                            let now = error.to_string();
                            if now != reason {
                                tracing::warn!(device = self.name, "it is waited for: {now}");
                                reason = now;
                            }
                            None
                        }
                    };
                }
                Report::Stop => return,
            }
        }
    }

    /// Waits, and says whether the device is not wanted any more.
    fn is_stopped_within(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        loop {
            match self.told.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Report::Stop) => return true,
                Ok(Report::Ended(_) | Report::Failed(_)) => {}
                Err(_) => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that may be made to fail.
    struct Stream {
        lent: Option<Lent<u32>>,
    }

    /// Opens streams of a device that is there or not, in this order, and tells of each; the last ones are there.
    fn device(there: &'static [bool]) -> (impl FnMut(Lent<u32>) -> Result<Shared>, Receiver<Shared>) {
        let (opened, told) = channel();
        let mut times = there.iter();
        let open = move |mut lent: Lent<u32>| {
            if !times.next().unwrap_or(&true) {
                return Err(Error::Device("unplugged".to_owned()));
            }
            *lent.end().unwrap() += 1;
            let stream = Shared::new(std::sync::Mutex::new(Stream { lent: Some(lent) }));
            opened.send(stream.clone()).unwrap();
            Ok(stream)
        };
        (open, told)
    }

    type Shared = std::sync::Arc<std::sync::Mutex<Stream>>;

    fn end(stream: &Shared) -> u32 {
        *stream.lock().unwrap().lent.as_mut().unwrap().end().unwrap()
    }

    /// As a sound server that ends: the callback is dropped, and with it what it was lent.
    fn break_down(stream: &Shared) {
        stream.lock().unwrap().lent = None;
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_stream_that_breaks_down_is_opened_again_when_the_device_is_back() {
        let (open, opened) = device(&[true, false, true]);
        let keeper = Keeper::start("spk", 0, open).unwrap();
        let first = opened.recv_timeout(LONG).unwrap();
        assert_eq!(end(&first), 1);
        let alarm = first.lock().unwrap().lent.as_ref().unwrap().alarm();
        break_down(&first);
        let second = opened.recv_timeout(LONG).unwrap();
        assert_eq!(end(&second), 2, "the same end was lent again");
        alarm();
        break_down(&second);
        let third = opened.recv_timeout(LONG).unwrap();
        assert_eq!(end(&third), 3, "a late alarm of an older stream closes nothing");
        keeper.stop();
        break_down(&third);
        assert!(opened.recv().is_err(), "a keeper that was stopped opens nothing");
    }

    #[test]
    fn a_stream_that_sounds_the_alarm_is_closed_and_opened_again() {
        let (sender, dropped) = channel();
        let mut count = 0;
        let open = move |lent: Lent<u32>| {
            count += 1;
            if count == 1 {
                lent.alarm()();
            }
            sender.send(count).unwrap();
            Ok(lent)
        };
        let keeper = Keeper::start("spk", 0, open).unwrap();
        assert_eq!(dropped.recv_timeout(LONG), Ok(1));
        assert_eq!(dropped.recv_timeout(LONG), Ok(2));
        keeper.stop();
    }

    #[test]
    fn a_device_that_is_not_there_at_first_is_an_error() {
        let (open, _opened) = device(&[false]);
        assert!(Keeper::start("spk", 0, open).is_err());
    }
}
