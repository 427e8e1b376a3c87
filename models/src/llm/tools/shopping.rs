use serde_json::{Value, json};

use super::{Moment, Outcome, Tool, spoken, text};
use crate::llm::ToolSpec;

/// Keeps a shopping list.
#[derive(Clone, Debug, Default)]
pub struct ShoppingList {
    items: Vec<String>,
}

impl Tool for ShoppingList {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "shopping".into(),
            description: "Adds items to the shopping list, removes them, reads it or clears it".into(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "action": {"type": "string", "enum": ["add", "remove", "read", "clear"]},
                    "items": {"type": "array", "items": {"type": "string"}},
                },
                "required": ["action"],
                "additionalProperties": false,
            }),
        }
    }

    fn fork(&self) -> Option<Box<dyn Tool>> {
        Some(Box::new(self.clone()))
    }

    fn call(&mut self, arguments: &Value, _now: Moment) -> Outcome {
        let named: Vec<String> = arguments
            .get("items")
            .and_then(Value::as_array)
            .map(|items| items.iter().filter_map(|item| Some(item.as_str()?.trim().to_owned())).collect())
            .unwrap_or_default();
        match text(arguments, "action") {
            Some("add" | "remove") if named.is_empty() => Err("I did not catch the item".into()),
            Some("add") => Ok(self.add(named)),
            Some("remove") => self.remove(&named),
            Some("clear") => {
                self.items.clear();
                Ok("the list is empty now".into())
            }
            _ if self.items.is_empty() => Ok("nothing".into()),
            _ => Ok(spoken::list(&self.items)),
        }
    }
}

impl ShoppingList {
    /// What stands on the list.
    pub fn items(&self) -> &[String] {
        &self.items
    }

    fn add(&mut self, named: Vec<String>) -> String {
        let said = spoken::list(&named);
        for item in named {
            if !self.items.iter().any(|known| bare(known) == bare(&item)) {
                self.items.push(item);
            }
        }
        format!("{said} added")
    }

    fn remove(&mut self, named: &[String]) -> Outcome {
        let (mut removed, mut missing) = (Vec::new(), Vec::new());
        for name in named {
            match self.find(name) {
                Some(at) => removed.push(self.items.remove(at)),
                None => missing.push(name),
            }
        }
        match removed.as_slice() {
            [] => Err(format!("{} not on the list", spoken::list(&missing))),
            removed => Ok(format!("{} removed", spoken::list(removed))),
        }
    }

    /// Where the item stands that is called so: the one of this very name, else the only one whose name has these words
    /// in it, as "bread" is in "gluten free bread".
    fn find(&self, name: &str) -> Option<usize> {
        let exact = self.items.iter().position(|item| bare(item) == bare(name));
        let has_words = |item: &String| bare(name).split(' ').all(|word| item.split(' ').any(|other| other == word));
        exact.or_else(|| {
            let mut like = (0..self.items.len()).filter(|at| has_words(&self.items[*at]));
            like.next().filter(|_| like.next().is_none())
        })
    }
}

/// A name without its article.
fn bare(name: &str) -> &str {
    ["a ", "an ", "the ", "some "].into_iter().find_map(|article| name.strip_prefix(article)).unwrap_or(name)
}
