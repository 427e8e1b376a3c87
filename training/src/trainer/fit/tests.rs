use std::sync::{Arc, Mutex};

use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Tensor, TensorData};

use super::*;
use crate::device::Backend;
use crate::trainer::run::EVENTS;
use crate::trainer::{Batches, Direction, EarlyStopping, Figure, Loss, Observer, Schedule, Trained};

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
        // A loss tells nothing but itself where a batch is not finite.
        Ok(Loss { total, parts: Vec::new() })
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
fn an_epoch_without_batches_is_an_error() {
    let run = tempfile::tempdir().unwrap();
    let options = TrainOptions { steps: 5, ..options(0) };
    let message = fit(&OneWeight(Vec::new()), &options, run.path(), RunMode::New).map(drop).unwrap_err().to_string();
    assert!(message.contains("an epoch has no batch"), "{message}");
    assert!(!run.path().join(WEIGHTS).exists());
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

/// A net of one weight, which falls from 1 by a tenth in every epoch, and is best at 0.68.
struct Falling {
    metric: Metric,
}

impl Task for Falling {
    type Net = Linear;
    type Batch = f32;

    fn net(&self, device: &Device) -> Linear {
        let one = Initializer::Constant { value: 1.0 };
        LinearConfig::new(1, 1).with_bias(false).with_initializer(one).init(device)
    }

    fn metric(&self) -> Metric {
        self.metric.clone()
    }

    fn train_batches(&self, _epoch: usize, _seed: u64, done: usize) -> Result<Batches<f32>> {
        Ok(Box::new([1.0].into_iter().skip(done).map(Ok)))
    }

    fn valid_batches(&self) -> Result<Batches<f32>> {
        Ok(Box::new(std::iter::once(Ok(1.0))))
    }

    fn loss(&self, net: &Linear, batch: f32, _step: usize, device: &Device) -> Result<Loss> {
        let input = Tensor::<2>::from_data(TensorData::new(vec![batch], [1, 1]), device);
        Ok(Loss { total: net.forward(input).sum(), parts: Vec::new() })
    }

    fn evaluate(&self, net: &Linear, _batch: f32, _device: &Device) -> Result<Vec<Figure>> {
        let off = (weight(net) - 0.68).abs();
        let figure = |name, value| Figure { name, value, weight: 1.0 };
        Ok(vec![figure("off", off), figure("near", 1.0 - off), figure("size", weight(net))])
    }
}

fn weight(net: &Linear) -> f64 {
    f64::from(net.weight.val().into_scalar::<f32>())
}

fn falling(epochs: usize) -> TrainOptions {
    TrainOptions {
        backend: Backend::Flex,
        epochs,
        learning_rate: 0.1,
        schedule: Schedule::Constant,
        warmup_steps: 0,
        weight_decay: Some(0.0),
        average_decay: 0.0,
        ..TrainOptions::default()
    }
}

fn kept_files(run: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(run.join("best")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn the_best_of_the_validated_nets_is_exported() {
    let (lowest, highest) = (Metric::lowest("off"), Metric::highest("near"));
    let stop = |direction, patience| Some(EarlyStopping { metric: "size".into(), direction, patience, not_before: 0 });
    for (metric, options, expected, files) in [
        (&lowest, falling(6), 0.7, vec!["step_3.safetensors"]),
        (&highest, falling(6), 0.7, vec!["step_3.safetensors"]),
        (&highest, TrainOptions { keep_best: 2, ..falling(6) }, 0.7, vec!["step_3.safetensors", "step_4.safetensors"]),
        (
            &lowest,
            TrainOptions { keep_best: 2, average_best: true, ..falling(6) },
            0.65,
            vec!["step_3.safetensors", "step_4.safetensors"],
        ),
        // What ends training is what is kept by.
        (
            &lowest,
            TrainOptions { early_stopping: stop(Some(Direction::Min), 9), ..falling(6) },
            0.4,
            vec!["step_6.safetensors"],
        ),
        // It falls from the first on, so that more of it never comes.
        (
            &lowest,
            TrainOptions { early_stopping: stop(Some(Direction::Max), 2), ..falling(6) },
            0.9,
            vec!["step_1.safetensors"],
        ),
        // The last weights are among those to choose of, though no validation falls on them.
        (&lowest, TrainOptions { valid_every: 2, ..falling(3) }, 0.7, vec!["step_3.safetensors"]),
    ] {
        let run = tempfile::tempdir().unwrap();
        let net = fit(&Falling { metric: metric.clone() }, &options, run.path(), RunMode::New).unwrap();
        assert!((weight(&net) - expected).abs() < 1e-4, "{}: expected {expected}", weight(&net));
        let saved = load_weights(Falling { metric: metric.clone() }.net(&Device::flex()), &run.path().join(WEIGHTS));
        assert_eq!(weight(&saved.unwrap()), weight(&net));
        assert_eq!(kept_files(run.path()), files);
        let log = std::fs::read_to_string(run.path().join("log.txt")).unwrap();
        assert!(log.lines().last().unwrap().starts_with("net.safetensors: the "), "{log}");
    }
    let run = tempfile::tempdir().unwrap();
    let options = TrainOptions { keep_best: 0, ..falling(6) };
    let net = fit(&Falling { metric: lowest }, &options, run.path(), RunMode::New).unwrap();
    assert!((weight(&net) - 0.4).abs() < 1e-4 && !run.path().join("best").exists());
}

#[test]
fn a_share_of_what_a_net_began_with_is_exported() {
    let folder = tempfile::tempdir().unwrap();
    let task = Falling { metric: Metric::lowest("size") };
    fit(&task, &falling(1), &folder.path().join("start"), RunMode::New).unwrap();
    let start = Some(folder.path().join("start").join(WEIGHTS));
    let run = folder.path().join("run");
    for (mode, start_share, expected) in
        [(RunMode::New, 0.0, 0.7), (RunMode::Resume, 0.5, 0.8), (RunMode::Resume, 0.25, 0.75)]
    {
        let options = TrainOptions { start: start.clone(), start_share, ..falling(2) };
        let net = fit(&task, &options, &run, mode).unwrap();
        assert!((weight(&net) - expected).abs() < 1e-4, "{start_share}: {}", weight(&net));
    }
}

#[test]
fn a_resumed_run_knows_what_was_best() {
    let folder = tempfile::tempdir().unwrap();
    let fit = |run: &str, epochs, mode| {
        let options = TrainOptions { keep_best: 2, average_best: true, ..falling(epochs) };
        fit(&Falling { metric: Metric::lowest("off") }, &options, &folder.path().join(run), mode).unwrap()
    };
    let whole = fit("whole", 6, RunMode::New);
    fit("torn", 3, RunMode::New);
    let torn = fit("torn", 6, RunMode::Resume);
    assert_eq!(weight(&whole).to_bits(), weight(&torn).to_bits());
    assert_eq!(kept_files(&folder.path().join("torn")), kept_files(&folder.path().join("whole")));
    let environment = std::fs::read_to_string(folder.path().join("torn/environment.toml")).unwrap();
    assert_eq!(environment.matches("[[start]]").count(), 2);
    fit("torn", 1, RunMode::Fresh);
    assert_eq!(kept_files(&folder.path().join("torn")), ["step_1.safetensors"]);
}

#[test]
fn a_run_without_an_end_is_refused() {
    let run = tempfile::tempdir().unwrap();
    let endless = fit(&OneWeight(vec![1.0]), &options(0), run.path(), RunMode::New).unwrap_err().to_string();
    assert!(endless.contains("would never end"), "{endless}");
}

#[test]
fn a_gradient_that_is_not_finite_may_end_training() {
    let run = tempfile::tempdir().unwrap();
    // The loss is finite, and the square of its gradient is not.
    let (task, options) = (OneWeight(vec![3e30]), TrainOptions { skip_nonfinite_grads: false, ..options(1) });
    let message = fit(&task, &options, run.path(), RunMode::New).unwrap_err().to_string();
    assert!(message.contains("gradient is not finite"), "{message}");
}

/// Writes down the rates of the steps.
struct Rates(Arc<Mutex<Vec<f64>>>);

impl Observer<OneWeight> for Rates {
    fn on_fit_batch_start(&mut self, _batch: &f32, at: &At) -> Result<()> {
        self.0.lock().unwrap().push(at.rate);
        Ok(())
    }
}

#[test]
fn a_schedule_ends_with_the_epochs_that_bound_a_run() {
    let (run, rates) = (tempfile::tempdir().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let schedule = Schedule::Cosine;
    let options = TrainOptions { grad_accumulation_factor: 1, schedule, warmup_steps: 0, ..options(3) };
    let observer = Box::new(Rates(rates.clone()));
    fit_observed(&OneWeight(vec![1.0; 4]), &options, run.path(), RunMode::New, vec![observer]).unwrap();
    let rate = |step: usize| options.learning_rate * schedule.factor(step, 0, 0, step as f64 / 12.0);
    let found = rates.lock().unwrap();
    assert_eq!(found.len(), 12);
    for (step, found) in found.iter().enumerate() {
        assert!((found - rate(step)).abs() < 1e-12, "step {step}: {found}, not {}", rate(step));
    }
}

/// Writes down what it is told.
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn add(&self, what: &str) -> Result<()> {
        self.0.lock().unwrap().push(what.to_owned());
        Ok(())
    }
}

impl Observer<Falling> for Told {
    fn on_fit_start(&mut self, _net: &Linear, at: &At) -> Result<()> {
        self.add(&format!("on_fit_start {}", at.step))
    }

    fn on_stage_start(&mut self, stage: Stage, at: &At) -> Result<()> {
        self.add(&format!("on_stage_start {} {}", stage.name(), at.epoch))
    }

    fn on_fit_batch_start(&mut self, batch: &f32, _at: &At) -> Result<()> {
        self.add(&format!("on_fit_batch_start {batch}"))
    }

    fn on_fit_batch_end(&mut self, batch: &BatchEnd<'_>, at: &At) -> Result<()> {
        self.add(&format!("on_fit_batch_end {} {}", batch.should_step, at.step))
    }

    fn on_stage_end(&mut self, stage: Stage, figures: &[(&str, f64)], _net: &Linear, at: &At) -> Result<()> {
        self.add(&format!("on_stage_end {} {} of {} figures", stage.name(), at.epoch, figures.len()))
    }

    fn on_fit_end(&mut self, chosen: &[Kept], _net: &Linear, at: &At) -> Result<()> {
        self.add(&format!("on_fit_end {} of step {}", at.epoch, chosen[0].step))
    }

    fn on_evaluate_start(&mut self, _net: &Linear) -> Result<()> {
        self.add("on_evaluate_start")
    }
}

#[test]
fn observers_are_told_in_the_order_of_speechbrains_brain() {
    let run = tempfile::tempdir().unwrap();
    let (task, told) = (Falling { metric: Metric::lowest("off") }, Arc::new(Mutex::new(Vec::new())));
    let observer = || Box::new(Told(told.clone()));
    let net = fit_observed(&task, &falling(2), run.path(), RunMode::New, vec![observer()]).unwrap();
    crate::trainer::evaluate_observed(&task, &net, &Device::flex(), vec![observer()]).unwrap();
    let epoch = |epoch: usize| {
        [
            format!("on_stage_start train {epoch}"),
            "on_fit_batch_start 1".to_owned(),
            format!("on_fit_batch_end true {epoch}"),
            format!("on_stage_end train {epoch} of 1 figures"),
            format!("on_stage_start valid {epoch}"),
            format!("on_stage_end valid {epoch} of 3 figures"),
        ]
    };
    let ends =
        ["on_fit_end 2 of step 2", "on_evaluate_start", "on_stage_start test 0", "on_stage_end test 0 of 3 figures"];
    let expected: Vec<String> = std::iter::once("on_fit_start 0".to_owned())
        .chain(epoch(1))
        .chain(epoch(2))
        .chain(ends.map(str::to_owned))
        .collect();
    assert_eq!(*told.lock().unwrap(), expected);

    // An error of an observer ends training.
    struct Refuses;
    impl Observer<Falling> for Refuses {
        fn on_stage_start(&mut self, stage: Stage, _at: &At) -> Result<()> {
            Err(Error::Training(format!("no {}", stage.name())))
        }
    }
    let run = tempfile::tempdir().unwrap();
    let refused = fit_observed(&task, &falling(1), run.path(), RunMode::New, vec![Box::new(&mut Refuses)]);
    assert_eq!(refused.unwrap_err().to_string(), "no train");
}

#[test]
fn two_programs_do_not_train_in_one_folder() {
    let run = tempfile::tempdir().unwrap();
    let held = super::lock(run.path()).unwrap();
    let message = super::lock(run.path()).unwrap_err().to_string();
    assert!(message.contains("another program is training in this folder"), "{message}");
    drop(held);
    super::lock(run.path()).unwrap();
}

/// Interrupts a run after a step.
struct InterruptsAfter(usize);

impl<T: Task> Observer<T> for InterruptsAfter {
    fn on_fit_batch_end(&mut self, _batch: &BatchEnd<'_>, at: &At) -> Result<()> {
        if at.step == self.0 { Err(Error::Interrupted) } else { Ok(()) }
    }
}

#[test]
fn a_run_that_has_not_ended_gives_the_weights_that_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    let task = Falling { metric: Metric::lowest("off") };
    let interrupted = |options: &TrainOptions, mode, step| {
        let fitted = fit_observed(&task, options, run, mode, vec![Box::new(InterruptsAfter(step))]);
        assert!(matches!(fitted, Err(Error::Interrupted)));
    };
    let given = |options: &TrainOptions| {
        let trained = Trained::find(run, options).unwrap().unwrap();
        weight(&trained.load(|| Ok(task.net(&Device::flex()))).unwrap())
    };
    assert!(Trained::find(run, &falling(6)).unwrap().is_none());
    // No validation yet: the checkpoint's own, or their average.
    let unseen = TrainOptions { valid_every: 100, ..falling(6) };
    interrupted(&unseen, RunMode::New, 2);
    assert!((given(&unseen) - 0.8).abs() < 1e-4, "{}", given(&unseen));
    let message = Trained::find(run, &TrainOptions { start_share: 0.5, ..unseen }).map(drop).unwrap_err().to_string();
    assert!(message.contains("has not ended: `train --resume`"), "{message}");
    // The best so far.
    interrupted(&falling(6), RunMode::Fresh, 5);
    assert!((given(&falling(6)) - 0.7).abs() < 1e-4, "{}", given(&falling(6)));
    // A run that has ended and goes on has better ones than those of its end.
    fit(&task, &falling(1), run, RunMode::Fresh).unwrap();
    assert!((given(&falling(1)) - 0.9).abs() < 1e-4);
    interrupted(&falling(6), RunMode::Resume, 5);
    assert!((given(&falling(6)) - 0.7).abs() < 1e-4, "{}", given(&falling(6)));
    fit(&task, &TrainOptions { keep_latest: true, ..falling(6) }, run, RunMode::Resume).unwrap();
    assert!((given(&falling(6)) - 0.4).abs() < 1e-4, "{}", given(&falling(6)));
}

#[test]
fn a_resumed_epoch_is_logged_once_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let task = OneWeight(vec![1.0, 2.0, 4.0, 5.0, 3.0, 2.0]);
    let run = |name: &str| folder.path().join(name);
    fit(&task, &options(2), &run("whole"), RunMode::New).unwrap();
    // After the second step of the second epoch.
    let observer = || -> Observers<'_, OneWeight> { vec![Box::new(InterruptsAfter(5))] };
    assert!(fit_observed(&task, &options(2), &run("torn"), RunMode::New, observer()).is_err());
    // What a run says after its last checkpoint is said again.
    let path = run("torn").join("log.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        format!("{text}{}", text.replace("\"epoch\":1", "\"epoch\":2").replace("\"step\":3", "\"step\":6")),
    )
    .unwrap();
    fit(&task, &options(2), &run("torn"), RunMode::Resume).unwrap();
    let figures = |name: &str| {
        let told =
            |record: serde_json::Value| (record["epoch"].clone(), record["step"].clone(), record["grad_norm"].clone());
        log(&run(name)).into_iter().map(told).collect::<Vec<_>>()
    };
    assert_eq!(figures("torn"), figures("whole"));
    assert_eq!(figures("torn").len(), 2);
}
