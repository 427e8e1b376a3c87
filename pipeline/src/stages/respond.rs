//! The reply: transcripts in, the reply's text out. Keeps the history, and calls tools.

mod ahead;
mod reminders;
mod reply;

use std::borrow::Cow;

use ahead::Ahead;
use rejoinder_models::asr::{Transcript, Word};
use rejoinder_models::llm::{Cancel, Dialogue, ToolSpec};
use rejoinder_models::units::{Position, SampleRate, Samples};
use reminders::Reminders;
use reply::Draft;

use crate::Result;
use crate::dialogue::{History, Toolbox};
use crate::event::EventKind;
use crate::identity::Identity;
use crate::io::playout::{Heard, Playout};
use crate::message::{Body, Message, Opening, TurnId, Turns};
use crate::stage::{Outbox, Stage};
use crate::turn::Phrase;

/// Who begins to speak after so much of a reply, a quarter of a second, has noticed it, and answers it.
const NOTICED: Samples = Samples(SampleRate::INTERNAL.get() as u64 / 4);

/// `respond`: one dialogue with a model, its history and its tools.
pub(crate) struct Respond {
    dialogue: Box<dyn Dialogue>,
    history: History,
    tools: Toolbox,
    max_tool_calls: usize,
    /// What is said where the model failed before its first word.
    apology: Option<String>,
    wake: Option<Phrase>,
    /// What opened the caller's turn.
    opening: Opening,
    /// Whether nothing was heard of the last reply since the caller spoke over it, so that what they said before still
    /// waits for an answer, should these words turn out to be none.
    unheard: bool,
    /// The reply of which the caller had heard nothing when they went on: what it called tools for is taken back if they say
    /// more.
    premature: Option<TurnId>,
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
            apology: None,
            wake: None,
            opening: Opening::Voice,
            unheard: false,
            premature: None,
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

    /// What is said in place of a reply whose model failed before its first word; without it, nothing is.
    pub(crate) fn apology(mut self, apology: Option<String>) -> Self {
        self.apology = apology;
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
        self.unheard = kept.as_ref().map_or(cancelled && heard == Heard::UpTo(0), String::is_empty);
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
        let dropped = self.drop_ahead(turn, out);
        let last = self.unsettled;
        self.settle(out);
        self.premature = match last {
            Some(last) if self.unheard && self.playout.sounded(last) < NOTICED => self.premature.or(Some(last)),
            Some(_) => None,
            None => self.premature,
        };
        // Who presses the button and says nothing wants no reply.
        self.unheard &= opening != Opening::Button;
        // The reply reads all that was not read ahead, and tells why where it cannot.
        let _ = self.dialogue.prefill(
            self.history.messages(),
            offered(&self.tools, 0, self.max_tool_calls),
            &self.turns.guard(turn),
        );
        dropped
    }

    fn heard(&mut self, turn: TurnId, transcript: &Transcript, out: &mut Outbox<'_>) -> Result<()> {
        if let Some(ahead) = self.ahead.take_if(|ahead| ahead.turn == turn) {
            return self.keep(ahead, out);
        }
        let dropped = self.drop_ahead(turn, out);
        self.settle(out);
        let text = self.said(transcript).into_owned();
        if !text.is_empty() {
            let last = self.premature;
            let called = last.and_then(|last| take_back(last, &mut self.tools, &mut self.history));
            self.tell_taken_back(turn, called, out);
            self.history.heard(turn, &self.told(&text));
        }
        // Nothing was added to what has no answer yet: what is said next may still go on with it.
        if !text.is_empty() || !self.unheard {
            self.commit();
        }
        dropped?;
        let waits = !text.is_empty() || self.unheard;
        if waits && self.history.is_unanswered() && self.turns.is_current(turn) {
            return self.finish(turn, Draft::default(), out);
        }
        // Where another turn has begun already, these words wait for an answer until it is known what that holds.
        self.unheard |= !text.is_empty() && !self.turns.is_current(turn);
        out.event(turn, EventKind::NoReply);
        Ok(())
    }

    fn tell_taken_back(&mut self, turn: TurnId, called: Option<Vec<String>>, out: &mut Outbox<'_>) {
        for name in called.into_iter().flatten() {
            out.event(turn, EventKind::ToolTakenBack { name });
            self.schedule(turn, out);
        }
    }

    /// What tools were called for before stays.
    fn commit(&mut self) {
        self.tools.settle();
        self.premature = None;
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
        self.commit();
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
        self.commit();
        self.unsettled = Some(turn);
        self.utter(turn, 0, text, out);
    }

    /// A text that is not the model's is said, `start` bytes into the reply, and ends it.
    fn utter(&mut self, turn: TurnId, start: usize, text: String, out: &mut Outbox<'_>) {
        self.history.said(turn, start, &text, None);
        out.event(turn, EventKind::ReplyText { text: text.clone() });
        out.event(turn, EventKind::ReplyFinished { text: text.clone() });
        let _ = out.send(turn, Body::Reply(text));
        let _ = out.send(turn, Body::ReplyEnd);
    }
}

/// Takes back a reply with its calls; the names of the tools that it called, or none where that cannot be done.
fn take_back(turn: TurnId, tools: &mut Toolbox, history: &mut History) -> Option<Vec<String>> {
    let called = tools.take_back()?;
    history.take_back(turn);
    Some(called)
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
            Body::Dropped => {
                // Nobody went on: what was called for the last reply stays.
                self.premature = None;
                self.drop_ahead(turn, out)
            }
            Body::Resumed => self.drop_ahead(turn, out),
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
