use rejoinder_models::llm::tools::{Moment, Tools, given_arguments};
use rejoinder_models::llm::{ToolCall, ToolSpec};
use rejoinder_models::units::Position;

use super::Calendar;

/// What is due so soon is told at once: a sound card's clock and the machine's, by which tools go, differ by some
/// milliseconds in a minute.
const EARLY_MS: i64 = 500;

type Run = Box<dyn FnMut(&ToolCall, Position) -> String + Send>;

/// The tools of one conversation: what the model is told about them, and what runs a call.
///
/// A result is text for the model. A call that cannot be done has one, too: it says why.
pub struct Toolbox {
    specs: Vec<ToolSpec>,
    runner: Runner,
}

enum Runner {
    Function { run: Run, called: bool },
    Tools { tools: Tools, calendar: Calendar },
}

impl Toolbox {
    /// Tools with a function that runs a call at a moment of the conversation, on the thread of `respond`: what it waits for
    /// the conversation waits for, and a [`Session`](crate::Session) is ended from there by its stop flag alone. The arguments
    /// keep the tool's schema. A call cannot be taken back, so that it waits until the caller's turn is over; tools of
    /// [`of`](Self::of) may do better.
    pub fn new(specs: Vec<ToolSpec>, run: impl FnMut(&ToolCall, Position) -> String + Send + 'static) -> Self {
        Self { specs, runner: Runner::Function { run: Box::new(run), called: false } }
    }

    /// Tools with a state of their own, which go by this calendar.
    pub fn of(tools: Tools, calendar: Calendar) -> Self {
        Self { specs: tools.specs(), runner: Runner::Tools { tools, calendar } }
    }

    /// Those of the assistant's own tools that are named.
    pub fn assistant(names: &[String], calendar: Calendar) -> Self {
        Self::of(Tools::default().filter(|name| names.iter().any(|known| known == name)), calendar)
    }

    /// What the model is told.
    pub fn specs(&self) -> &[ToolSpec] {
        &self.specs
    }

    /// Runs a call. One of an unknown tool is answered with the names of those that there are.
    pub fn call(&mut self, call: &ToolCall, at: Position) -> String {
        if let Some(answer) = self.unknown(call) {
            return answer;
        }
        match &mut self.runner {
            Runner::Function { run, called } => match checked(&self.specs, call) {
                Ok(call) => {
                    *called = true;
                    run(&call, at)
                }
                Err(why) => format!("sorry, {why}"),
            },
            Runner::Tools { tools, calendar } => tools.answer(call, calendar.moment(at)),
        }
    }

    /// Runs a call that may turn out not to be wanted, to be followed by [`adopt`](Self::adopt) or
    /// [`discard`](Self::discard). None where that cannot be taken back.
    pub(crate) fn attempt(&mut self, call: &ToolCall, at: Position) -> Option<String> {
        if let Some(answer) = self.unknown(call) {
            return Some(answer);
        }
        match &mut self.runner {
            Runner::Function { .. } => None,
            Runner::Tools { tools, calendar } => tools.attempt(call, calendar.moment(at)),
        }
    }

    /// What was attempted counts.
    pub(crate) fn adopt(&mut self) {
        if let Runner::Tools { tools, .. } = &mut self.runner {
            tools.adopt();
        }
    }

    /// What was attempted was not wanted.
    pub(crate) fn discard(&mut self) {
        if let Runner::Tools { tools, .. } = &mut self.runner {
            tools.discard();
        }
    }

    /// Takes back the calls that were made since [`settle`](Self::settle), until [`redo`](Self::redo), and tells of which
    /// tools. None where that cannot be done: it can for all of them or for none.
    pub(crate) fn take_back(&mut self) -> Option<Vec<String>> {
        match &mut self.runner {
            Runner::Function { called, .. } => (!*called).then(Vec::new),
            Runner::Tools { tools, .. } => tools.take_back(),
        }
    }

    /// What was taken back counts after all.
    pub(crate) fn redo(&mut self) {
        if let Runner::Tools { tools, .. } = &mut self.runner {
            tools.redo();
        }
    }

    /// What was called up to now, or taken back, stays so.
    pub(crate) fn settle(&mut self) {
        match &mut self.runner {
            Runner::Function { called, .. } => *called = false,
            Runner::Tools { tools, .. } => tools.settle(),
        }
    }

    /// When [`due`](Self::due) will have something to tell; none for never, as things stand.
    pub fn next_due(&self) -> Option<Moment> {
        match &self.runner {
            Runner::Function { .. } => None,
            Runner::Tools { tools, .. } => tools.next_due(),
        }
    }

    /// Where [`next_due`](Self::next_due) is in the conversation, as things stand now.
    pub fn next_due_at(&self, now: Position) -> Option<Position> {
        let Runner::Tools { tools, calendar } = &self.runner else { return None };
        Some(calendar.position(tools.next_due()?, now))
    }

    /// What the tools have to tell of their own accord by now, such as that a timer is done, in sentences. What is due
    /// within half a second is told as well.
    pub fn due(&mut self, at: Position) -> Vec<String> {
        match &mut self.runner {
            Runner::Function { .. } => Vec::new(),
            Runner::Tools { tools, calendar } => tools.due(calendar.moment(at).plus_ms(EARLY_MS)),
        }
    }

    fn unknown(&self, call: &ToolCall) -> Option<String> {
        if self.specs.iter().any(|spec| spec.name == call.name) {
            return None;
        }
        let names: Vec<_> = self.specs.iter().map(|spec| spec.name.as_str()).collect();
        Some(format!("there is no tool named {}; there are: {}", call.name, names.join(", ")))
    }
}

/// A call with the arguments that are given, if they keep their tool's schema.
fn checked(specs: &[ToolSpec], call: &ToolCall) -> Result<ToolCall, String> {
    let mut call = call.clone();
    if let Some(spec) = specs.iter().find(|spec| spec.name == call.name) {
        call.arguments = given_arguments(&spec.parameters, &call.arguments)?;
    }
    Ok(call)
}
