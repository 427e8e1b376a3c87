use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use rejoinder::io::device::{DeviceSink, DeviceSource};
use rejoinder::{Control, Controls, SessionBuilder};

use super::print::Printer;
use super::{ConfigOption, Ended, check_outputs, interrupt_flag, quietly};

/// `rejoinder talk`
#[derive(Args)]
pub(crate) struct Talk {
    #[command(flatten)]
    config: ConfigOption,
    /// The microphone, by id or name [default: the configuration's, else the system's]
    #[arg(long, value_name = "DEVICE")]
    input: Option<String>,
    /// The loudspeaker, by id or name [default: the configuration's, else the system's]
    #[arg(long, value_name = "DEVICE")]
    output: Option<String>,
    /// Write all events here, one JSON object a line
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
}

impl Talk {
    pub(crate) fn run(self) -> anyhow::Result<Ended> {
        check_outputs(self.config.named(), &[(self.events.as_deref(), "the events")])?;
        let config = self.config.load()?;
        let audio = &config.audio;
        let (input, output) = (self.input.or(audio.input.clone()), self.output.or(audio.output.clone()));
        let source = quietly(|| DeviceSource::open(input.as_deref(), audio.block_ms))?;
        let sink = quietly(|| DeviceSink::open(output.as_deref(), audio.block_ms))?;
        let mut out = std::io::stdout();
        writeln!(out, "microphone: {}, loudspeaker: {}; Ctrl-C ends", source.name(), sink.name())?;
        out.flush()?;
        let assistant = rejoinder::Assistant::open(&config)?;
        let stop = interrupt_flag()?;
        let mut printer = Printer::new(self.events.as_deref(), stop.clone())?;
        let trouble = printer.trouble();
        let builder = SessionBuilder::new(&assistant).stop_flag(stop);
        let builder = builder.on_event(move |event| printer.event(event));
        let session = builder.source(source).sink(sink).start()?;
        if assistant.turn_taking.policy.push_to_talk {
            writeln!(out, "Enter begins and ends a turn")?;
            let controls = session.controls();
            std::thread::Builder::new().name("button".to_owned()).spawn(move || button(&controls))?;
        }
        writeln!(out, "listening")?;
        out.flush()?;
        session.wait()?;
        trouble.check()?;
        Ok(Ended::Interrupted)
    }
}

/// Each line of the standard input presses the talk button or lets it go.
fn button(controls: &Controls) {
    let presses = [Control::Press, Control::Release].into_iter().cycle();
    for (_, control) in std::io::stdin().lines().map_while(Result::ok).zip(presses) {
        controls.send(control);
    }
}
