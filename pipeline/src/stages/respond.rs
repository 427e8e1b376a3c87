//! The reply: transcripts in, the reply's text out. Keeps the history, and calls tools.

mod ahead;
mod reminders;

use std::borrow::Cow;
use std::ops::ControlFlow;

use ahead::Ahead;
use rejoinder_models::asr::{Transcript, Word};
use rejoinder_models::llm::{Cancel, Dialogue, Finish, ToolCall, ToolSpec};
use rejoinder_models::units::Position;
use reminders::Reminders;

use crate::dialogue::{History, Toolbox};
use crate::event::EventKind;
use crate::identity::Identity;
use crate::io::playout::Playout;
use crate::message::{Body, Message, Opening, TurnId, Turns};
use crate::stage::{Outbox, Stage};
use crate::turn::Phrase;
use crate::{Error, Result};

/// `respond`: one dialogue with a model, its history and its tools.
pub(crate) struct Respond {
    dialogue: Box<dyn Dialogue>,
    history: History,
    tools: Toolbox,
    max_tool_calls: usize,
    wake: Option<Phrase>,
    /// What opened the caller's turn.
    opening: Opening,
    /// Whether nothing was heard of the last reply since the caller spoke over it, so that what they said before still
    /// waits for an answer, should these words turn out to be none.
    unheard: bool,
    /// Whether the last reply was taken back before it had a word.
    cancelled: bool,
    identity: Option<Identity>,
    /// The caller's name, where it is known.
    caller: Option<String>,
    turns: Turns,
    playout: Playout,
    /// The turn whose reply the history holds, until it is known what was heard of it.
    unsettled: Option<TurnId>,
    ahead: Option<Ahead>,
    reminders: Reminders,
}

/// A reply in the making.
#[derive(Default)]
struct Draft {
    text: String,
    /// When each piece of the text came.
    pieces: Vec<Position>,
    calls: usize,
    /// Calls that count once the reply is kept, with their results.
    attempted: Vec<(ToolCall, String)>,
}

/// The result of a call that was not made, since nobody waits for the reply any more. Endpoints and chat templates refuse a
/// call without a result.
const NOT_CALLED: &str = "not done: the caller spoke on";

/// How far a reply came.
enum Progress {
    Whole,
    Cancelled,
    /// It goes on with this call, which was not made.
    Call(ToolCall),
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
        Self {
            dialogue,
            history,
            tools,
            max_tool_calls,
            wake: None,
            opening: Opening::Voice,
            unheard: false,
            cancelled: false,
            identity: None,
            caller: None,
            turns,
            playout,
            unsettled: None,
            ahead: None,
            reminders: Reminders::default(),
        }
    }

    /// Leaves a phrase that opens a conversation out of what the caller says: all up to it in the turn that it opened, and
    /// in later ones only where they begin with it.
    pub(crate) fn wake(mut self, wake: Option<Phrase>) -> Self {
        self.wake = wake;
        self
    }

    /// Tells the model who says something, where the configuration wants that.
    pub(crate) fn identity(mut self, identity: Option<Identity>) -> Self {
        self.identity = identity;
        self
    }

    /// Cuts the last reply to what was heard of it.
    fn settle(&mut self, out: &mut Outbox<'_>) {
        let Some(turn) = self.unsettled.take() else { return };
        if let Some(said) = self.playout.said(turn) {
            self.history.spoken(turn, &said);
        }
        let heard = self.playout.heard(turn);
        let kept = self.history.cut(turn, heard);
        let cancelled = std::mem::take(&mut self.cancelled);
        self.unheard = kept.as_ref().map_or(cancelled, String::is_empty);
        if let Some(text) = kept {
            out.event(turn, EventKind::Kept { text });
        }
        if self.reminders.settle(turn, heard) {
            self.schedule(turn, out);
        }
    }

    fn said<'a>(&self, transcript: &'a Transcript) -> Cow<'a, str> {
        let text = transcript.text.trim();
        let Some(wake) = &self.wake else { return text.into() };
        match self.opening {
            // The spotter knows the phrase better than the recogniser does.
            Opening::Phrase(Some(spotted)) if wake.end_in(text).is_none() => said_after(spotted, transcript).into(),
            Opening::Phrase(_) => wake.strip(text).into(),
            Opening::Voice | Opening::Button => wake.strip_start(text).into(),
        }
    }

    /// What the model is told of what was said.
    fn told(&self, text: &str) -> String {
        self.identity.as_ref().map_or_else(|| text.to_owned(), |identity| identity.tell(self.caller.as_deref(), text))
    }

    /// The caller's turn begins.
    fn taken(&mut self, turn: TurnId, opening: Opening, out: &mut Outbox<'_>) -> Result<()> {
        self.opening = opening;
        self.drop_ahead(turn, out)?;
        self.settle(out);
        // Who presses the button and says nothing wants no reply.
        self.unheard &= opening != Opening::Button;
        // The reply reads all that was not read ahead, and tells why where it cannot.
        let _ = self.dialogue.prefill(
            self.history.messages(),
            offered(&self.tools, 0, self.max_tool_calls),
            &self.turns.guard(turn),
        );
        Ok(())
    }

    fn heard(&mut self, turn: TurnId, transcript: &Transcript, out: &mut Outbox<'_>) -> Result<()> {
        if let Some(ahead) = self.ahead.take_if(|ahead| ahead.turn == turn) {
            return self.keep(ahead, out);
        }
        self.drop_ahead(turn, out)?;
        self.settle(out);
        let text = self.said(transcript);
        if !text.is_empty() {
            let told = self.told(&text);
            self.history.heard(turn, &told);
        }
        let waits = !text.is_empty() || self.unheard;
        if waits && self.history.is_unanswered() && self.turns.is_current(turn) {
            return self.finish(turn, Draft::default(), out);
        }
        // Where another turn has begun already, these words wait for an answer until it is known what that holds.
        self.unheard |= !text.is_empty() && !self.turns.is_current(turn);
        out.event(turn, EventKind::NoReply);
        Ok(())
    }

    /// Replies, or goes on with a reply, for good.
    fn finish(&mut self, turn: TurnId, mut draft: Draft, out: &mut Outbox<'_>) -> Result<()> {
        self.unsettled = Some(turn);
        let mut history = std::mem::replace(&mut self.history, History::new("", 0));
        let progress = self.reply(turn, &mut history, &mut draft, false, out);
        self.history = history;
        self.cancelled = matches!(progress, Ok(Progress::Cancelled));
        progress.map(drop)
    }

    fn reply(
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
                    let _ = out.send(turn, Body::ReplyEnd);
                    return Err(Error::Session(wordless(&end).to_owned()));
                }
                Ok(Finish::Stop | Finish::Length) => break,
                Err(error) => {
                    let _ = out.send(turn, Body::ReplyEnd);
                    return Err(error);
                }
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

    fn call(&mut self, turn: TurnId, history: &mut History, draft: &mut Draft, call: ToolCall, out: &mut Outbox<'_>) {
        draft.calls += 1;
        let result = self.tools.call(&call, out.now());
        history.returned(turn, &result);
        called(turn, call, result, out);
        self.schedule(turn, out);
    }

    /// Tells `listen` when there will be something to tell.
    fn schedule(&mut self, turn: TurnId, out: &mut Outbox<'_>) {
        if let Some(at) = self.reminders.news(&self.tools, out.now()) {
            out.event(turn, EventKind::Scheduled { due_ms: at.map(Position::ms) });
        }
    }

    /// Tells what has become due.
    fn remind(&mut self, turn: TurnId, out: &mut Outbox<'_>) {
        self.reminders.asked();
        self.settle(out);
        let due = self.reminders.due(&mut self.tools, out.now());
        self.schedule(turn, out);
        if due.is_empty() {
            out.event(turn, EventKind::NoReply);
        } else {
            let text = self.reminders.told(turn, due);
            self.say(turn, text, out);
        }
    }

    /// The assistant speaks of its own accord.
    fn say(&mut self, turn: TurnId, text: String, out: &mut Outbox<'_>) {
        self.settle(out);
        self.unsettled = Some(turn);
        self.history.said(turn, 0, &text, None);
        out.event(turn, EventKind::ReplyText { text: text.clone() });
        out.event(turn, EventKind::ReplyFinished { text: text.clone() });
        let _ = out.send(turn, Body::Reply(text));
        let _ = out.send(turn, Body::ReplyEnd);
    }
}

/// The tools that a reply may call after `calls` of them, of `most`. What is read ahead must be told of the same ones.
fn offered(tools: &Toolbox, calls: usize, most: usize) -> &[ToolSpec] {
    if calls < most { tools.specs() } else { &[] }
}

/// The words whose middle comes after a moment.
fn said_after(moment: Position, transcript: &Transcript) -> String {
    let after = |word: &&Word| word.start.0 + word.end.0 >= 2 * moment.0;
    transcript.words.iter().filter(after).map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
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

fn called(turn: TurnId, call: ToolCall, result: String, out: &mut Outbox<'_>) {
    let ToolCall { name, arguments } = call;
    out.event(turn, EventKind::ToolCalled { name: name.clone(), arguments });
    out.event(turn, EventKind::ToolReturned { name, result });
}

impl Stage for Respond {
    fn name(&self) -> &'static str {
        "respond"
    }

    fn start(&mut self) -> Result<()> {
        Ok(self.dialogue.prefill(
            self.history.messages(),
            offered(&self.tools, 0, self.max_tool_calls),
            &Cancel::default(),
        )?)
    }

    fn handle(&mut self, message: Message, out: &mut Outbox<'_>) -> Result<()> {
        let turn = message.turn;
        match message.body {
            Body::Taken(opening) => self.taken(turn, opening, out),
            Body::Dropped | Body::Resumed => self.drop_ahead(turn, out),
            Body::Partial(_) => Ok(()),
            Body::Identified(name) => {
                self.caller = name;
                Ok(())
            }
            Body::Ahead(transcript) => self.begin_ahead(turn, &transcript, out),
            Body::Final(transcript) => self.heard(turn, &transcript, out),
            Body::Remind => {
                self.remind(turn, out);
                Ok(())
            }
            Body::Say(text) => {
                self.say(turn, text, out);
                Ok(())
            }
            Body::ClockMoved => {
                if self.reminders.clock_moved() {
                    self.schedule(turn, out);
                }
                Ok(())
            }
            Body::Found(_) => {
                // A reply that waited in vain for the loudspeaker is over.
                if self.unsettled.is_some_and(|turn| !self.turns.is_current(turn)) {
                    self.settle(out);
                }
                Ok(())
            }
            body => {
                let _ = out.send(turn, body);
                Ok(())
            }
        }
    }
}
