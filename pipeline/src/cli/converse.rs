use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::bail;
use clap::Args;
use rejoinder::io::file;
use rejoinder::{Cost, EventKind, SessionBuilder};
use rejoinder_models::audio::{self, WavWriter};

use super::print::Printer;
use super::{ConfigOption, Ended, interrupt_flag};

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

/// Whether two paths lead to one file, be it there or not.
fn same_file(a: &Path, b: &Path) -> bool {
    let place = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let there = path.canonicalize().ok();
        there.or_else(|| Some(folder.canonicalize().ok()?.join(path.file_name()?)))
    };
    place(a).is_some_and(|a| place(b).is_some_and(|b| a == b))
}

impl Converse {
    pub(crate) fn run(self) -> anyhow::Result<Ended> {
        if same_file(&self.input, &self.output) {
            bail!("{}: this is the caller's recording; name another file for the conversation", self.output.display());
        }
        if let Some(events) = &self.events {
            let taken = [(&self.input, "the caller's recording"), (&self.output, "where the conversation goes")];
            if let Some((_, what)) = taken.iter().find(|(path, _)| same_file(path, events)) {
                bail!("{}: this is {what}; name another file for the events", events.display());
            }
        }
        let caller = audio::read(&self.input)?;
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
            let mut file = WavWriter::create(&self.output, assistant.synthesizer.sample_rate(), 2)?;
            let heard = builder.simulate(&caller, Cost::Measured)?;
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
