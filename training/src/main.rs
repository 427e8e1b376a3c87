//! The command line of the trainer.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use rejoinder_training::score::Score;
use rejoinder_training::trainer::RunMode;
use rejoinder_training::{Error, log, recipe};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Trains and exports speech models: prepare, tokenizer, train, evaluate, export, score.
#[derive(Parser)]
#[command(name = "rejoinder-train", version)]
struct Cli {
    #[command(subcommand)]
    step: Step,
}

#[derive(clap::Args)]
struct Args {
    /// The recipe, such as configs/recipes/asr/conformer_ctc.toml.
    recipe: PathBuf,
    /// Overrides a value of the recipe; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

#[derive(Subcommand)]
enum Step {
    /// Make manifests and packed audio, or texts, from the raw data sets.
    Prepare(Args),
    /// Train the tokenizer.
    Tokenizer(Args),
    /// Train the net.
    Train {
        #[command(flatten)]
        args: Args,
        /// Go on from the checkpoint in the run folder; begin where there is none yet.
        #[arg(long)]
        resume: bool,
        /// Begin anew in a run folder that has been trained in: removes checkpoint, weights, logs and results of the run
        /// before. Without this or --resume, such a folder is refused.
        #[arg(long, conflicts_with = "resume")]
        fresh: bool,
    },
    /// Print and save the figures of the trained net on the test sets.
    Evaluate(Args),
    /// Write the bundle that the pipeline opens.
    Export(Args),
    /// Time the loader and training steps on the prepared data.
    Bench {
        #[command(flatten)]
        args: Args,
        /// Steps that count.
        #[arg(long, default_value_t = 10)]
        steps: usize,
        /// Writes the figures to this file too.
        #[arg(long)]
        json: Option<PathBuf>,
    },
    /// Compare files of results with references.
    #[command(subcommand)]
    Score(Score),
}

fn main() -> ExitCode {
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .with_target(false);
    let wanted = EnvFilter::try_from_default_env();
    let wanted = wanted.unwrap_or_else(|_| EnvFilter::new("warn,rejoinder_training=info"));
    tracing_subscriber::registry().with(wanted).with(lines).with(log::layer()).init();
    match run(Cli::parse().step) {
        Ok(()) => {
            log::close(None);
            ExitCode::SUCCESS
        }
        Err(error) => {
            let text = rejoinder_models::one_line(error.as_ref());
            log::close(Some(&text));
            let _ = writeln!(std::io::stderr(), "error: {text}");
            let interrupted = matches!(error.downcast_ref(), Some(Error::Interrupted));
            ExitCode::from(if interrupted { 130 } else { 1 })
        }
    }
}

fn run(step: Step) -> anyhow::Result<()> {
    let open = |args: &Args| recipe::open(&args.recipe, &args.overrides);
    match step {
        Step::Prepare(args) => open(&args)?.prepare()?,
        Step::Tokenizer(args) => open(&args)?.tokenizer()?,
        Step::Train { args, resume, fresh } => open(&args)?.train(match (resume, fresh) {
            (true, _) => RunMode::Resume,
            (false, true) => RunMode::Fresh,
            (false, false) => RunMode::New,
        })?,
        Step::Evaluate(args) => open(&args)?.evaluate()?,
        Step::Export(args) => open(&args)?.export()?,
        Step::Bench { args, steps, json } => {
            let timing = open(&args)?.time(steps)?;
            if let Some(path) = json {
                std::fs::write(&path, serde_json::to_string_pretty(&timing)?)
                    .with_context(|| path.display().to_string())?;
            }
        }
        Step::Score(score) => write!(std::io::stdout(), "{}", score.run()?)?,
    }
    Ok(())
}
