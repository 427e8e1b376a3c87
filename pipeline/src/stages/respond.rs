//! The reply: transcripts in, the reply's text out. Keeps the history, and calls tools.

use std::ops::ControlFlow;

use rejoinder_models::asr::Transcript;
use rejoinder_models::llm::{Cancel, Dialogue, Finish, ToolCall, ToolSpec};

use crate::Result;
use crate::dialogue::{History, Toolbox};
use crate::event::EventKind;
use crate::io::playout::Playout;
use crate::message::{Body, Message, TurnId, Turns};
use crate::stage::{Outbox, Stage};

/// `respond`: one dialogue with a model, its history and its tools.
pub(crate) struct Respond {
    dialogue: Box<dyn Dialogue>,
    history: History,
    tools: Toolbox,
    max_tool_calls: usize,
    turns: Turns,
    playout: Playout,
    /// The turn whose reply the history holds, until it is known what was heard of it.
    unsettled: Option<TurnId>,
}

impl Respond {
    pub(crate) fn new(
        dialogue: Box<dyn Dialogue>,
        history: History,
        tools: Toolbox,
        max_tool_calls: usize,
        turns: Turns,
        playout: Playout,
    ) -> Self {
        Self { dialogue, history, tools, max_tool_calls, turns, playout, unsettled: None }
    }

    /// Cuts the last reply to what was heard of it.
    fn settle(&mut self, out: &mut Outbox<'_>) {
        let Some(turn) = self.unsettled.take() else { return };
        if let Some(text) = self.history.cut(turn, self.playout.heard(turn)) {
            out.event(turn, EventKind::Kept { text });
        }
    }

    fn heard(&mut self, turn: TurnId, transcript: &Transcript, out: &mut Outbox<'_>) -> Result<()> {
        self.settle(out);
        let text = transcript.text.trim();
        if !text.is_empty() {
            self.history.heard(turn, text);
        }
        if self.history.is_unanswered() && self.turns.is_current(turn) {
            return self.reply(turn, out);
        }
        out.event(turn, EventKind::NoReply);
        Ok(())
    }

    fn reply(&mut self, turn: TurnId, out: &mut Outbox<'_>) -> Result<()> {
        let cancel = self.turns.guard(turn);
        self.unsettled = Some(turn);
        let mut reply = String::new();
        for calls_left in (0..=self.max_tool_calls).rev() {
            let call = match self.message(turn, calls_left > 0, &mut reply, &cancel, out) {
                Ok(Finish::Tool(call)) => call,
                Ok(Finish::Cancelled) => return Ok(()),
                Ok(Finish::Stop | Finish::Length) => break,
                Err(error) => {
                    let _ = out.send(turn, Body::ReplyEnd);
                    return Err(error);
                }
            };
            self.call(turn, &call, out);
        }
        out.event(turn, EventKind::ReplyFinished { text: reply });
        let _ = out.send(turn, Body::ReplyEnd);
        Ok(())
    }

    /// One message of the model, passed on as it comes and kept in the history.
    fn message(
        &mut self,
        turn: TurnId,
        may_call: bool,
        reply: &mut String,
        cancel: &Cancel,
        out: &mut Outbox<'_>,
    ) -> Result<Finish> {
        let start = reply.len();
        let tools: &[ToolSpec] = if may_call { self.tools.specs() } else { &[] };
        let mut on_text = |piece: &str| -> ControlFlow<()> {
            if piece.is_empty() {
                return ControlFlow::Continue(());
            }
            reply.push_str(piece);
            out.event(turn, EventKind::ReplyText { text: piece.to_owned() });
            out.send(turn, Body::Reply(piece.to_owned()))
        };
        let finish = self.dialogue.reply(self.history.messages(), tools, cancel, &mut on_text);
        let call = match &finish {
            Ok(Finish::Tool(call)) => Some(call.clone()),
            _ => None,
        };
        self.history.said(turn, start, &reply[start..], call);
        Ok(finish?)
    }

    fn call(&mut self, turn: TurnId, call: &ToolCall, out: &mut Outbox<'_>) {
        let ToolCall { name, arguments } = call.clone();
        out.event(turn, EventKind::ToolCalled { name: name.clone(), arguments });
        let result = self.tools.call(call, out.now());
        self.history.returned(turn, &result);
        out.event(turn, EventKind::ToolReturned { name, result });
    }
}

impl Stage for Respond {
    fn name(&self) -> &'static str {
        "respond"
    }

    fn start(&mut self) -> Result<()> {
        Ok(self.dialogue.prefill(self.history.messages(), self.tools.specs(), &Cancel::default())?)
    }

    fn handle(&mut self, message: Message, out: &mut Outbox<'_>) -> Result<()> {
        let turn = message.turn;
        match message.body {
            Body::Began(from) => {
                self.settle(out);
                let _ = out.send(turn, Body::Began(from));
                Ok(self.dialogue.prefill(self.history.messages(), self.tools.specs(), &self.turns.guard(turn))?)
            }
            Body::Partial(_) => Ok(()),
            Body::Final(transcript) => self.heard(turn, &transcript, out),
            body => {
                let _ = out.send(turn, body);
                Ok(())
            }
        }
    }
}
