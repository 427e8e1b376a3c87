use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param};
use burn::store::{Applier, ModuleStore, SafetensorsStore, bridge, burn_pack};
use burn::tensor::{Bool, Int, Tensor, TensorData};
use rejoinder_models::card::Bundle;

use crate::export::OnnxModel;
use crate::export::gguf::GgufFile;
use crate::{Error, Result};

/// Misfits that an error names; it counts the others.
const NAMED: usize = 6;

/// Weights by module path, and where they are from.
#[derive(Clone, Debug)]
pub struct Weights {
    pub(super) place: PathBuf,
    pub(super) tensors: BTreeMap<String, TensorData>,
}

impl Weights {
    /// The weights that a run has left, `net.safetensors`.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when the file is missing or damaged.
    pub fn of_run(path: &Path) -> Result<Self> {
        if !path.is_file() {
            let reason = "expected `net.safetensors` of a run, or the folder of a bundle, found neither";
            return Err(Error::checkpoint(path, reason));
        }
        let mistake = |reason: &dyn std::fmt::Display| Error::checkpoint(path, reason);
        let mut store = SafetensorsStore::from_file(path);
        let tensors = store.get_all_tensors().map_err(|e| mistake(&e))?;
        let read = |(name, tensor): (&String, _)| {
            let data = bridge::to_data(tensor).map_err(|e| mistake(&e))?;
            Ok((name.clone(), data))
        };
        Ok(Self { place: path.to_owned(), tensors: tensors.iter().map(read).collect::<Result<_>>()? })
    }

    /// The weights in files of a bundle that `export` has written, ONNX or GGUF, as 32-bit floats. `files` are their roles,
    /// each with the module that is in it, which is empty for the net itself.
    ///
    /// # Errors
    /// A file that the bundle lacks, or that is damaged; [`Error::Checkpoint`] for one without weights.
    pub fn of_bundle(bundle: &Bundle, files: &[(&str, &str)]) -> Result<Self> {
        let mut tensors = BTreeMap::new();
        for (role, module) in files {
            let path = bundle.path(role)?;
            let weights = match path.extension().is_some_and(|extension| extension == "gguf") {
                true => GgufFile::read(&path)?.weights(),
                false => OnnxModel::read(&path)?.weights(),
            };
            let weights = weights.map_err(|reason| Error::checkpoint(&path, reason))?;
            if weights.is_empty() {
                return Err(Error::checkpoint(
                    &path,
                    "expected weights by module path, as `export` writes them, found none",
                ));
            }
            let prefix = if module.is_empty() { String::new() } else { format!("{module}.") };
            tensors.extend(weights.into_iter().map(|(name, data)| (format!("{prefix}{name}"), data)));
        }
        Ok(Self { place: bundle.root().to_owned(), tensors })
    }

    /// The sizes of a weight without axes of one; none where there is no such weight.
    pub fn dims(&self, path: &str) -> Option<Vec<usize>> {
        self.tensors.get(path).map(|data| core(&sizes(data)))
    }

    /// The module paths of the weights.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// A net with these weights. Where one of the modules `heads` has no weights here, or weights of another shape, it
    /// stays as it is, and the log says so.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for weights that are missing, that the net has no place for, or of another shape, each by its
    /// name.
    pub fn load<M: Module>(&self, net: M, heads: &[&str]) -> Result<M> {
        let shapes = Shapes::of(&net);
        let head = |path: &str| heads.iter().copied().find(|head| is_in(head, path));
        let misfit = |(path, expected): (&String, &Vec<usize>)| match self.tensors.get(path) {
            None => Some((path.clone(), "missing".to_owned())),
            Some(data) if core(&sizes(data)) == core(expected) => None,
            Some(data) => Some((path.clone(), format!("expected {expected:?}, found {:?}", sizes(data)))),
        };
        let (afresh, wrong): (Vec<_>, Vec<_>) =
            shapes.0.iter().filter_map(misfit).partition(|(path, _)| head(path).is_some());
        let afresh: BTreeSet<&str> = afresh.iter().filter_map(|(path, _)| head(path)).collect();
        let surplus = self.tensors.keys().filter(|path| !shapes.0.contains_key(*path));
        let surplus = surplus.map(|path| (path.clone(), "the net has no such weight".to_owned()));
        self.refuse(wrong.into_iter().chain(surplus).collect())?;
        if !afresh.is_empty() {
            let names = afresh.iter().copied().collect::<Vec<_>>().join(", ");
            tracing::info!("{}: {names} not taken over, to be learnt afresh", self.place.display());
        }
        let taken = self.tensors.iter().filter(|(path, _)| !afresh.iter().any(|head| is_in(head, path)));
        let tensors = taken.filter_map(|(path, data)| {
            let (bytes, _, dtype) = single(data.clone()).into_parts();
            Some(burn_pack::Tensor::new(path.clone(), dtype, shapes.0.get(path)?.clone(), None, bytes))
        });
        Ok(net.map(&mut Applier::new(tensors.collect(), None, None, false)))
    }

    fn refuse(&self, misfits: Vec<(String, String)>) -> Result<()> {
        if misfits.is_empty() {
            return Ok(());
        }
        let mut reason: Vec<String> = misfits.iter().take(NAMED).map(|(path, why)| format!("{path}: {why}")).collect();
        if misfits.len() > NAMED {
            reason.push(format!("and {} more", misfits.len() - NAMED));
        }
        let reason = format!("these weights are not of the net that the recipe describes: {}", reason.join("; "));
        Err(Error::checkpoint(&self.place, reason))
    }
}

/// Whether a weight is part of a module.
fn is_in(module: &str, path: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn sizes(data: &TensorData) -> Vec<usize> {
    data.shape().iter().copied().collect()
}

/// Floats in the precision in which nets are trained.
fn single(data: TensorData) -> TensorData {
    if data.dtype().is_float() { data.convert::<f32>() } else { data }
}

/// Sizes without axes of one, which an export adds to a tensor.
fn core(sizes: &[usize]) -> Vec<usize> {
    sizes.iter().copied().filter(|size| *size != 1).collect()
}

/// The sizes of each weight of a net, by module path.
struct Shapes(BTreeMap<String, Vec<usize>>, Vec<String>);

impl Shapes {
    fn of<M: Module>(net: &M) -> Self {
        let mut shapes = Self(BTreeMap::new(), Vec::new());
        net.visit(&mut shapes);
        shapes
    }

    fn add(&mut self, sizes: &[usize]) {
        self.0.insert(self.1.join("."), sizes.to_vec());
    }
}

impl ModuleVisitor for Shapes {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.1.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.1.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.add(&param.lazy_shape());
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.add(&param.lazy_shape());
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.add(&param.lazy_shape());
    }
}
