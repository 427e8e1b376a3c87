use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use rejoinder::io::file;
use rejoinder::{Cost, EventKind, SessionBuilder};
use rejoinder_models::audio::{self, WavWriter};

use super::print::Printer;
use super::{ConfigOption, Ended, check_outputs, interrupt_flag, refuse_buttons};

/// `rejoinder converse`
#[derive(Args)]
pub(crate) struct Converse {
    /// The caller: a sound file
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// What was heard, as stereo WAV: the caller on the left, the assistant on the right
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    config: ConfigOption,
    /// Play the recording as a microphone would
    #[arg(long, conflicts_with = "fast")]
    realtime: bool,
    /// Run the same stages in virtual time (the default)
    #[arg(long)]
    fast: bool,
    /// Write all events here, one JSON object a line
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
}

impl Converse {
    pub(crate) fn run(self) -> anyhow::Result<Ended> {
        let outputs = [(Some(self.output.as_path()), "the conversation"), (self.events.as_deref(), "the events")];
        let caller = std::iter::once((self.input.as_path(), "the caller's recording"));
        check_outputs(caller.chain(self.config.named()), &outputs)?;
        let caller = audio::read(&self.input)?;
        refuse_buttons(&self.config.load()?)?;
        let (_, assistant) = self.config.open()?;
        let stop = interrupt_flag()?;
        let mut printer = Printer::new(self.events.as_deref(), stop.clone())?;
        let trouble = printer.trouble();
        let builder = SessionBuilder::new(&assistant).stop_flag(stop.clone());
        let (spoke, failed) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let (speaks, fails) = (spoke.clone(), failed.clone());
        let builder = builder.on_event(move |event| {
            speaks.fetch_or(matches!(event.kind, EventKind::SpeechStarted { .. }), Ordering::Relaxed);
            let failure = matches!(event.kind, EventKind::Failed { .. } | EventKind::Degraded { .. });
            fails.fetch_or(failure, Ordering::Relaxed);
            printer.event(event);
        });
        if self.realtime {
            let (source, sink) = file::conversation(caller, &self.output);
            builder.source(source).sink(sink).start()?.wait()?;
        } else {
            let heard = builder.simulate(&caller, Cost::Measured)?;
            let mut file = WavWriter::create(&self.output, assistant.synthesizer.sample_rate(), 2)?;
            file.write(&[&heard.caller.samples, &heard.assistant.samples])?;
            file.finish()?;
        }
        trouble.check()?;
        if !spoke.load(Ordering::Relaxed) && !stop.is_cancelled() {
            writeln!(std::io::stdout(), "nobody spoke in {}", self.input.display())?;
        }
        Ok(match (stop.is_cancelled(), failed.load(Ordering::Relaxed)) {
            (true, _) => Ended::Interrupted,
            (false, true) => Ended::Partly,
            (false, false) => Ended::Done,
        })
    }
}
