use burn::tensor::Device;

use super::ahead::ahead;
use super::{Meter, Task, interrupted};
use crate::{Error, Result};

/// The figures of a task's validation batches.
///
/// # Errors
/// Any error of the task.
pub fn evaluate<T: Task>(task: &T, net: &T::Net, device: &Device) -> Result<Meter> {
    evaluate_first(task, net, device, usize::MAX)
}

/// The figures of the first validation batches.
///
/// # Errors
/// [`Error::Interrupted`] after Ctrl-C; any error of the task.
pub(super) fn evaluate_first<T: Task>(task: &T, net: &T::Net, device: &Device, most: usize) -> Result<Meter> {
    let mut meter = Meter::default();
    ahead(Box::new(task.valid_batches()?.take(most)), |batches| {
        for batch in batches {
            for figure in task.evaluate(net, batch?, device)? {
                meter.add_figure(&figure);
            }
            if interrupted() {
                return Err(Error::Interrupted);
            }
        }
        Ok(())
    })?;
    Ok(meter)
}
