//! The number by which a barge-in makes work stale.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rejoinder_models::llm::Cancel;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Room for the attempts at a turn: far more than a caller makes pauses.
const ATTEMPT_BITS: u32 = 20;

/// One exchange: what the caller says, and the reply to it. Turn 0 is before anybody spoke.
///
/// A turn may take several attempts: a reply that was begun ahead is dropped when the caller goes on, and what seemed
/// the beginning of a turn turns out to be a cough. Later attempts compare greater, so that work on an earlier one is
/// stale; an application sees only the number.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TurnId(u64);

impl TurnId {
    /// Later than all turns.
    pub(crate) const LAST: Self = Self(u64::MAX);

    /// The first attempt at a turn of this number.
    pub const fn new(number: u64) -> Self {
        Self(number << ATTEMPT_BITS)
    }

    /// The turn's number, counted from 1.
    pub const fn number(self) -> u64 {
        self.0 >> ATTEMPT_BITS
    }

    /// The turn after this one.
    pub const fn next(self) -> Self {
        Self::new(self.number() + 1)
    }

    /// The next attempt at this turn.
    pub(crate) const fn retry(self) -> Self {
        Self(self.0 + 1)
    }

    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The turn without its attempt.
    pub(crate) const fn first(self) -> Self {
        Self::new(self.number())
    }
}

impl std::fmt::Display for TurnId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.number())
    }
}

impl std::fmt::Debug for TurnId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 - self.first().0 {
            0 => write!(f, "TurnId({})", self.number()),
            attempt => write!(f, "TurnId({}.{attempt})", self.number()),
        }
    }
}

impl Serialize for TurnId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.number())
    }
}

impl<'de> Deserialize<'de> for TurnId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self::new)
    }
}

/// The current turn, shared by all stages of a conversation. Only `listen` raises it; everyone else compares.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    current: AtomicU64,
    released: AtomicU64,
    busy: AtomicBool,
    running: Mutex<Option<(TurnId, Cancel)>>,
    stop: Cancel,
}

impl Turns {
    /// Those of a conversation that ends with this flag.
    pub(crate) fn until(stop: Cancel) -> Self {
        Self(Arc::new(Shared { stop, ..Shared::default() }))
    }

    /// The current turn.
    pub(crate) fn current(&self) -> TurnId {
        TurnId(self.0.current.load(Ordering::Acquire))
    }

    /// Whether work for `turn` is still wanted.
    pub(crate) fn is_current(&self, turn: TurnId) -> bool {
        turn >= self.current()
    }

    /// Makes `turn` the current one and cancels what runs for an older one.
    pub(crate) fn raise(&self, turn: TurnId) {
        self.0.current.fetch_max(turn.0, Ordering::AcqRel);
        let running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, cancel)) = running.as_ref().filter(|(of, _)| *of < turn) {
            cancel.cancel();
        }
    }

    /// Lets the reply to `turn` sound.
    pub(crate) fn release(&self, turn: TurnId) {
        self.0.released.fetch_max(turn.0, Ordering::AcqRel);
    }

    /// Whether the reply to `turn` may sound: it is certain that the caller's turn is over.
    ///
    /// # Realtime Safety
    /// An atomic load.
    pub(crate) fn is_released(&self, turn: TurnId) -> bool {
        turn.0 <= self.0.released.load(Ordering::Acquire)
    }

    /// Whether nothing is going on: nobody speaks, and no reply is on its way or sounds.
    pub(crate) fn is_idle(&self) -> bool {
        !self.0.busy.load(Ordering::Acquire)
    }

    pub(crate) fn set_idle(&self, idle: bool) {
        self.0.busy.store(!idle, Ordering::Release);
    }

    /// A flag that is raised when `turn` becomes stale or the conversation is to end. One reply runs at a time: a second
    /// call replaces the first.
    pub(crate) fn guard(&self, turn: TurnId) -> Cancel {
        let cancel = self.0.stop.part();
        let mut running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_current(turn) {
            cancel.cancel();
        }
        *running = Some((turn, cancel.clone()));
        cancel
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raising_the_turn_cancels_what_runs_for_an_older_one() {
        let turns = Turns::default();
        turns.raise(TurnId::new(1));
        let cancel = turns.guard(TurnId::new(1));
        assert!(turns.is_current(TurnId::new(1)) && !cancel.is_cancelled());
        turns.raise(TurnId::new(2));
        assert!(!turns.is_current(TurnId::new(1)) && cancel.is_cancelled());
    }

    #[test]
    fn the_end_of_the_conversation_ends_what_runs() {
        let stop = Cancel::default();
        let turns = Turns::until(stop.clone());
        let cancel = turns.guard(TurnId::new(1));
        assert!(!cancel.is_cancelled());
        cancel.cancel();
        assert!(!stop.is_cancelled(), "a turn that is over ends nothing else");
        let cancel = turns.guard(TurnId::new(2));
        stop.cancel();
        assert!(cancel.is_cancelled());
    }

    #[test]
    fn a_guard_taken_too_late_is_already_cancelled() {
        let turns = Turns::default();
        turns.raise(TurnId::new(3));
        assert!(turns.guard(TurnId::new(2)).is_cancelled());
        assert!(!turns.guard(TurnId::new(3)).is_cancelled());
    }

    #[test]
    fn the_turn_never_goes_back() {
        let turns = Turns::default();
        turns.raise(TurnId::new(5));
        turns.raise(TurnId::new(4));
        assert_eq!(turns.current(), TurnId::new(5));
    }

    #[test]
    fn an_attempt_comes_after_its_turn_and_before_the_next_and_is_not_told() {
        let turn = TurnId::new(3);
        assert!(turn < turn.retry() && turn.retry().retry() < turn.next());
        assert_eq!(turn.retry().first(), turn);
        assert_eq!(serde_json::to_string(&turn.retry()).unwrap(), "3");
        assert_eq!(format!("{:?} {:?} {}", turn, turn.retry(), turn.retry()), "TurnId(3) TurnId(3.1) 3");
    }
}
