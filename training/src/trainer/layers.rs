//! The layers of a net by their names, and patterns of names.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::{Error, Result};

/// A layer with weights of its own.
pub(super) struct LayerName {
    /// As `blocks.0.attention.out`.
    pub(super) name: String,
    pub(super) linear: bool,
}

/// All layers of a net.
pub(super) struct Layers(pub(super) Vec<LayerName>);

impl Layers {
    pub(super) fn of<M: Module>(net: &M) -> Self {
        let mut names = Names { path: Vec::new(), layers: Vec::new() };
        net.visit(&mut names);
        Self(names.layers)
    }

    /// Refuses a pattern that matches nothing.
    pub(super) fn check(&self, what: &str, patterns: &[String], fits: impl Fn(&str, &LayerName) -> bool) -> Result<()> {
        let found = |pattern: &&String| self.0.iter().any(|layer| fits(pattern, layer));
        match patterns.iter().find(|pattern| !found(pattern)) {
            None => Ok(()),
            Some(pattern) => {
                let example = self
                    .0
                    .iter()
                    .find(|layer| !layer.name.is_empty() && fits("*", layer))
                    .map_or("none", |layer| layer.name.as_str());
                let reason = format!("{what}: no layer is called `{pattern}`; one that there is: {example}");
                Err(Error::config("[train.adapters]", reason))
            }
        }
    }
}

struct Names {
    /// Names, and what each stands in.
    path: Vec<(String, String)>,
    layers: Vec<LayerName>,
}

impl ModuleVisitor for Names {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.push((name.to_owned(), container.to_owned()));
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, _param: &Param<Tensor<D>>) {
        let Some(((last, container), above)) = self.path.split_last() else { return };
        let name = above.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(".");
        let linear = D == 2 && last == "weight" && container.ends_with("Linear");
        match self.layers.iter_mut().find(|layer| layer.name == name) {
            Some(layer) => layer.linear |= linear,
            None => self.layers.push(LayerName { name, linear }),
        }
    }
}

/// Whether a name has one of these patterns.
pub(super) fn matches_any(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, name))
}

/// Whether a layer, or one that it is part of, has a name of this pattern.
pub(super) fn covers(pattern: &str, layer: &str) -> bool {
    let ends = layer.match_indices('.').map(|(at, _)| at).chain([layer.len()]);
    ends.into_iter().any(|end| matches(pattern, &layer[..end]))
}

/// Shell patterns as Python's `fnmatch` has them, without its sets of letters: `*` is any text, `?` any letter.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    match pattern.chars().next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = &pattern[1..];
            matches(rest, name) || name.char_indices().any(|(at, c)| matches(rest, &name[at + c.len_utf8()..]))
        }
        Some(letter) => {
            let mut letters = name.chars();
            letters.next().is_some_and(|found| letter == '?' || letter == found)
                && matches(&pattern[letter.len_utf8()..], letters.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_fnmatch() {
        let cases = [
            ("blocks.*.attention.*", "blocks.0.attention.query", true),
            ("blocks.*.attention", "blocks.0.attention.query", false),
            ("*", "", true),
            ("head", "head", true),
            ("head", "heads", false),
            ("layer?", "layer3", true),
            ("layer?", "layer", false),
            ("*query", "blocks.0.attention.query", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
        assert!(covers("blocks.0", "blocks.0.before.out") && !covers("blocks.1", "blocks.0.before.out"));
    }
}
