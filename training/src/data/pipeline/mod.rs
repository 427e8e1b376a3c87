//! Items of data by name, each computed from others when something needs it (SpeechBrain's `DataPipeline`,
//! `utils/data_pipeline.py`), with the type of each known to the compiler.
//!
//! A step says which items it takes and which it provides, one or several at once. The steps that the outputs need are put
//! in order once, when the pipeline is built; what nothing needs is never computed.

mod values;

use crate::{Error, Result};
pub use values::{Key, Provides, Takes, Values};
use values::{Need, Slot, need};

type Compute = Box<dyn FnMut(&Values) -> Option<Result<Vec<Slot>>> + Send>;

struct Node {
    provides: Vec<Need>,
    takes: Vec<Need>,
    compute: Compute,
}

impl Node {
    fn provides(&self, name: &str) -> bool {
        self.provides.iter().any(|item| item.name == name)
    }

    /// Its items, for errors.
    fn title(&self) -> String {
        let names: Vec<String> = self.provides.iter().map(|item| format!("`{}`", item.name)).collect();
        format!("item {}", names.join(" and "))
    }
}

/// A pipeline in the making.
#[derive(Default)]
pub struct PipelineBuilder {
    given: Vec<Need>,
    nodes: Vec<Node>,
}

impl PipelineBuilder {
    /// No items yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// An item that each run is given.
    #[must_use]
    pub fn given<T: 'static>(mut self, key: Key<T>) -> Self {
        self.given.push(need(key));
        self
    }

    /// An item, or a tuple of them, that is computed from others.
    #[must_use]
    pub fn item<P: Provides, K: Takes>(
        mut self,
        provides: P,
        takes: K,
        mut compute: impl for<'v> FnMut(K::Of<'v>) -> Result<P::Of> + Send + 'static,
    ) -> Self {
        let (provided, taken) = (provides.needs(), takes.needs());
        let boxed = move |values: &Values| {
            let outcome = compute(takes.of(values)?);
            Some(outcome.map(|computed| provides.slots(computed)))
        };
        self.nodes.push(Node { provides: provided, takes: taken, compute: Box::new(boxed) });
        self
    }

    /// Puts the items that `outputs` need in order.
    ///
    /// # Errors
    /// An item that is provided twice, or taken as another type than it is; one that nothing provides; items that need
    /// each other.
    pub fn build(self, outputs: &[&'static str]) -> Result<Pipeline> {
        let mistake = |reason: String| Error::config("data pipeline", reason);
        let all: Vec<Need> =
            self.given.iter().chain(self.nodes.iter().flat_map(|node| &node.provides)).copied().collect();
        for (at, item) in all.iter().enumerate() {
            if all[..at].iter().any(|other| other.name == item.name) {
                return Err(mistake(format!("item `{}` is provided twice; take one out", item.name)));
            }
        }
        for node in &self.nodes {
            let misfit = node.takes.iter().find_map(|taken| {
                let item = all.iter().find(|item| item.name == taken.name && item.kind != taken.kind)?;
                Some((taken, item))
            });
            if let Some((taken, item)) = misfit {
                let (name, wanted, found) = (taken.name, taken.kind_name, item.kind_name);
                let taker = node.title();
                return Err(mistake(format!("{taker} takes `{name}` as {wanted}, which is {found}")));
            }
        }
        let mut order = Vec::new();
        for output in outputs {
            self.visit(output, &mut Vec::new(), &mut order)?;
        }
        let mut nodes: Vec<Option<Node>> = self.nodes.into_iter().map(Some).collect();
        let steps: Vec<Node> = order.into_iter().filter_map(|at| nodes[at].take()).collect();
        Ok(Pipeline { given: self.given.iter().map(|item| item.name).collect(), steps, outputs: outputs.to_vec() })
    }

    /// Adds what an item needs to `order`, then the item. `above` are those that led to it.
    fn visit(&self, name: &'static str, above: &mut Vec<&'static str>, order: &mut Vec<usize>) -> Result<()> {
        let mistake = |reason: String| Err(Error::config("data pipeline", reason));
        if let Some(from) = above.iter().position(|other| *other == name) {
            let circle = above[from..].iter().chain([&name]).map(|name| format!("`{name}`"));
            return mistake(format!("items need each other: {}", circle.collect::<Vec<_>>().join(" takes ")));
        }
        let Some(at) = self.nodes.iter().position(|node| node.provides(name)) else {
            if self.given.iter().any(|item| item.name == name) {
                return Ok(());
            }
            return mistake(match above.last() {
                Some(taker) => format!("item `{taker}` takes `{name}`, which nothing provides"),
                None => format!("output `{name}` is provided by nothing"),
            });
        };
        if order.contains(&at) {
            return Ok(());
        }
        above.push(name);
        for taken in &self.nodes[at].takes {
            self.visit(taken.name, above, order)?;
        }
        above.pop();
        order.push(at);
        Ok(())
    }
}

/// Computes outputs from what each run is given. For one thread.
pub struct Pipeline {
    given: Vec<&'static str>,
    steps: Vec<Node>,
    outputs: Vec<&'static str>,
}

impl Pipeline {
    /// Computes the outputs, and what they need, each once.
    ///
    /// # Errors
    /// A given item that is missing; the first item that fails, by its name.
    pub fn run(&mut self, mut values: Values) -> Result<Values> {
        for step in &mut self.steps {
            let name = step.title();
            let outcome = (step.compute)(&values).ok_or_else(|| {
                let missing = self.given.iter().find(|given| !values.slots.iter().any(|(name, _)| name == *given));
                let missing = missing.copied().unwrap_or("nothing of the right type");
                Error::config("data pipeline", format!("{name} needs `{missing}`, which the run was not given"))
            })?;
            values.slots.extend(outcome.map_err(|e| Error::data(name, e))?);
        }
        values.slots.retain(|(name, _)| self.outputs.contains(name));
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const TEXT: Key<String> = Key::new("text");
    const WORDS: Key<Vec<String>> = Key::new("words");
    const COUNT: Key<usize> = Key::new("count");
    const BOTH: Key<String> = Key::new("both");

    fn split(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn message(builder: PipelineBuilder, outputs: &[&'static str]) -> String {
        builder.build(outputs).err().unwrap().to_string()
    }

    #[test]
    fn what_no_output_needs_is_not_computed() {
        let calls = Arc::new(AtomicUsize::new(0));
        let build = |outputs: &[&'static str]| {
            let counted = calls.clone();
            PipelineBuilder::new()
                .item(BOTH, (WORDS, COUNT), |(words, count)| Ok(format!("{count} {}", words.concat())))
                .item(COUNT, WORDS, |words| Ok(words.len()))
                .given(TEXT)
                .item(WORDS, TEXT, move |text| {
                    counted.fetch_add(1, Ordering::Relaxed);
                    Ok(split(text))
                })
                .build(outputs)
                .unwrap()
        };
        let given = || Values::default().with(TEXT, "a b".to_owned());
        let mut both = build(&["both", "text"]).run(given()).unwrap();
        assert_eq!(both.take(BOTH).unwrap(), "2 ab");
        assert_eq!((both.get(TEXT).unwrap().as_str(), both.get(WORDS), both.get(COUNT)), ("a b", None, None));
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        build(&["text"]).run(given()).unwrap();
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn mistakes_are_refused_when_it_is_built() {
        let words = || PipelineBuilder::new().item(WORDS, TEXT, |text| Ok(split(text)));
        assert!(message(words(), &["words"]).contains("item `words` takes `text`, which nothing provides"));
        assert!(message(words().given(TEXT), &["tokens"]).contains("output `tokens` is provided by nothing"));
        assert!(message(words().given(TEXT).given(WORDS), &["words"]).contains("item `words` is provided twice"));
        let circle = words().item(TEXT, COUNT, |n| Ok(n.to_string())).item(COUNT, WORDS, |words| Ok(words.len()));
        let message_of = message(circle, &["count"]);
        assert!(message_of.contains("`count` takes `words` takes `text` takes `count`"), "{message_of}");
        let misfit = words().given(Key::<u32>::new("text"));
        assert!(
            message(misfit, &["words"]).contains("item `words` takes `text` as alloc::string::String, which is u32")
        );
    }

    #[test]
    fn a_step_may_provide_several_items() {
        let calls = Arc::new(AtomicUsize::new(0));
        let build = |outputs: &[&'static str]| {
            let counted = calls.clone();
            let builder = PipelineBuilder::new().given(TEXT).item((WORDS, COUNT), TEXT, move |text| {
                counted.fetch_add(1, Ordering::Relaxed);
                let words = split(text);
                let count = words.len();
                Ok((words, count))
            });
            builder
                .item(BOTH, (WORDS, COUNT), |(words, count)| Ok(format!("{count} {}", words.concat())))
                .build(outputs)
        };
        let run = |outputs: &[&'static str]| {
            build(outputs).unwrap().run(Values::default().with(TEXT, "a b".to_owned())).unwrap()
        };
        assert_eq!(run(&["both"]).take(BOTH).unwrap(), "2 ab");
        let mut one = run(&["count"]);
        assert_eq!((one.take(COUNT), one.get(WORDS)), (Some(2), None));
        assert_eq!(calls.load(Ordering::Relaxed), 2);
        let twice = PipelineBuilder::new().given(COUNT).item((WORDS, COUNT), TEXT, |_| Ok((Vec::new(), 0)));
        assert!(message(twice, &["words"]).contains("item `count` is provided twice"));
    }

    #[test]
    fn an_error_names_the_item() {
        let failing = PipelineBuilder::new()
            .given(TEXT)
            .item(COUNT, TEXT, |text| text.parse().map_err(|_| Error::data(text.as_str(), "expected a number")));
        let mut pipeline = failing.build(&["count"]).unwrap();
        let run = |pipeline: &mut Pipeline, values| pipeline.run(values).err().unwrap().to_string();
        let message = run(&mut pipeline, Values::default().with(TEXT, "many".to_owned()));
        assert_eq!(message, "item `count`: many: expected a number");
        assert!(run(&mut pipeline, Values::default()).contains("needs `text`"));
    }
}
