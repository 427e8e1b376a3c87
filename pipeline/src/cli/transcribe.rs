use std::io::{StdoutLock, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use rejoinder_models::asr::{Recognizer, Transcript};
use rejoinder_models::audio::{self, Clip};
use rejoinder_models::card::LatencyChoice;
use rejoinder_models::units::{SampleRate, Samples};
use rejoinder_models::vad::{self, SegmenterConfig, Vad};
use rejoinder_models::{runtime, zoo};
use serde_json::json;

use super::{ConfigOption, Ended, each_file};

/// Sound reaches the recogniser in pieces of this length, as it would from a microphone.
const PIECE_MS: f64 = 100.0;

/// A silence that parts what is said: the recogniser begins anew in its middle, as it does in a conversation.
const SILENCE_MS: f32 = 700.0;

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
        let vad = config.vad.open(runtime::open(&config.runtime)?.as_ref())?;
        let mut out = std::io::stdout().lock();
        each_file(&self.files, |path| self.transcribe(&*recognizer, &*vad, path, &mut out))
    }

    fn transcribe(
        &self,
        recognizer: &dyn Recognizer,
        vad: &dyn Vad,
        path: &Path,
        out: &mut StdoutLock<'_>,
    ) -> anyhow::Result<()> {
        let named = || path.display().to_string();
        let mut stream = recognizer.stream()?;
        let rate = stream.sample_rate();
        let clip = audio::read_at(path, rate)?;
        let piece = Samples::from_ms(PIECE_MS, rate).0 as usize;
        let mut whole = Transcript::default();
        for utterance in utterances(vad, path, &clip).with_context(named)? {
            let begin = Samples(utterance.start as u64).convert(rate, SampleRate::INTERNAL);
            for samples in clip.samples[utterance].chunks(piece) {
                let changed = stream.push(samples).with_context(named)?;
                if changed && self.partials {
                    self.print(path, &after(whole.clone(), stream.partial(), begin), None, out)?;
                }
            }
            whole = after(whole, stream.flush().with_context(named)?, begin);
        }
        self.print(path, &whole, Some(clip.seconds()), out)
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

/// A recording in pieces that end in long silences.
fn utterances(vad: &dyn Vad, path: &Path, clip: &Clip) -> anyhow::Result<Vec<Range<usize>>> {
    let all = clip.samples.len();
    let read;
    let samples = if clip.rate == SampleRate::INTERNAL {
        &clip.samples
    } else {
        read = audio::read_at(path, SampleRate::INTERNAL)?.samples;
        &read
    };
    let config = SegmenterConfig { min_silence_ms: SILENCE_MS, ..SegmenterConfig::default() };
    let speech = vad::stretches(vad, config, samples)?;
    let middle = |pair: &[Range<usize>]| pair[0].end.midpoint(pair[1].start);
    let at = |middle: usize| Samples(middle as u64).convert(SampleRate::INTERNAL, clip.rate).0 as usize;
    let cuts = speech.windows(2).map(|pair| at(middle(pair)).min(all));
    let ends: Vec<usize> = cuts.chain([all]).collect();
    let begins = std::iter::once(0).chain(ends.iter().copied());
    Ok(begins.zip(ends.iter().copied()).map(|(begin, end)| begin..end).collect())
}

/// What was heard before, and after it what was heard of sound that begins at `begin`.
fn after(mut before: Transcript, mut next: Transcript, begin: Samples) -> Transcript {
    if !before.text.is_empty() && !next.text.is_empty() {
        before.text.push(' ');
    }
    before.text.push_str(&next.text);
    for word in &mut next.words {
        (word.start, word.end) = (word.start + begin, word.end + begin);
    }
    before.words.append(&mut next.words);
    before
}
