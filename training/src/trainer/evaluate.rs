use burn::tensor::Device;

use super::ahead::ahead;
use super::observer::{At, Observers, Stage, tell};
use super::{Meter, Task, interrupted};
use crate::{Error, Result};

/// The figures of a task's validation batches.
///
/// # Errors
/// Any error of the task.
pub fn evaluate<T: Task>(task: &T, net: &T::Net, device: &Device) -> Result<Meter> {
    evaluate_observed(task, net, device, Vec::new())
}

/// As [`evaluate`], while others look on.
///
/// # Errors
/// Any error of the task and of the observers.
pub fn evaluate_observed<T: Task>(
    task: &T,
    net: &T::Net,
    device: &Device,
    mut observers: Observers<'_, T>,
) -> Result<Meter> {
    let at = At::default();
    tell(&mut observers, |observer| observer.on_evaluate_start(net))?;
    tell(&mut observers, |observer| observer.on_stage_start(Stage::Test, &at))?;
    let meter = evaluate_first(task, net, device, usize::MAX)?;
    tell(&mut observers, |observer| observer.on_stage_end(Stage::Test, &meter.means(), net, &at))?;
    Ok(meter)
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
