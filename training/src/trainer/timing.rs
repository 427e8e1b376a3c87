use rejoinder_models::quantiles::quantile;
use std::time::Instant;

use burn::module::Module;
use burn::tensor::Device;
use serde::Serialize;

use super::pool::without_denormals;
use super::{Precision, Task, TrainOptions, gradients, start};
use crate::{Error, Result};

/// Steps before those that count: allocators, caches and thread pools fill.
const WARMUP_STEPS: usize = 2;
const MIB: f64 = 1024.0;

/// What training costs on this machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timing {
    /// The device.
    pub device: String,
    /// In what a step computes.
    pub precision: Precision,
    /// Weights of the net.
    pub parameters: usize,
    /// Milliseconds that the loader takes for a batch, on the threads that the recipe gives it: the median.
    pub load_ms: f64,
    /// Milliseconds of a step, from the batch in memory to the new weights: the median.
    pub step_ms: f64,
    /// Its 95th percentile.
    pub step_p95_ms: f64,
    /// Processor time of a step, over all threads: the median; where the system tells it. Other work on the machine tells
    /// less on it than on the clock.
    pub cpu_ms: Option<f64>,
    /// The part of the step until the loss is known: the median.
    pub forward_ms: f64,
    /// The part until the gradients are known: the median.
    pub backward_ms: f64,
    /// The norm of the gradients and the optimizer: the median.
    pub update_ms: f64,
    /// The most memory that net, gradients and optimizer took beyond what the process held before, in MiB; where the
    /// system tells it.
    pub peak_mib: Option<f64>,
}

/// Times the loader, and then `steps` training steps without it.
///
/// # Errors
/// Any error of the task; data for fewer batches than that takes.
pub fn time<T: Task>(task: &T, options: &TrainOptions, steps: usize) -> Result<Timing> {
    without_denormals(|| time_here(task, options, steps))
}

fn time_here<T: Task>(task: &T, options: &TrainOptions, steps: usize) -> Result<Timing> {
    let (batches, load_ms) = load(task, options, WARMUP_STEPS + steps.max(1))?;
    let before = resident_mib();
    let device = options.backend.device()?.autodiff();
    options.precision.check(&device)?;
    device.seed(options.seed);
    let mut optimizer = options.optimizer();
    let mut net = start::begin(task, options, &device)?;
    let parameters = net.num_params();
    let (mut laps, mut spent) = (Vec::with_capacity(batches.len()), Vec::with_capacity(batches.len()));
    for (step, batch) in batches.into_iter().enumerate() {
        let (began, cpu) = (Instant::now(), cpu_ms());
        let of_step = options.precision.of_step(&net);
        let loss = task.loss(&of_step, batch, step, &device)?;
        let forward = began.elapsed();
        let mut grads = options.precision.gradients(&loss.total, &*of_step);
        drop(of_step);
        wait(&device)?;
        let backward = began.elapsed();
        let norm = gradients::norm(&net, &grads);
        if options.max_grad_norm > 0.0 && norm > options.max_grad_norm {
            gradients::scale(&net, &mut grads, options.max_grad_norm / norm);
        }
        net = optimizer.step(options.learning_rate, net, grads);
        wait(&device)?;
        let all = began.elapsed();
        laps.push([forward, backward - forward, all - backward, all].map(|lap| lap.as_secs_f64() * 1e3));
        spent.extend(cpu_ms().zip(cpu).map(|(after, before)| after - before));
    }
    let counted = &laps[WARMUP_STEPS..];
    let lap = |part: usize, share| quantile(counted.iter().map(|lap| lap[part]).collect(), share);
    let timing = Timing {
        device: format!("{device:?}"),
        precision: options.precision,
        parameters,
        load_ms,
        step_ms: lap(3, 0.5),
        step_p95_ms: lap(3, 0.95),
        cpu_ms: spent.get(WARMUP_STEPS..).filter(|laps| !laps.is_empty()).map(|laps| quantile(laps.to_vec(), 0.5)),
        forward_ms: lap(0, 0.5),
        backward_ms: lap(1, 0.5),
        update_ms: lap(2, 0.5),
        peak_mib: peak_mib().zip(before).map(|(peak, before)| peak - before),
    };
    let Timing { step_ms, step_p95_ms, forward_ms, backward_ms, update_ms, .. } = timing;
    tracing::info!(
        "a step takes {step_ms:.0} ms (95 % up to {step_p95_ms:.0}): forward {forward_ms:.0}, backward {backward_ms:.0}, \
         update {update_ms:.0}; the loader takes {load_ms:.0} ms for a batch"
    );
    Ok(timing)
}

/// Batches in memory, and the median of what each took.
fn load<T: Task>(task: &T, options: &TrainOptions, count: usize) -> Result<(Vec<T::Batch>, f64)> {
    let (mut batches, mut laps) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for epoch in 0..count {
        let mut made = task.train_batches(epoch, options.seed, 0)?;
        let enough = batches.len();
        loop {
            let began = Instant::now();
            let Some(batch) = made.next() else { break };
            batches.push(batch?);
            laps.push(began.elapsed().as_secs_f64() * 1e3);
            if batches.len() == count {
                return Ok((batches, quantile(laps, 0.5)));
            }
        }
        if batches.len() == enough {
            break;
        }
    }
    Err(Error::data("training data", "expected at least one batch in an epoch, found none"))
}

fn wait(device: &Device) -> Result<()> {
    device.sync().map_err(|e| Error::Training(format!("the device failed: {e}")))
}

/// The memory that this process holds; from here on its peak is counted anew. Linux alone tells.
fn resident_mib() -> Option<f64> {
    std::fs::write("/proc/self/clear_refs", "5").ok()?; // proc_pid_clear_refs(5)
    status_mib("VmRSS:")
}

pub(super) fn peak_mib() -> Option<f64> {
    status_mib("VmHWM:")
}

/// The processor time of this process, in user and system mode. Linux alone tells.
fn cpu_ms() -> Option<f64> {
    const TICK_MS: f64 = 10.0; // USER_HZ is 100 on every architecture that Linux runs Rust on (proc_pid_stat(5))
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    let ticks: Vec<f64> =
        after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    (ticks.len() == 2).then(|| TICK_MS * ticks.iter().sum::<f64>())
}

fn status_mib(key: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    Some(line.trim().trim_end_matches(" kB").parse::<f64>().ok()? / MIB)
}
