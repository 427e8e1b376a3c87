//! What a transition does.

use rejoinder_models::units::Position;

use super::{Machine, Reply};
use crate::turn::caller::Caller;
use crate::turn::input::Action;
use crate::turn::table::{Do, State};

impl Machine {
    pub(super) fn perform(&mut self, todo: Do, at: Position, actions: &mut Vec<Action>) {
        match todo {
            Do::Begin => self.begin(at, actions),
            Do::Interrupt => {
                self.owed = self.reply == Reply::Pending;
                if self.reply != Reply::Over {
                    actions.push(Action::Interrupt(self.turn));
                }
                self.reply = Reply::Over;
            }
            Do::Silence => {
                self.reply = Reply::Over;
                self.turn = self.turn.retry();
                actions.push(Action::Silence(self.turn));
            }
            Do::Duck => actions.push(Action::Duck),
            Do::Restore => actions.push(Action::Restore),
            Do::Prompt => {
                self.speak_up();
                actions.push(Action::Prompt(self.turn));
            }
            Do::Remind => {
                self.reminder = None;
                self.speak_up();
                actions.push(Action::Remind(self.turn));
            }
            Do::Sound => {
                self.reply = Reply::Sounds;
                self.addressed = false;
                self.answered |= !self.own;
            }
            Do::Over => self.reply = Reply::Over,
            Do::Fail => self.failed = true,
            Do::End | Do::Split => self.end(todo == Do::Split, actions),
            Do::Drop => {
                let Some(caller) = self.caller.take() else { return };
                self.next = if caller.taken { caller.id.next() } else { caller.id.retry() };
                actions.push(Action::Drop(caller.id));
            }
            _ => self.caller_does(todo, at, actions),
        }
    }

    /// A turn of the assistant's own, to which the caller need not answer.
    fn speak_up(&mut self) {
        (self.own, self.answered) = (true, false);
        self.turn = self.next;
        self.next = self.turn.next();
        self.reply = Reply::Pending;
    }

    fn begin(&mut self, at: Position, actions: &mut Vec<Action>) {
        let id = self.next;
        self.caller = Some(Caller::new(id, at));
        (self.failed, self.owed) = (false, false);
        actions.push(Action::Begin(id, at));
    }

    fn caller_does(&mut self, todo: Do, at: Position, actions: &mut Vec<Action>) {
        let Some(caller) = &mut self.caller else { return };
        match todo {
            Do::Take => {
                caller.taken = true;
                self.addressed = self.state == State::Waking;
                if self.addressed {
                    caller.opened = self.now;
                }
                self.turn = caller.id;
                self.next = caller.id.next();
                self.own = false;
                actions.push(Action::Take(caller.id));
            }
            Do::Resume => caller.resume(at),
            Do::Stop => caller.stop(at),
            Do::Ask => {
                caller.asked = true;
                actions.push(Action::Ask(caller.id));
            }
            Do::Know => caller.known = true,
            Do::Wait | Do::WaitNoMore => caller.unfinished = todo == Do::Wait,
            Do::Start => {
                (caller.ahead, caller.asked) = (true, true);
                caller.starts += 1;
                actions.push(Action::Start(caller.id));
            }
            Do::Retract => {
                caller.ahead = false;
                caller.id = caller.id.retry();
                self.turn = caller.id;
                self.next = caller.id.next();
                self.failed = false;
                actions.push(Action::Retract(caller.id));
            }
            _ => caller.held = true,
        }
    }

    /// Ends the caller's turn; where it is only split, the caller goes on in the next.
    fn end(&mut self, split: bool, actions: &mut Vec<Action>) {
        let Some(caller) = self.caller.take() else { return };
        actions.push(Action::End(caller.id, caller.stopped.unwrap_or(self.now)));
        self.reply = if self.failed || split { Reply::Over } else { Reply::Pending };
        if split {
            self.begin(self.now, actions);
            if let Some(next) = &mut self.caller {
                (next.since, next.held) = (caller.since.and(next.since), caller.held);
            }
            self.caller_does(Do::Take, self.now, actions);
        }
    }
}
