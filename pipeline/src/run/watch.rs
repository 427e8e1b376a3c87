//! Notices when a device of a live conversation stands still, and when it goes on; and when the machine's clock moves
//! otherwise than the conversation's.

use std::time::{Duration, Instant, SystemTime};

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

/// By so much the two clocks may drift apart before that is told.
const DRIFT: Duration = Duration::from_millis(250);

/// The machine's clock beside that of the conversation, which counts what is captured: it stands still while the machine
/// sleeps, and nobody puts it right.
#[derive(Debug)]
pub(crate) struct Clocks {
    wall: SystemTime,
    position: Duration,
}

impl Clocks {
    pub(crate) fn new(wall: SystemTime) -> Self {
        Self { wall, position: Duration::ZERO }
    }

    /// Whether the clocks have drifted apart since that was said last.
    pub(crate) fn look(&mut self, wall: SystemTime, position: Duration) -> bool {
        let expected = self.wall + position.saturating_sub(self.position);
        let apart = wall.duration_since(expected).unwrap_or_else(|earlier| earlier.duration());
        if apart < DRIFT {
            return false;
        }
        (self.wall, self.position) = (wall, position);
        true
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

    #[test]
    fn a_machine_that_slept_or_was_put_right_is_noticed_once() {
        let began = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let s = Duration::from_secs_f64;
        let mut clocks = Clocks::new(began);
        assert!(!clocks.look(began + s(600.0), s(600.1)));
        assert!(clocks.look(began + s(4_200.0), s(600.2)), "it slept for an hour");
        assert!(!clocks.look(began + s(4_300.0), s(700.2)));
        assert!(clocks.look(began + s(4_390.0), s(800.2)), "it was ten seconds fast");
        assert!(!clocks.look(began + s(4_400.0), s(810.2)));
        assert!(clocks.look(began + s(8_000.3), s(4_410.0)), "the sound card is slow");
    }
}
