//! What `listen` sends on: it must never wait, and must lose nothing but sound.

use std::collections::VecDeque;
use std::sync::mpsc::TrySendError;

use super::queue::Sender;
use crate::message::{Body, Message};

/// So many messages other than sound wait for a place at the most: a turn has a few.
const KEPT: usize = 256;

/// The near end of a queue whose writer does not wait. Where the queue is full, sound is dropped and counted; whatever
/// else there is to say, the beginning and the end of a turn above all, is kept in order until there is a place.
#[derive(Debug)]
pub(super) struct Lossy {
    next: Sender<Message>,
    kept: VecDeque<Message>,
}

impl Lossy {
    pub(super) fn new(next: Sender<Message>) -> Self {
        Self { next, kept: VecDeque::new() }
    }

    /// Adds a message. Returns false when the reader is gone.
    pub(super) fn send(&mut self, message: Message) -> bool {
        let is_sound = matches!(message.body, Body::Heard(_));
        self.kept.push_back(message);
        let lives = self.flush();
        if !self.kept.is_empty() && (is_sound || self.kept.len() > KEPT) {
            self.kept.pop_back();
            self.next.lose();
        }
        lives
    }

    /// Moves what waits to where there is a place by now. Returns false when the reader is gone.
    pub(super) fn flush(&mut self) -> bool {
        while let Some(message) = self.kept.pop_front() {
            match self.next.try_send(message) {
                Ok(()) => {}
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(message)) => {
                    self.kept.push_front(message);
                    break;
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rejoinder_models::units::Position;

    use super::super::queue::{Policy, queue};
    use super::*;
    use crate::message::TurnId;

    #[test]
    fn a_full_queue_costs_sound_and_no_turn() {
        let (near, far) = queue(2, Policy::Refuse, Arc::default());
        let mut near = Lossy::new(near);
        let mut say = |turn, body| assert!(near.send(Message { turn: TurnId::new(turn), at: Position(0), body }));
        let sound = || Body::Heard(vec![0.5; 160]);
        for turn in 1..=2 {
            say(turn, Body::Began(Position(0)));
            (0..3).for_each(|_| say(turn, sound()));
            say(turn, Body::Ended);
        }
        assert_eq!(far.take_lost(), 5, "one piece of sound had a place");
        let read = || far.try_next().unwrap().map(|message| (message.turn.number(), message.body));
        assert_eq!(read(), Some((1, Body::Began(Position(0)))));
        assert_eq!(read(), Some((1, sound())));
        assert_eq!(read(), None);
        say(3, Body::Began(Position(0)));
        assert_eq!(read(), Some((1, Body::Ended)));
        assert_eq!(read(), Some((2, Body::Began(Position(0)))));
        say(3, sound());
        assert_eq!(far.take_lost(), 1, "it would have come before its turn");
        assert_eq!(read(), Some((2, Body::Ended)));
        assert_eq!(read(), Some((3, Body::Began(Position(0)))));
        (0..2).for_each(|_| say(3, sound()));
        say(3, Body::Ended);
        assert_eq!((read(), read()), (Some((3, sound())), Some((3, sound()))));
        assert!(near.flush());
        assert_eq!(read(), Some((3, Body::Ended)), "it has a place without another message");
        drop(far);
        assert!(!near.send(Message { turn: TurnId::new(3), at: Position(0), body: Body::Ended }));
    }
}
