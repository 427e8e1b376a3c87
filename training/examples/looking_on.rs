//! A program of one's own trains by a recipe of a recogniser and looks on: it prints the rate of each step, and after each
//! validation the figures and how far the weights have come from zero. The calls are the hooks of SpeechBrain's `Brain`.
//!
//!     cargo run -p rejoinder-training --example looking_on -- configs/recipes/asr/branchformer_ctc.toml train.debug=true

#![allow(clippy::print_stdout, reason = "a program that prints what it sees")]

use std::path::PathBuf;

use anyhow::{Context, Result};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use rejoinder_training::recipe;
use rejoinder_training::tasks::asr::{AsrRecipe, AsrTask};
use rejoinder_training::trainer::{At, BatchEnd, Observer, RunMode, Stage, Task};

/// Prints what it is told.
struct Printer;

impl Observer<AsrTask> for Printer {
    fn on_fit_batch_end(&mut self, batch: &BatchEnd<'_>, at: &At) -> rejoinder_training::Result<()> {
        println!("step {}: rate {:.1e}, {:?}", at.step, at.rate, batch.parts);
        Ok(())
    }

    fn on_stage_end(
        &mut self,
        stage: Stage,
        figures: &[(&str, f64)],
        net: &<AsrTask as Task>::Net,
        at: &At,
    ) -> rejoinder_training::Result<()> {
        let mut energy = Energy(0.0);
        net.visit(&mut energy);
        println!("{} after epoch {}: {figures:?}, norm {:.2}", stage.name(), at.epoch, energy.0.sqrt());
        Ok(())
    }
}

/// The sum of the squares of all weights.
struct Energy(f64);

impl ModuleVisitor for Energy {
    fn visit_float<const D: usize>(&mut self, weight: &Param<Tensor<D>>) {
        self.0 += f64::from(weight.val().square().sum().into_scalar::<f32>());
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = PathBuf::from(arguments.next().context("expected a recipe of task = \"asr\"")?);
    let recipe: AsrRecipe = recipe::read(AsrRecipe::TASK, &path, &arguments.collect::<Vec<_>>())?;
    let run = recipe::begin_run(AsrRecipe::TASK, &recipe, &recipe.run, RunMode::Fresh)?;
    run.fit(&recipe.task()?, &recipe.train, vec![Box::new(Printer)])?;
    Ok(())
}
