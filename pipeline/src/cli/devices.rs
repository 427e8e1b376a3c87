use std::io::Write;

use clap::Args;
use rejoinder::io::device;

use super::{Ended, quietly};

/// `rejoinder devices`
#[derive(Args)]
pub(crate) struct Devices {}

impl Devices {
    pub(crate) fn run(self) -> anyhow::Result<Ended> {
        let mut out = std::io::stdout().lock();
        let devices = quietly(device::devices)?;
        if devices.is_empty() {
            writeln!(out, "no microphone and no loudspeaker found")?;
        }
        for device in devices {
            writeln!(out, "{}", device.id)?;
            if device.name != device.id {
                writeln!(out, "    {}", device.name)?;
            }
            let mark = |default: bool| if default { " (default)" } else { "" };
            if let Some(input) = device.input {
                writeln!(out, "    microphone: {input}{}", mark(device.is_default_input))?;
            }
            if let Some(output) = device.output {
                writeln!(out, "    loudspeaker: {output}{}", mark(device.is_default_output))?;
            }
        }
        Ok(Ended::Done)
    }
}
