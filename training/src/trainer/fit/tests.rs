use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Tensor, TensorData};

use super::*;
use crate::device::Backend;
use crate::trainer::run::EVENTS;
use crate::trainer::{Batches, Figure, Loss};

/// A net of one weight, whose gradient is the batch.
struct OneWeight(Vec<f32>);

impl Task for OneWeight {
    type Net = Linear;
    type Batch = f32;

    fn net(&self, device: &Device) -> Linear {
        LinearConfig::new(1, 1).with_bias(false).init(device)
    }

    fn train_batches(&self, _epoch: usize, _seed: u64, done: usize) -> Result<Batches<f32>> {
        Ok(Box::new(self.0.clone().into_iter().skip(done).map(Ok)))
    }

    fn valid_batches(&self) -> Result<Batches<f32>> {
        Ok(Box::new(std::iter::empty()))
    }

    fn loss(&self, net: &Linear, batch: f32, _step: usize, device: &Device) -> Result<Loss> {
        let input = Tensor::<2>::from_data(TensorData::new(vec![batch], [1, 1]), device);
        let total = net.forward(input).sum();
        let value = f64::from(total.clone().into_scalar::<f32>());
        Ok(Loss { total, parts: vec![("loss", value)] })
    }

    fn evaluate(&self, _net: &Linear, _batch: f32, _device: &Device) -> Result<Vec<Figure>> {
        Ok(Vec::new())
    }
}

fn options(epochs: usize) -> TrainOptions {
    TrainOptions {
        backend: Backend::Flex,
        epochs,
        grad_accumulation_factor: 2,
        max_grad_norm: 0.0,
        valid_every: 100,
        ..TrainOptions::default()
    }
}

/// The records of training in a run's log.
fn log(run: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(run.join("log.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_step_follows_the_mean_of_what_was_gathered() {
    // The last step of an epoch has what is left; a batch that is not finite does not count.
    for (batches, steps, norms) in [
        (vec![1.0, 2.0, 4.0], 2, 1.5 + 4.0),
        (vec![1.0, f32::NAN, 4.0], 2, 1.0 + 4.0),
        (vec![f32::NAN, 3.0, f32::INFINITY], 1, 3.0),
    ] {
        let run = tempfile::tempdir().unwrap();
        fit(&OneWeight(batches.clone()), &options(1), run.path(), RunMode::New).unwrap();
        let log = log(run.path());
        assert_eq!(log[0]["step"], steps, "{batches:?}");
        let mean = log[0]["grad_norm"].as_f64().unwrap();
        assert!((mean - norms / f64::from(steps)).abs() < 1e-6, "{batches:?}: {mean}");
    }
}

#[test]
fn a_run_that_has_begun_is_not_overwritten_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    let task = OneWeight(vec![1.0, 2.0, 3.0, 4.0]);
    let fit = |epochs, mode| fit(&task, &options(epochs), run, mode).map(drop);
    let message = |mode| fit(2, mode).unwrap_err().to_string();
    fit(1, RunMode::New).unwrap();
    let weights = || std::fs::read(run.join(WEIGHTS)).unwrap();
    let before = weights();
    let refused = message(RunMode::New);
    assert!(refused.contains("--resume") && refused.contains("--fresh"), "{refused}");
    assert!(weights() == before && log(run).len() == 1);

    fit(2, RunMode::Resume).unwrap();
    let steps = |log: Vec<serde_json::Value>| log.iter().map(|record| record["step"].as_u64()).collect::<Vec<_>>();
    assert_eq!(steps(log(run)), [Some(2), Some(4)]);
    std::fs::remove_dir_all(run.join("checkpoint")).unwrap();
    for mode in [RunMode::New, RunMode::Resume] {
        let refused = message(mode);
        assert!(refused.contains("no checkpoint") && refused.contains("--fresh"), "{refused}");
    }

    let events = || {
        let names = std::fs::read_dir(run).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with(EVENTS)).count()
    };
    assert_eq!(events(), 2);
    std::fs::write(run.join("tokens.txt"), "").unwrap();
    fit(1, RunMode::Fresh).unwrap();
    assert_eq!((steps(log(run)), events()), (vec![Some(2)], 1));
    assert!(run.join("tokens.txt").exists());
}
