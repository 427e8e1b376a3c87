//! ONNX Runtime, loaded at run time. The only file that names `ort`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ort::environment::Environment;
use ort::ep;
use ort::logging::LogLevel;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{OutputSelector, RunOptions, SessionInputValue};
use ort::value::{DynValue, Outlet, TensorElementType, Value, ValueType};

use super::bind::{order_inputs, wanted_outputs};
use super::{ElementType, Model, Port, Provider, Runtime, RuntimeConfig, Session, Tensor};
use crate::{Error, Result, in_one_line};

const NAME: &str = "onnxruntime";

/// ONNX Runtime allows one environment in a process; it is kept with the library that it came from.
static ENVIRONMENT: Mutex<Option<(Environment, PathBuf)>> = Mutex::new(None);

pub(super) struct OrtRuntime {
    environment: Environment,
    config: RuntimeConfig,
}

impl OrtRuntime {
    /// Loads the library, once in a process: later calls share the first that succeeded.
    pub(super) fn load(library: &Path, config: &RuntimeConfig) -> Result<Self> {
        let mut slot = lock(&ENVIRONMENT);
        let environment = match &*slot {
            Some((environment, _)) => environment.clone(),
            None => {
                let environment = create_environment(library)?;
                tracing::info!(library = %library.display(), "loaded ONNX Runtime");
                *slot = Some((environment.clone(), library.to_owned()));
                environment
            }
        };
        Ok(Self { environment, config: config.clone() })
    }

    fn commit(&self, path: &Path) -> ort::Result<ort::session::Session> {
        let mut builder = ort::session::Session::builder(&self.environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(self.config.threads)?
            .with_inter_threads(1)?
            // Spinning between two chunks of a stream would burn a core for nothing.
            .with_intra_op_spinning(false)?
            // The caches of a stream decay into subnormal floats in silence, which are many times slower.
            .with_flush_to_zero()?;
        let cuda = || ep::CUDA::default().build().error_on_failure();
        builder = match self.config.provider {
            Provider::Cpu => builder,
            Provider::Cuda => builder.with_execution_providers([cuda()])?,
            Provider::TensorRt => {
                builder.with_execution_providers([ep::TensorRT::default().build().error_on_failure(), cuda()])?
            }
        };
        builder.commit_from_file(path)
    }
}

fn create_environment(library: &Path) -> Result<Environment> {
    let builder = ort::init_from(library).map_err(|e| {
        let hint = "install a fitting one with `pip install --target .runtime --no-deps onnxruntime==1.31.1`";
        Error::engine(NAME, format!("{}: {hint}", in_one_line(&e)))
    })?;
    let logger = |level: LogLevel, category: &str, _id: &str, _place: &str, message: &str| match level {
        LogLevel::Error | LogLevel::Fatal => tracing::error!(category, "onnxruntime: {message}"),
        LogLevel::Warning => tracing::warn!(category, "onnxruntime: {message}"),
        LogLevel::Verbose | LogLevel::Info => tracing::trace!(category, "onnxruntime: {message}"),
    };
    let environment = builder.with_telemetry(false).with_logger(Arc::new(logger)).build().map_err(engine_error)?;
    environment.set_log_level(LogLevel::Error);
    Ok(environment)
}

impl Runtime for OrtRuntime {
    fn name(&self) -> &'static str {
        NAME
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn Model>> {
        std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
        let session = self.commit(path).map_err(|e| Error::model(path, in_one_line(e.message())))?;
        let inputs = ports(path, session.inputs())?;
        let outputs = ports(path, session.outputs())?;
        let metadata = read_metadata(&session).map_err(|e| Error::model(path, in_one_line(e.message())))?;
        Ok(Arc::new(OrtModel {
            inputs: inputs.into(),
            outputs: outputs.into(),
            metadata,
            session: Arc::new(Mutex::new(session)),
        }))
    }
}

struct OrtModel {
    inputs: Arc<[Port]>,
    outputs: Arc<[Port]>,
    metadata: Vec<(String, String)>,
    /// `ort` calls `Run` of one native session not thread safe, so streams that share a model take turns.
    session: Arc<Mutex<ort::session::Session>>,
}

impl Model for OrtModel {
    fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    fn metadata(&self, key: &str) -> Option<String> {
        self.metadata.iter().find(|(k, _)| k == key).map(|(_, value)| value.clone())
    }

    fn session(&self) -> Result<Box<dyn Session>> {
        Ok(Box::new(OrtSession {
            inputs: self.inputs.clone(),
            outputs: self.outputs.clone(),
            session: self.session.clone(),
        }))
    }
}

struct OrtSession {
    inputs: Arc<[Port]>,
    outputs: Arc<[Port]>,
    session: Arc<Mutex<ort::session::Session>>,
}

impl Session for OrtSession {
    fn run(&mut self, inputs: Vec<(&str, Tensor)>, wanted: &[&str]) -> Result<Vec<Tensor>> {
        let wanted = wanted_outputs(NAME, &self.outputs, wanted)?;
        let ordered = order_inputs(NAME, &self.inputs, inputs)?;
        let mut values = Vec::with_capacity(ordered.len());
        for tensor in ordered {
            values.push(to_value(tensor).map_err(engine_error)?);
        }
        let selector = wanted.iter().fold(OutputSelector::no_default(), |s, &i| s.with(self.outputs[i].name.as_str()));
        let options = RunOptions::new().map_err(engine_error)?.with_outputs(selector);
        let mut session = lock(&self.session);
        let outputs = session.run_with_options(values.as_slice(), &options).map_err(engine_error)?;
        let read = |&i: &usize| {
            let port = &self.outputs[i];
            let value = outputs
                .get(&port.name)
                .ok_or_else(|| Error::engine(NAME, format!("output `{}` did not come", port.name)))?;
            from_value(value, port)
        };
        wanted.iter().map(read).collect()
    }
}

fn to_value(tensor: Tensor) -> ort::Result<SessionInputValue<'static>> {
    Ok(match tensor {
        Tensor::F32(a) => Value::from_array(a)?.into(),
        Tensor::I64(a) => Value::from_array(a)?.into(),
        Tensor::I32(a) => Value::from_array(a)?.into(),
        Tensor::Bool(a) => Value::from_array(a)?.into(),
    })
}

fn from_value(value: &DynValue, port: &Port) -> Result<Tensor> {
    let tensor = match port.element {
        ElementType::F32 => value.try_extract_array::<f32>().map(|a| Tensor::F32(a.to_owned())),
        ElementType::I64 => value.try_extract_array::<i64>().map(|a| Tensor::I64(a.to_owned())),
        ElementType::I32 => value.try_extract_array::<i32>().map(|a| Tensor::I32(a.to_owned())),
        ElementType::Bool => value.try_extract_array::<bool>().map(|a| Tensor::Bool(a.to_owned())),
    };
    tensor.map_err(|e| Error::engine(NAME, format!("output `{}`: {}", port.name, in_one_line(e.message()))))
}

fn ports(path: &Path, outlets: &[Outlet]) -> Result<Vec<Port>> {
    outlets.iter().map(|outlet| port(path, outlet)).collect()
}

fn port(path: &Path, outlet: &Outlet) -> Result<Port> {
    let unsupported = |found: String| {
        Error::model(
            path,
            format!("tensor `{}`: expected f32, i64, i32 or bool elements, found {found}", outlet.name()),
        )
    };
    let ValueType::Tensor { ty, shape, .. } = outlet.dtype() else {
        return Err(unsupported(format!("{:?}", outlet.dtype())));
    };
    let element = match ty {
        TensorElementType::Float32 => ElementType::F32,
        TensorElementType::Int64 => ElementType::I64,
        TensorElementType::Int32 => ElementType::I32,
        TensorElementType::Bool => ElementType::Bool,
        other => return Err(unsupported(format!("{other:?}").to_lowercase())),
    };
    let shape = shape.iter().map(|&axis| usize::try_from(axis).ok()).collect();
    Ok(Port { name: outlet.name().to_owned(), element, shape })
}

fn read_metadata(session: &ort::session::Session) -> ort::Result<Vec<(String, String)>> {
    let metadata = session.metadata()?;
    let keys = metadata.custom_keys()?;
    Ok(keys.into_iter().filter_map(|key| metadata.custom(&key).map(|value| (key, value))).collect())
}

/// A poisoned lock is taken over: `ort` leaves nothing half-done behind its own lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn engine_error(error: ort::Error) -> Error {
    Error::engine(NAME, in_one_line(error.message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A library that cannot be loaded is an error that names it, never a panic.
    #[test]
    fn a_damaged_library_is_an_error() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let library = folder.path().join("libonnxruntime.so");
        std::fs::write(&library, b"not a library").expect("a file");
        let message = create_environment(&library).expect_err("no environment").to_string();
        assert!(message.contains("libonnxruntime.so") && message.contains("pip install"), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}
