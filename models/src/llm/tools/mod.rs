//! The assistant's tools: pure functions with a state of their own, to which the moment of a call is passed.
//!
//! They live beside the models, not in the pipeline, because the dialogues that the language model learns from are
//! written with the very results that it will meet. Results are words to be read aloud: a small model repeats them.

mod calculate;
mod clock;
pub mod coffee;
mod convert;
mod moment;
mod schema;
mod shopping;
pub mod spoken;
mod timer;

use serde_json::Value;

pub use calculate::{Calculator, evaluate};
pub use clock::ClockTool;
pub use coffee::{CoffeeCounter, Order};
pub use convert::UnitConverter;
pub use moment::Moment;
pub use schema::{check_arguments, given_arguments};
pub use shopping::ShoppingList;
pub use timer::Timers;

use super::{ToolCall, ToolSpec};

/// What a call came to: words to read aloud, or, as the error, why it cannot be done, in words as well.
pub type Outcome = std::result::Result<String, String>;

/// One tool with its state.
pub trait Tool: Send {
    /// What the model is told about it.
    fn spec(&self) -> ToolSpec;

    /// A copy with a state of its own: what is called on one of both must not show in the other. Calls are tried on it before
    /// it is certain that they are wanted; and one that was made before a call takes the tool's place where the call turns out
    /// to have been unwanted. None for a tool whose calls reach out of the program, so that they cannot be taken back; one that
    /// does not say is taken for such.
    fn fork(&self) -> Option<Box<dyn Tool>> {
        None
    }

    /// Runs a call at `now`. The arguments keep the schema of [`spec`](Self::spec).
    ///
    /// # Errors
    /// A sentence that tells a person why it cannot be done.
    fn call(&mut self, arguments: &Value, now: Moment) -> Outcome;

    /// When [`due`](Self::due) will have something to tell; none for never, as things stand.
    fn next_due(&self) -> Option<Moment> {
        None
    }

    /// What has become due by `now` and was not told yet, each in words: "Your pasta timer is done."
    fn due(&mut self, _now: Moment) -> Vec<String> {
        Vec::new()
    }
}

/// The tools of one conversation.
pub struct Tools {
    slots: Vec<Slot>,
    /// Whether a call that cannot be taken back was made since [`Tools::settle`].
    lasting: bool,
    /// Whether each slot's tool is what it was before, and the other way round.
    taken_back: bool,
}

struct Slot {
    spec: ToolSpec,
    tool: Box<dyn Tool>,
    /// The copy on which calls are tried.
    tried: Option<Box<dyn Tool>>,
    /// What it was before the calls that can be taken back.
    before: Option<Box<dyn Tool>>,
}

impl Default for Tools {
    /// All tools of the assistant, each with an empty state.
    fn default() -> Self {
        Self::new(vec![
            Box::new(Calculator),
            Box::new(ClockTool),
            Box::new(UnitConverter),
            Box::new(CoffeeCounter::default()),
            Box::new(ShoppingList::default()),
            Box::new(Timers::default()),
        ])
    }
}

impl Tools {
    /// A registry of `tools`.
    pub fn new(tools: Vec<Box<dyn Tool>>) -> Self {
        let slot = |tool: Box<dyn Tool>| Slot { spec: tool.spec(), tool, tried: None, before: None };
        Self { slots: tools.into_iter().map(slot).collect(), lasting: false, taken_back: false }
    }

    /// Only those that `keep` names.
    #[must_use]
    pub fn filter(mut self, keep: impl Fn(&str) -> bool) -> Self {
        self.slots.retain(|slot| keep(&slot.spec.name));
        self
    }

    /// What the model is told, in order.
    pub fn specs(&self) -> Vec<ToolSpec> {
        self.slots.iter().map(|slot| slot.spec.clone()).collect()
    }

    /// Checks a call against its tool's schema and runs it at `now`.
    ///
    /// # Errors
    /// A sentence for the model to read aloud: the tool is unknown, an argument is wrong, or it cannot be done.
    pub fn call(&mut self, call: &ToolCall, now: Moment) -> Outcome {
        let (slot, arguments) = self.slot(call)?;
        slot.before = slot.before.take().or_else(|| slot.tool.fork());
        let lasts = slot.before.is_none();
        let outcome = slot.tool.call(&arguments, now);
        self.lasting |= lasts;
        outcome
    }

    /// [`call`](Self::call), as the text of a tool message: a failure begins with "sorry, ".
    pub fn answer(&mut self, call: &ToolCall, now: Moment) -> String {
        message(self.call(call, now))
    }

    /// [`answer`](Self::answer) by a copy of the tool, which [`adopt`](Self::adopt) keeps and
    /// [`discard`](Self::discard) forgets; until then further attempts meet it as they left it. None where the tool
    /// has no copy.
    pub fn attempt(&mut self, call: &ToolCall, now: Moment) -> Option<String> {
        let (slot, arguments) = match self.slot(call) {
            Ok(found) => found,
            Err(why) => return Some(message(Err(why))),
        };
        slot.tried = slot.tried.take().or_else(|| slot.tool.fork());
        slot.tried.as_mut().map(|tried| message(tried.call(&arguments, now)))
    }

    /// What was tried counts.
    pub fn adopt(&mut self) {
        for slot in &mut self.slots {
            if let Some(tried) = slot.tried.take() {
                let before = std::mem::replace(&mut slot.tool, tried);
                slot.before.get_or_insert(before);
            }
        }
    }

    /// What was tried was not wanted.
    pub fn discard(&mut self) {
        for slot in &mut self.slots {
            slot.tried = None;
        }
    }

    /// Takes back the calls that were made since [`settle`](Self::settle), until [`redo`](Self::redo), and tells of which
    /// tools. None where that cannot be done: it can for all of them or for none.
    pub fn take_back(&mut self) -> Option<Vec<String>> {
        if self.lasting {
            return None;
        }
        if !self.taken_back {
            self.swap();
        }
        let called = self.slots.iter().filter(|slot| slot.before.is_some());
        Some(called.map(|slot| slot.spec.name.clone()).collect())
    }

    /// What was taken back counts after all.
    pub fn redo(&mut self) {
        if self.taken_back {
            self.swap();
        }
    }

    fn swap(&mut self) {
        self.taken_back = !self.taken_back;
        for Slot { tool, before, .. } in &mut self.slots {
            if let Some(before) = before {
                std::mem::swap(tool, before);
            }
        }
    }

    /// What was called up to now, or taken back, stays so.
    pub fn settle(&mut self) {
        (self.lasting, self.taken_back) = (false, false);
        for slot in &mut self.slots {
            slot.before = None;
        }
    }

    /// When [`due`](Self::due) will have something to tell.
    pub fn next_due(&self) -> Option<Moment> {
        self.slots.iter().filter_map(|slot| slot.tool.next_due()).min()
    }

    /// What has become due in any tool by `now` and was not told yet.
    pub fn due(&mut self, now: Moment) -> Vec<String> {
        self.slots.iter_mut().flat_map(|slot| slot.tool.due(now)).collect()
    }

    /// The tool of a call that keeps its schema, and the arguments that are given.
    fn slot(&mut self, call: &ToolCall) -> std::result::Result<(&mut Slot, Value), String> {
        let unknown = || format!("there is no tool called {}", call.name);
        let slot = self.slots.iter_mut().find(|slot| slot.spec.name == call.name).ok_or_else(unknown)?;
        let arguments = given_arguments(&slot.spec.parameters, &call.arguments)?;
        Ok((slot, arguments))
    }
}

fn message(outcome: Outcome) -> String {
    outcome.unwrap_or_else(|why| format!("sorry, {why}"))
}

fn text<'a>(arguments: &'a Value, name: &str) -> Option<&'a str> {
    arguments.get(name).and_then(Value::as_str)
}

fn whole(arguments: &Value, name: &str) -> u64 {
    arguments.get(name).and_then(whole_number).and_then(|value| u64::try_from(value).ok()).unwrap_or(0)
}

/// A number without a fraction, however it is written: many models write `1.0`.
fn whole_number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().filter(|value| value.fract() == 0.0).map(|value| value as i64))
}

#[cfg(test)]
mod tests;
