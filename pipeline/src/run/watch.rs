//! Notices when a device of a live conversation stands still, and when it goes on.

use std::time::{Duration, Instant};

/// A device that does nothing for so long is lost. A busy machine may hold one up for a second.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is new about a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It stands still although it is wanted. That is said again after as long a time.
    Lost,
    /// It goes on.
    Found,
}

/// One device.
#[derive(Debug)]
pub(crate) struct Watch {
    count: u64,
    since: Instant,
    lost: bool,
}

impl Watch {
    pub(crate) fn new(now: Instant) -> Self {
        Self { count: 0, since: now, lost: false }
    }

    /// Looks at how many samples the device has dealt with, and whether it is wanted to deal with more.
    pub(crate) fn look(&mut self, count: u64, wanted: bool, now: Instant) -> Option<Change> {
        if count != self.count {
            (self.count, self.since) = (count, now);
            return std::mem::take(&mut self.lost).then_some(Change::Found);
        }
        if !wanted {
            self.since = now;
        }
        if now.duration_since(self.since) < PATIENCE {
            return None;
        }
        (self.since, self.lost) = (now, true);
        Some(Change::Lost)
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_lost_when_it_stands_still_while_it_is_wanted_and_found_when_it_goes_on() {
        let began = Instant::now();
        let at = |s| began + Duration::from_secs(s);
        let mut watch = Watch::new(began);
        assert_eq!(watch.look(0, false, at(10)), None, "nobody wants it");
        assert_eq!(watch.look(0, true, at(12)), None);
        assert_eq!(watch.look(160, true, at(13)), None, "it moves");
        assert_eq!(watch.look(160, true, at(15)), None);
        assert_eq!(watch.look(160, true, at(16)), Some(Change::Lost));
        assert!(watch.is_lost());
        assert_eq!(watch.look(160, true, at(18)), None);
        assert_eq!(watch.look(160, true, at(19)), Some(Change::Lost), "another wait");
        assert_eq!(watch.look(320, true, at(20)), Some(Change::Found));
        assert_eq!(watch.look(320, true, at(22)), None);
        assert!(!watch.is_lost());
    }
}
