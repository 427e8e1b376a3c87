//! Replies: what the model says, passed on as it comes, and the tools that it calls on the way.

use std::ops::ControlFlow;

use rejoinder_models::llm::{Cancel, Finish, ToolCall};
use rejoinder_models::units::Position;

use super::{Respond, offered, take_back};
use crate::dialogue::History;
use crate::event::EventKind;
use crate::message::{Body, TurnId};
use crate::stage::{Outbox, Stage};
use crate::{Error, Result};

/// A reply in the making.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) text: String,
    /// When each piece of the text came.
    pub(super) pieces: Vec<Position>,
    pub(super) calls: usize,
    /// Calls that count once the reply is kept, with their results.
    pub(super) attempted: Vec<(ToolCall, String)>,
}

/// The result of a call that was not made, since nobody waits for the reply any more. Endpoints and chat templates refuse a
/// call without a result.
pub(super) const NOT_CALLED: &str = "not done: the caller spoke on";

/// How far a reply came.
pub(super) enum Progress {
    Whole,
    Cancelled,
    /// It goes on with this call, which was not made.
    Call(ToolCall),
}

impl Respond {
    /// Replies, or goes on with a reply, for good.
    pub(super) fn finish(&mut self, turn: TurnId, mut draft: Draft, out: &mut Outbox<'_>) -> Result<()> {
        self.unsettled = Some(turn);
        let mut history = std::mem::replace(&mut self.history, History::new("", 0));
        let progress = self.reply(turn, &mut history, &mut draft, false, out);
        self.history = history;
        self.end(turn, &draft, progress, out)
    }

    /// A reply is over, for good: cancelled or whole, or with a failure, for which the assistant apologizes where it has not
    /// said anything yet.
    pub(super) fn end(
        &mut self,
        turn: TurnId,
        draft: &Draft,
        progress: Result<Progress>,
        out: &mut Outbox<'_>,
    ) -> Result<()> {
        self.cancelled = matches!(progress, Ok(Progress::Cancelled));
        let Err(error) = progress else { return Ok(()) };
        match self.apology.clone().filter(|_| draft.text.trim().is_empty() && self.undo(turn, draft, out)) {
            Some(apology) => {
                out.event(turn, EventKind::Degraded { stage: self.name().to_owned(), reason: error.to_string() });
                self.utter(turn, draft.text.len(), apology, out);
                Ok(())
            }
            None => {
                let _ = out.send(turn, Body::ReplyEnd);
                Err(error)
            }
        }
    }

    /// Takes back what tools were called for in a reply without a word. Whether nothing of it stays.
    fn undo(&mut self, turn: TurnId, draft: &Draft, out: &mut Outbox<'_>) -> bool {
        if draft.calls == 0 {
            return true;
        }
        let called = take_back(turn, &mut self.tools, &mut self.history);
        let undone = called.is_some();
        self.tell_taken_back(turn, called, out);
        self.tools.settle();
        undone
    }

    pub(super) fn reply(
        &mut self,
        turn: TurnId,
        history: &mut History,
        draft: &mut Draft,
        ahead: bool,
        out: &mut Outbox<'_>,
    ) -> Result<Progress> {
        let cancel = self.turns.guard(turn);
        loop {
            let call = match self.message(turn, history, draft, &cancel, out) {
                Ok(Finish::Tool(call)) => call,
                Ok(Finish::Cancelled) => return Ok(Progress::Cancelled),
                Ok(end) if draft.text.trim().is_empty() && draft.calls == 0 => {
                    return Err(Error::Session(wordless(&end).to_owned()));
                }
                Ok(Finish::Stop | Finish::Length) => break,
                Err(error) => return Err(error),
            };
            self.part(turn, history, draft, out);
            if !self.turns.is_current(turn) {
                history.returned(turn, NOT_CALLED);
                return Ok(Progress::Cancelled);
            }
            if !ahead {
                self.call(turn, history, draft, call, out);
            } else if let Some(result) = self.tools.attempt(&call, out.now()) {
                draft.calls += 1;
                history.returned(turn, &result);
                draft.attempted.push((call, result));
            } else {
                return Ok(Progress::Call(call));
            }
        }
        out.event(turn, EventKind::ReplyFinished { text: draft.text.clone() });
        let _ = out.send(turn, Body::ReplyEnd);
        Ok(Progress::Whole)
    }

    /// What is said before a call is a sentence of its own, which waits for no further words.
    fn part(&self, turn: TurnId, history: &mut History, draft: &mut Draft, out: &mut Outbox<'_>) {
        if !draft.text.is_empty() && !draft.text.ends_with(char::is_whitespace) {
            draft.text.push('\n');
            history.parted(turn);
            let _ = out.send(turn, Body::Reply("\n".to_owned()));
        }
    }

    /// One message of the model, passed on as it comes and kept in the history.
    fn message(
        &mut self,
        turn: TurnId,
        history: &mut History,
        draft: &mut Draft,
        cancel: &Cancel,
        out: &mut Outbox<'_>,
    ) -> Result<Finish> {
        let start = draft.text.len();
        let tools = offered(&self.tools, draft.calls, self.max_tool_calls);
        let mut on_text = |piece: &str| -> ControlFlow<()> {
            if piece.is_empty() {
                return ControlFlow::Continue(());
            }
            draft.text.push_str(piece);
            draft.pieces.push(out.now());
            out.event(turn, EventKind::ReplyText { text: piece.to_owned() });
            out.send(turn, Body::Reply(piece.to_owned()))
        };
        let finish = self.dialogue.reply(history.messages(), tools, cancel, &mut on_text);
        let call = match &finish {
            Ok(Finish::Tool(call)) => Some(call.clone()),
            _ => None,
        };
        // An endpoint may call tools that it was not told of. A call without a result must not stand in the history.
        let (call, beyond) = if draft.calls < self.max_tool_calls { (call, None) } else { (None, call) };
        history.said(turn, start, &draft.text[start..], call);
        if let Some(ToolCall { name, .. }) = beyond {
            let most = self.max_tool_calls;
            let reason = format!("the model calls `{name}` after dialogue.max_tool_calls = {most} calls for one reply");
            return Err(Error::Session(reason));
        }
        Ok(finish?)
    }

    pub(super) fn call(
        &mut self,
        turn: TurnId,
        history: &mut History,
        draft: &mut Draft,
        call: ToolCall,
        out: &mut Outbox<'_>,
    ) {
        draft.calls += 1;
        let result = self.tools.call(&call, out.now());
        history.returned(turn, &result);
        called(turn, call, result, out);
        self.schedule(turn, out);
    }
}

/// Why a model may have said nothing.
fn wordless(finish: &Finish) -> &'static str {
    match finish {
        Finish::Length => {
            "the model came to max_tokens before its reply had a word; allow it more, or turn off its thinking \
             (an endpoint's `extra = { chat_template_kwargs = { enable_thinking = false } }`)"
        }
        _ => "the model ended its reply without a word",
    }
}

pub(super) fn called(turn: TurnId, call: ToolCall, result: String, out: &mut Outbox<'_>) {
    let ToolCall { name, arguments } = call;
    out.event(turn, EventKind::ToolCalled { name: name.clone(), arguments });
    out.event(turn, EventKind::ToolReturned { name, result });
}
