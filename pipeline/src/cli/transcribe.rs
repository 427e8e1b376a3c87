use std::io::{StdoutLock, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use rejoinder_models::asr::{Recognizer, Transcript};
use rejoinder_models::audio;
use rejoinder_models::card::LatencyChoice;
use rejoinder_models::units::{SampleRate, Samples};
use rejoinder_models::zoo;
use serde_json::json;

use super::{ConfigOption, Ended, each_file};

/// Sound reaches the recogniser in pieces of this length, as it would from a microphone.
const PIECE_MS: f64 = 100.0;

/// `rejoinder transcribe`
#[derive(Args)]
pub(crate) struct Transcribe {
    /// Sound files: WAV, FLAC, MP3, Ogg Vorbis or Opus
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    config: ConfigOption,
    /// The recogniser, a bundle's folder or what else an assistant's `[asr]` takes [default: the configuration's]
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Hear in chunks of this length, one of those that `rejoinder models` shows [default: the configuration's]
    #[arg(long, value_name = "MS")]
    chunk_ms: Option<f64>,
    /// See as far as this before a chunk, likewise
    #[arg(long, value_name = "MS")]
    left_ms: Option<f64>,
    /// Print each partial transcript as well, on lines of their own that begin with "~"
    #[arg(long)]
    partials: bool,
    /// Print JSON objects, with word times in seconds
    #[arg(long)]
    json: bool,
}

impl Transcribe {
    pub(crate) fn run(self) -> anyhow::Result<Ended> {
        let config = self.config.load()?;
        let latency = match (self.chunk_ms, self.left_ms) {
            (None, None) => config.latency,
            (chunk_ms, left_ms) => LatencyChoice { chunk_ms, left_ms },
        };
        let model = self.model.as_ref().unwrap_or(&config.recognizer);
        let recognizer = zoo::open_recognizer_with(model, &config.runtime, &latency, &config.decoding)?;
        let mut out = std::io::stdout().lock();
        each_file(&self.files, |path| self.transcribe(&*recognizer, path, &mut out))
    }

    fn transcribe(&self, recognizer: &dyn Recognizer, path: &Path, out: &mut StdoutLock<'_>) -> anyhow::Result<()> {
        let mut stream = recognizer.stream()?;
        let rate = stream.sample_rate();
        let clip = audio::read_at(path, rate)?;
        let piece = Samples::from_ms(PIECE_MS, rate).0 as usize;
        for samples in clip.samples.chunks(piece) {
            let changed = stream.push(samples).with_context(|| path.display().to_string())?;
            if changed && self.partials {
                self.print(path, &stream.partial(), None, out)?;
            }
        }
        let transcript = stream.flush().with_context(|| path.display().to_string())?;
        self.print(path, &transcript, Some(clip.seconds()), out)
    }

    fn print(
        &self,
        path: &Path,
        transcript: &Transcript,
        seconds: Option<f64>,
        out: &mut StdoutLock<'_>,
    ) -> anyhow::Result<()> {
        let path = path.display().to_string();
        let text = &transcript.text;
        match (self.json, seconds) {
            (false, None) => writeln!(out, "~ {path}\t{text}")?,
            (false, Some(_)) => writeln!(out, "{path}\t{text}")?,
            (true, None) => writeln!(out, "{}", json!({"path": path, "partial": true, "text": text}))?,
            (true, Some(seconds)) => {
                let s = |at: Samples| at.ms(SampleRate::INTERNAL) / 1e3;
                let words = transcript.words.iter().map(|word| {
                    let (start, end) = (s(word.start), s(word.end));
                    json!({"text": word.text, "start_s": start, "end_s": end, "confidence": word.confidence})
                });
                let words: Vec<_> = words.collect();
                writeln!(out, "{}", json!({"path": path, "text": text, "seconds": seconds, "words": words}))?;
            }
        }
        Ok(out.flush()?)
    }
}
