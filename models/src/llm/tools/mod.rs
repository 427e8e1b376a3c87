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
pub use schema::check_arguments;
pub use shopping::ShoppingList;
pub use timer::Timers;

use super::{ToolCall, ToolSpec};

/// What a call came to: words to read aloud, or, as the error, why it cannot be done, in words as well.
pub type Outcome = std::result::Result<String, String>;

/// One tool with its state.
pub trait Tool: Send {
    /// What the model is told about it.
    fn spec(&self) -> ToolSpec;

    /// Whether a call changes anything, so that it may only be made once it is certain that it is wanted. A tool that
    /// does not say is taken to.
    fn has_effects(&self) -> bool {
        true
    }

    /// Runs a call at `now`. The arguments keep the schema of [`spec`](Self::spec).
    ///
    /// # Errors
    /// A sentence that tells a person why it cannot be done.
    fn call(&mut self, arguments: &Value, now: Moment) -> Outcome;

    /// What has become due by `now` and was not told yet, each in words: "the pasta timer is done".
    fn due(&mut self, _now: Moment) -> Vec<String> {
        Vec::new()
    }
}

/// The tools of one conversation.
pub struct Tools {
    tools: Vec<(ToolSpec, Box<dyn Tool>)>,
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
        Self { tools: tools.into_iter().map(|tool| (tool.spec(), tool)).collect() }
    }

    /// What the model is told, in order.
    pub fn specs(&self) -> Vec<ToolSpec> {
        self.tools.iter().map(|(spec, _)| spec.clone()).collect()
    }

    /// The names of the tools whose calls change something.
    pub fn with_effects(&self) -> Vec<String> {
        let tools = self.tools.iter().filter(|(_, tool)| tool.has_effects());
        tools.map(|(spec, _)| spec.name.clone()).collect()
    }

    /// Checks a call against its tool's schema and runs it at `now`.
    ///
    /// # Errors
    /// A sentence for the model to read aloud: the tool is unknown, an argument is wrong, or it cannot be done.
    pub fn call(&mut self, call: &ToolCall, now: Moment) -> Outcome {
        let (spec, tool) = self
            .tools
            .iter_mut()
            .find(|(spec, _)| spec.name == call.name)
            .ok_or_else(|| format!("there is no tool called {}", call.name))?;
        check_arguments(&spec.parameters, &call.arguments)?;
        tool.call(&call.arguments, now)
    }

    /// [`call`](Self::call), as the text of a tool message: a failure begins with "sorry, ".
    pub fn answer(&mut self, call: &ToolCall, now: Moment) -> String {
        self.call(call, now).unwrap_or_else(|why| format!("sorry, {why}"))
    }

    /// What has become due in any tool by `now` and was not told yet.
    pub fn due(&mut self, now: Moment) -> Vec<String> {
        self.tools.iter_mut().flat_map(|(_, tool)| tool.due(now)).collect()
    }
}

fn text<'a>(arguments: &'a Value, name: &str) -> Option<&'a str> {
    arguments.get(name).and_then(Value::as_str)
}

fn whole(arguments: &Value, name: &str) -> u64 {
    arguments.get(name).and_then(Value::as_u64).unwrap_or(0)
}

#[cfg(test)]
mod tests;
