use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::bail;
use clap::Args;
use rejoinder_models::audio::WavWriter;
use rejoinder_models::streaming::Streaming;
use rejoinder_models::text::ClauseStream;
use rejoinder_models::units::Samples;
use rejoinder_models::zoo;

use super::{ConfigOption, Ended, interrupt_flag};

/// `rejoinder speak`
#[derive(Args)]
pub(crate) struct Speak {
    /// What to say
    #[arg(allow_hyphen_values = true)]
    text: String,
    /// The WAV file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    config: ConfigOption,
}

impl Speak {
    pub(crate) fn run(self) -> anyhow::Result<Ended> {
        let config = self.config.load()?;
        let synthesizer = zoo::open_synthesizer(&config.synthesizer, &config.runtime)?;
        let stop = interrupt_flag()?;
        let (mut stream, mut clauses) = (ClauseStream::new(config.clauses), Vec::new());
        stream.push(&self.text, &mut clauses)?;
        stream.flush(&mut clauses)?;
        let rate = synthesizer.sample_rate();
        let (mut file, began, mut first, mut length) = (None, Instant::now(), None, Samples(0));
        'spoken: for clause in clauses {
            let mut utterance = synthesizer.speak(&clause.text)?;
            while let Some(chunk) = utterance.next_chunk()? {
                first = first.or_else(|| Some(began.elapsed()));
                let file = match &mut file {
                    Some(file) => file,
                    None => file.insert(WavWriter::create(&self.output, rate, 1)?),
                };
                file.write(&[&chunk.samples])?;
                length = length + Samples(chunk.samples.len() as u64);
                if stop.is_cancelled() {
                    break 'spoken;
                }
            }
        }
        // Letters that the voice does not know are passed over.
        let Some(file) = file.filter(|_| length.0 > 0) else {
            bail!("expected a text with something to pronounce, found {:?}", self.text);
        };
        file.finish()?;
        if stop.is_cancelled() {
            return Ok(Ended::Interrupted);
        }
        let (spoken, took) = (length.ms(rate) / 1e3, began.elapsed().as_secs_f64());
        let first = first.unwrap_or_default().as_secs_f64() * 1e3;
        let path = self.output.display();
        writeln!(
            std::io::stdout(),
            "{path}: {spoken:.2} s of speech at {rate}, first audio after {first:.0} ms, all after {took:.2} s"
        )?;
        Ok(Ended::Done)
    }
}
