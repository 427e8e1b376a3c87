//! Training a few weights beside a net that stays as it is: low-rank additions to its matrices (Hu et al., "LoRA",
//! <https://arxiv.org/abs/2106.09685>) and bottlenecks within it (Houlsby et al. 2019,
//! <https://arxiv.org/abs/1902.00751>), chosen by patterns of layer names as SpeechBrain's `AdaptedModel` has it.

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::PathBuf;

use burn::module::{
    Flag, LoraAdapter, Module, ModuleMapper, ModuleVisitor, Param, ParamGroup, ParamId, Reparameterizer,
};
use burn::tensor::{Distribution, Tensor};
use serde::{Deserialize, Serialize};

use super::Task;
use super::layers::{Layers, covers, matches, matches_any};
use crate::{Error, Result, import};

/// The table `[train.adapters]` of a recipe. Batch normalisations normalise by the running statistics of the base, which stay
/// as they are, unless they are unfrozen. The run folder's weights have the additions merged in; its checkpoints hold
/// only what was trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdaptersConfig {
    /// The weights that are adapted: `net.safetensors` of another run, beside which its `tokens.txt` stands, or the folder of a
    /// bundle that `export` has written.
    pub base: PathBuf,
    /// Low-rank additions.
    #[serde(default)]
    pub lora: Option<LoraConfig>,
    /// Bottlenecks behind feed-forward parts, which in a Branchformer are the gating MLPs.
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
    /// The feed-forward parts that get one, by patterns of their names, such as `blocks.*.after`
    /// or `blocks.5`, in transducers and attention decoders `encoder.blocks.5`. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target_layers: Vec<String>,
}

impl HoulsbyConfig {
    /// Whether a part gets a bottleneck.
    pub fn chooses(&self, part: &str) -> bool {
        self.target_layers.is_empty() || self.target_layers.iter().any(|pattern| covers(pattern, part))
    }
}

impl AdaptersConfig {
    /// The task's net with the base weights and what is trained beside them. All else is frozen.
    ///
    /// # Errors
    /// Base weights that are missing or of another net; patterns that no layer matches; a net without a place for
    /// bottlenecks.
    pub(super) fn attach<T: Task>(&self, task: &T, net: T::Net) -> Result<T::Net> {
        let mut net = import::begin(task, net, &self.base)?.train();
        if let Some(houlsby) = &self.houlsby {
            let parts = RefCell::new(Vec::new());
            let behind = |part: &str| {
                parts.borrow_mut().push(part.to_owned());
                houlsby.chooses(part)
            };
            net = task.with_bottlenecks(net, houlsby.projection_size, &behind).ok_or_else(|| {
                Error::config(
                    "[train.adapters]",
                    "houlsby: this task's net has no place for bottlenecks; expected lora instead",
                )
            })?;
            let parts = parts.into_inner();
            let found = |pattern: &&String| parts.iter().any(|part| covers(pattern, part));
            if let Some(pattern) = houlsby.target_layers.iter().find(|pattern| !found(pattern)) {
                let example = parts.first().map_or("none", String::as_str);
                let reason = format!(
                    "houlsby.target_layers: no feed-forward part is called `{pattern}`; one that there is: {example}"
                );
                return Err(Error::config("[train.adapters]", reason));
            }
        }
        self.attach_to(net)
    }

    /// A net that has its base weights and bottlenecks, with what is trained beside them. All else is frozen.
    ///
    /// # Errors
    /// Patterns that no layer matches; sizes of zero.
    pub fn attach_to<M: Module>(&self, net: M) -> Result<M> {
        let layers = Layers::of(&net);
        let lora = self.lora.clone().unwrap_or_default();
        if lora.rank == 0 || self.houlsby.as_ref().is_some_and(|houlsby| houlsby.projection_size == 0) {
            return Err(Error::config(
                "[train.adapters]",
                "lora.rank, houlsby.projection_size: expected 1 or more, found 0",
            ));
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
        let unfrozen = &self.unfrozen_layers;
        let net = net.apply_reparameterization(Attach { lora, adapted, unfrozen });
        Ok(net.map(&mut Hold { unfrozen, path: Vec::new() }))
    }
}

/// The parameters that training changes: those with gradients, and the running statistics that are not held.
pub(super) fn trained<M: Module>(net: &M) -> HashSet<ParamId> {
    let mut trained = Trained { found: HashSet::new(), names: Vec::new(), follows: false };
    net.visit(&mut trained);
    trained.found
}

struct Trained {
    found: HashSet<ParamId>,
    /// The field that is visited, and what each above it is called.
    names: Vec<String>,
    /// Whether the statistics that come next follow the batches.
    follows: bool,
}

impl ModuleVisitor for Trained {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.names.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.names.pop();
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.follows = flag.is_enabled();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let running = self.names.last().is_some_and(|name| name.starts_with("running_"));
        if param.is_require_grad() || running && self.follows {
            self.found.insert(param.id);
        }
    }
}

/// Parameters by their numbers.
pub(super) fn group(ids: &HashSet<ParamId>) -> ParamGroup {
    ParamGroup::from_ids(ids.iter().copied().collect())
}

/// Whether a layer is part of a bottleneck, which nets keep under this name.
fn is_bottleneck(layer: &str) -> bool {
    layer.split('.').any(|part| part == "bottleneck")
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

/// Batch normalisations that are not trained normalise by the statistics that they have, and keep them.
struct Hold<'a> {
    unfrozen: &'a [String],
    /// Names, and what each stands in.
    path: Vec<(String, String)>,
}

impl ModuleMapper for Hold<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.push((name.to_owned(), container.to_owned()));
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        let Some(((_, container), above)) = self.path.split_last() else { return flag };
        let layer = above.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(".");
        let held = container.ends_with("BatchNorm") && !self.unfrozen.iter().any(|pattern| covers(pattern, &layer));
        if held { flag.with_value(false) } else { flag }
    }
}
