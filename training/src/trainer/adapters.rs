//! Training a few weights beside a net that stays as it is: low-rank additions to its matrices (Hu et al., "LoRA",
//! <https://arxiv.org/abs/2106.09685>) and bottlenecks within it (Houlsby et al. 2019,
//! <https://arxiv.org/abs/1902.00751>), chosen by patterns of layer names as SpeechBrain's `AdaptedModel` has it.

use std::collections::HashSet;
use std::path::PathBuf;

use burn::module::{LoraAdapter, Module, ModuleVisitor, Param, ParamGroup, ParamId, Reparameterizer};
use burn::tensor::{Distribution, Tensor};
use serde::{Deserialize, Serialize};

use super::Task;
use crate::{Error, Result, import};

/// The table `[train.adapters]` of a recipe. The run folder's weights have the additions merged in; its checkpoints hold
/// only what was trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdaptersConfig {
    /// The weights that are adapted: `net.bpk` of another run, beside which its `tokens.txt` stands, or the folder of a
    /// bundle that `export` has written.
    pub base: PathBuf,
    /// Low-rank additions.
    #[serde(default)]
    pub lora: Option<LoraConfig>,
    /// Bottlenecks behind each feed-forward part.
    #[serde(default)]
    pub houlsby: Option<HoulsbyConfig>,
    /// Layers that are trained whole, by patterns of their names, such as `head` or `blocks.5.*`. Default: none.
    #[serde(default)]
    pub unfrozen_layers: Vec<String>,
}

/// Low-rank additions: `W + alpha / rank · A B` in the place of a layer's weights `W`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoraConfig {
    /// Columns of `A` and rows of `B`. Default: 16.
    pub rank: usize,
    /// Default: 1.
    pub alpha: f64,
    /// Whether every linear layer is adapted. Default: false.
    pub all_linear: bool,
    /// Linear layers that are adapted, by patterns of their names. Default: none.
    pub target_layers: Vec<String>,
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self { rank: 16, alpha: 1.0, all_linear: false, target_layers: Vec::new() }
    }
}

/// Bottlenecks: `x + up(silu(down(x)))`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoulsbyConfig {
    /// Their width.
    pub projection_size: usize,
}

impl AdaptersConfig {
    /// The task's net with the base weights and what is trained beside them. All else is frozen.
    ///
    /// # Errors
    /// Base weights that are missing or of another net; patterns that no layer matches; a net without a place for
    /// bottlenecks.
    pub(super) fn attach<T: Task>(&self, task: &T, net: T::Net) -> Result<T::Net> {
        let mut net = import::begin(task, net, &self.base)?.train();
        if let Some(HoulsbyConfig { projection_size }) = self.houlsby {
            net = task.with_bottlenecks(net, projection_size).ok_or_else(|| {
                Error::config(
                    "[train.adapters]",
                    "houlsby: this task's net has no place for bottlenecks; expected lora instead",
                )
            })?;
        }
        self.attach_to(net)
    }

    /// A net that has its base weights and bottlenecks, with what is trained beside them. All else is frozen.
    ///
    /// # Errors
    /// Patterns that no layer matches; sizes of zero; a net with batch normalisation, whose running statistics would change
    /// with every batch.
    pub fn attach_to<M: Module>(&self, net: M) -> Result<M> {
        let layers = Layers::of(&net);
        let lora = self.lora.clone().unwrap_or_default();
        if lora.rank == 0 || self.houlsby.as_ref().is_some_and(|houlsby| houlsby.projection_size == 0) {
            return Err(Error::config(
                "[train.adapters]",
                "lora.rank, houlsby.projection_size: expected 1 or more, found 0",
            ));
        }
        if let Some(layer) = layers.0.iter().find(|layer| layer.keeps_statistics) {
            let reason = format!("{}: batch normalisation does not stay as it is; train this net whole", layer.name);
            return Err(Error::config("[train.adapters]", reason));
        }
        layers.check("lora.target_layers", &lora.target_layers, |pattern, layer| {
            layer.linear && matches(pattern, &layer.name)
        })?;
        layers.check("unfrozen_layers", &self.unfrozen_layers, |pattern, layer| covers(pattern, &layer.name))?;
        let adapted = layers.0.iter().filter(|layer| layer.linear && !is_bottleneck(&layer.name));
        let adapted: HashSet<String> = adapted
            .filter(|layer| lora.all_linear || matches_any(&lora.target_layers, &layer.name))
            .map(|layer| layer.name.clone())
            .collect();
        if adapted.is_empty() && self.houlsby.is_none() && self.unfrozen_layers.is_empty() {
            let reason =
                "expected lora.target_layers, lora.all_linear, houlsby or unfrozen_layers, found nothing to train";
            return Err(Error::config("[train.adapters]", reason));
        }
        Ok(net.apply_reparameterization(Attach { lora, adapted, unfrozen: &self.unfrozen_layers }))
    }
}

/// The parameters that training changes.
pub(super) fn trained<M: Module>(net: &M) -> HashSet<ParamId> {
    struct Trained(HashSet<ParamId>);
    impl ModuleVisitor for Trained {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.is_require_grad() {
                self.0.insert(param.id);
            }
        }
    }
    let mut trained = Trained(HashSet::new());
    net.visit(&mut trained);
    trained.0
}

/// Parameters by their numbers.
pub(super) fn group(ids: &HashSet<ParamId>) -> ParamGroup {
    ParamGroup::from_ids(ids.iter().copied().collect())
}

/// Whether a layer is part of a bottleneck, which nets keep under this name.
fn is_bottleneck(layer: &str) -> bool {
    layer.split('.').any(|part| part == "bottleneck")
}

/// A layer with weights of its own.
struct LayerName {
    name: String,
    linear: bool,
    /// Whether it changes with what it is shown.
    keeps_statistics: bool,
}

struct Layers(Vec<LayerName>);

impl Layers {
    fn of<M: Module>(net: &M) -> Self {
        let mut names = Names { path: Vec::new(), layers: Vec::new() };
        net.visit(&mut names);
        Self(names.layers)
    }

    /// Refuses a pattern that matches nothing.
    fn check(&self, what: &str, patterns: &[String], fits: impl Fn(&str, &LayerName) -> bool) -> Result<()> {
        let found = |pattern: &&String| self.0.iter().any(|layer| fits(pattern, layer));
        match patterns.iter().find(|pattern| !found(pattern)) {
            None => Ok(()),
            Some(pattern) => {
                let example = self.0.iter().find(|layer| fits("*", layer)).map_or("none", |layer| layer.name.as_str());
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
        let keeps_statistics = container.ends_with("BatchNorm");
        match self.layers.iter_mut().find(|layer| layer.name == name) {
            Some(layer) => {
                layer.linear |= linear;
                layer.keeps_statistics |= keeps_statistics;
            }
            None => self.layers.push(LayerName { name, linear, keeps_statistics }),
        }
    }
}

struct Attach<'a> {
    lora: LoraConfig,
    /// Names of the layers whose weights get additions.
    adapted: HashSet<String>,
    unfrozen: &'a [String],
}

impl Reparameterizer for Attach<'_> {
    type Reparam = LoraAdapter;

    fn reparameterize<const D: usize>(
        &mut self,
        path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<LoraAdapter>) {
        let (layer, name) = path.rsplit_once('.').unwrap_or(("", path));
        if D == 2 && name == "weight" && self.adapted.contains(layer) {
            let (dims, device) = (param.dims(), param.device());
            // As PyTorch's linear layers begin, and at first without effect.
            let bound = 1.0 / (dims[0] as f64).sqrt();
            let down = Tensor::random([dims[0], self.lora.rank], Distribution::Uniform(-bound, bound), &device);
            let adapter = LoraAdapter {
                a: Param::from_tensor(down),
                b: Param::from_tensor(Tensor::zeros([self.lora.rank, dims[1]], &device)),
                scale: self.lora.alpha / self.lora.rank as f64,
            };
            return (param.set_require_grad(false), Some(adapter));
        }
        let kept = self.unfrozen.iter().any(|pattern| covers(pattern, layer));
        if kept || is_bottleneck(layer) {
            return (param, None);
        }
        (param.set_require_grad(false), None)
    }
}

fn matches_any(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, name))
}

/// Whether a layer, or one that it is part of, has a name of this pattern.
fn covers(pattern: &str, layer: &str) -> bool {
    let ends = layer.match_indices('.').map(|(at, _)| at).chain([layer.len()]);
    ends.into_iter().any(|end| matches(pattern, &layer[..end]))
}

/// Shell patterns as Python's `fnmatch` has them, without its sets of letters: `*` is any text, `?` any letter.
fn matches(pattern: &str, name: &str) -> bool {
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
