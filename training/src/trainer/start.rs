use burn::module::Module;
use burn::tensor::Device;

use super::{Task, TrainOptions};
use crate::{Error, Result, import};

/// A task's net as it is before the first step: with fresh weights, those of `start`, or those of `adapters.base` and what
/// is trained beside them.
///
/// # Errors
/// Weights that are missing or of another net; both keys at once; what [`AdaptersConfig`](super::AdaptersConfig) refuses.
pub(super) fn begin<T: Task>(task: &T, options: &TrainOptions, device: &Device) -> Result<T::Net> {
    let net = task.net(device);
    match (&options.start, &options.adapters) {
        (None, None) => Ok(net),
        (Some(start), None) => Ok(import::begin(task, net, start)?.train()),
        (None, Some(adapters)) => adapters.attach(task, net),
        (Some(_), Some(_)) => {
            let reason = "expected `start` or `adapters.base`, found both; adapters begin with their base";
            Err(Error::config("[train]", reason))
        }
    }
}
