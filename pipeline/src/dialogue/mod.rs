//! What is said to the model, and what the model may do.

mod history;

use rejoinder_models::llm::tools::{Moment, Tools};
use rejoinder_models::llm::{ToolCall, ToolSpec};
use rejoinder_models::units::Position;

pub use history::History;

type Run = Box<dyn FnMut(&ToolCall, Position) -> String + Send>;

/// The tools of one conversation: what the model is told about them, and the function that runs a call.
///
/// A result is text for the model. A call that cannot be done has one, too: it says why.
pub struct Toolbox {
    specs: Vec<ToolSpec>,
    /// The tools that may be called for a reply that is begun ahead.
    harmless: Vec<String>,
    run: Run,
}

impl Toolbox {
    /// Tools with a function that runs a call at a moment of the conversation. All are taken to change something.
    pub fn new(specs: Vec<ToolSpec>, run: impl FnMut(&ToolCall, Position) -> String + Send + 'static) -> Self {
        Self { specs, harmless: Vec::new(), run: Box::new(run) }
    }

    /// No tools.
    pub fn empty() -> Self {
        Self::new(Vec::new(), |call, _| format!("there is no tool named {}", call.name))
    }

    /// Those of the assistant's own tools that are named, in a conversation that begins at `start`.
    pub fn assistant(names: &[String], start: Moment) -> Self {
        let mut tools = Tools::default();
        let specs = tools.specs().into_iter().filter(|spec| names.contains(&spec.name)).collect();
        let effects = tools.with_effects();
        let harmless: Vec<String> = names.iter().filter(|name| !effects.contains(name)).cloned().collect();
        Self::new(specs, move |call, at| {
            tools.answer(call, Moment::from_local_ms(start.local_ms + at.ms().round() as i64))
        })
        .harmless(harmless)
    }

    /// Says which tools change nothing, so that they may be called for a reply that is begun ahead and may be dropped.
    #[must_use]
    pub fn harmless(mut self, names: Vec<String>) -> Self {
        self.harmless = names;
        self
    }

    /// Whether a call of this tool may change something.
    pub fn has_effects(&self, name: &str) -> bool {
        !self.harmless.iter().any(|harmless| harmless == name)
    }

    /// What the model is told.
    pub fn specs(&self) -> &[ToolSpec] {
        &self.specs
    }

    /// Runs a call. One of an unknown tool is answered with the names of those that there are.
    pub fn call(&mut self, call: &ToolCall, at: Position) -> String {
        if self.specs.iter().any(|spec| spec.name == call.name) {
            return (self.run)(call, at);
        }
        let names: Vec<_> = self.specs.iter().map(|spec| spec.name.as_str()).collect();
        format!("there is no tool named {}; there are: {}", call.name, names.join(", "))
    }
}
