use rejoinder_models::units::{Position, Samples};

use crate::message::TurnId;

/// What the caller says, from its beginning to the end of the turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Caller {
    pub(super) id: TurnId,
    pub(super) from: Position,
    /// Since when it is meant for the assistant: after the wake phrase, what came before it is not.
    pub(super) opened: Position,
    /// Since when the caller speaks.
    pub(super) since: Option<Position>,
    /// Since when the caller is silent, after speech.
    pub(super) stopped: Option<Position>,
    /// Speech before `since`.
    pub(super) spoken: Samples,
    pub(super) taken: bool,
    pub(super) held: bool,
    pub(super) asked: bool,
    pub(super) known: bool,
    /// Whether what was said up to the pause is unfinished.
    pub(super) unfinished: bool,
    pub(super) ahead: bool,
    pub(super) starts: u32,
}

impl Caller {
    /// Who begins to speak at `at`.
    pub(super) fn new(id: TurnId, at: Position) -> Self {
        Self {
            id,
            from: at,
            opened: at,
            since: Some(at),
            stopped: None,
            spoken: Samples(0),
            taken: false,
            held: false,
            asked: false,
            known: false,
            unfinished: false,
            ahead: false,
            starts: 0,
        }
    }

    /// Speaks, perhaps again.
    pub(super) fn resume(&mut self, at: Position) {
        self.since = self.since.or(Some(at));
        (self.stopped, self.asked, self.known, self.unfinished) = (None, false, false, false);
    }

    /// Is silent.
    pub(super) fn stop(&mut self, at: Position) {
        if let Some(since) = self.since.take() {
            self.spoken = self.spoken + at.since(since);
            self.stopped = Some(at);
        }
    }
}
