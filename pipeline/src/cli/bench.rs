//! How long the parts of an assistant take, and a whole turn.

mod conversation;
mod turns;

use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use rejoinder::sim::MOMENT;
use rejoinder::{Assistant, Calendar, Config, Cost, History, SessionBuilder, Timelines, TurnId};
use rejoinder_models::asr::{Decoding, Recognizer};
use rejoinder_models::audio::{self, Clip};
use rejoinder_models::card::Bundle;
use rejoinder_models::features::{Fbank, FbankConfig};
use rejoinder_models::llm::{Cancel, Finish};
use rejoinder_models::quantiles::Quantiles;
use rejoinder_models::streaming::Streaming;
use rejoinder_models::units::{Position, SampleRate, Samples};
use rejoinder_models::vad::VadDetector;
use rejoinder_models::zoo;
use serde::Serialize;

use super::{ConfigOption, Ended, Unread, check_outputs, interrupt_flag};

/// How much sound the front end gets at once.
const FEATURES_MS: f64 = 10_000.0;
/// How much sound the voice activity detector gets at once.
const VAD_MS: f64 = 20.0;
/// How much sound the recogniser gets at once, and how much in all for each round.
const ASR_MS: f64 = 320.0;
const ASR_ROUND_MS: f64 = 5_000.0;

const SENTENCES: [&str; 4] = [
    "It is half past five in the afternoon.",
    "Okay, a timer for ten minutes is running.",
    "That is a large latte with soy milk and a double shot.",
    "You have milk, bread and coffee on your shopping list.",
];
const QUESTION: &str = "tests/fixtures/audio/what_time_is_it.wav";
const QUESTIONS: [&str; 4] =
    ["what time is it", "can i get a small latte with soy milk", "hello how are you", "set a timer for five minutes"];

/// `rejoinder bench`
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Bench {
    #[command(subcommand)]
    whole: Option<Whole>,
    #[command(flatten)]
    config: ConfigOption,
    /// The caller of the whole turns: a sound file with one question [default: one of the repository's]
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// How often each part runs
    #[arg(long, value_name = "N", default_value_t = 25)]
    rounds: usize,
    /// Write the figures here as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What is measured instead of the parts.
#[derive(Subcommand)]
enum Whole {
    /// Measure conversations with a simulated caller: delays, interruptions, mistakes, and where the time goes
    Conversation(conversation::Conversation),
    /// Measure how many turns are cut off at what delay, by the assistant's detector of turn ends and by silence alone
    Turns(turns::Turns),
}

/// The times of one part.
#[derive(Debug, Serialize)]
struct Figure {
    part: String,
    runs: usize,
    median_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    /// The work on all sound, by the length of the sound.
    real_time_factor: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Report {
    recognizer: String,
    responder: String,
    synthesizer: String,
    parts: Vec<Figure>,
    /// The most memory that the program has held at a time, where the system tells.
    peak_memory_mib: Option<f64>,
}

impl Figure {
    /// `sound_ms` is the length of the sound behind all of the `times`, and `work` the whole work on it, where that is
    /// more than the times.
    fn new(part: impl Into<String>, times: Vec<Duration>, sound_ms: Option<f64>, work: Option<Duration>) -> Self {
        let work = work.unwrap_or_else(|| times.iter().sum()).as_secs_f64() * 1e3;
        let Quantiles { p50, p95, p99, n } = times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
        Self {
            part: part.into(),
            runs: n,
            median_ms: p50,
            p95_ms: p95,
            p99_ms: p99,
            real_time_factor: sound_ms.map(|sound| work / sound),
        }
    }
}

impl Bench {
    pub(crate) fn run(self) -> anyhow::Result<Ended> {
        match self.whole {
            Some(Whole::Conversation(conversation)) => return conversation.run(),
            Some(Whole::Turns(turns)) => return turns.run(),
            None => {}
        }
        ensure!(self.rounds > 0, "expected at least one round, found 0");
        let inputs = self.input.iter().map(|path| (path.as_path(), "the caller")).chain(self.config.named());
        check_outputs(inputs, &[(self.json.as_deref(), "the figures")])?;
        let (config, assistant) = self.config.open()?;
        super::refuse_buttons(&config)?;
        let ours = || zoo::find_above(&zoo::starts(), QUESTION, Path::is_file);
        let input =
            self.input.or_else(ours).with_context(|| format!("{QUESTION} is not here: name one with --input"))?;
        let caller = audio::read_at(input, SampleRate::INTERNAL)?;
        let stop = interrupt_flag()?;
        let mut out = Unread::stdout();
        writeln!(out, "{:<54}{:>6}{:>12}{:>12}{:>12}{:>18}", "", "runs", "median", "p95", "p99", "real-time factor")?;
        let (runtime, latency) = (&config.runtime, &config.latency);
        let greedy = zoo::open_recognizer_with(&config.recognizer, runtime, latency, &Decoding::greedy())?;
        let rounds = self.rounds;
        let parts: [&dyn Fn() -> anyhow::Result<Vec<Figure>>; 7] = [
            &|| features(&config, &caller, rounds),
            &|| voice_activity(&assistant, &caller, rounds),
            &|| recognizer("recogniser, 320 ms, greedy", &*greedy, &caller, rounds),
            &|| recognizer("recogniser, 320 ms", &*assistant.recognizer, &caller, rounds),
            &|| responder(&assistant, rounds),
            &|| synthesizer(&assistant, rounds),
            &|| turns(&assistant, &caller, rounds, &stop),
        ];
        let mut figures = Vec::new();
        for part in parts {
            for figure in part()? {
                print(&figure, &mut out)?;
                figures.push(figure);
            }
            if stop.is_cancelled() {
                return Ok(Ended::Interrupted);
            }
        }
        let report = Report {
            recognizer: assistant.recognizer.name().to_owned(),
            responder: assistant.responder.name().to_owned(),
            synthesizer: assistant.synthesizer.name().to_owned(),
            parts: figures,
            peak_memory_mib: peak_memory_mib(),
        };
        if let Some(peak) = report.peak_memory_mib {
            writeln!(out, "peak memory {peak:.0} MiB")?;
        }
        if let Some(path) = &self.json {
            let text = serde_json::to_string_pretty(&report)?;
            std::fs::write(path, text).with_context(|| path.display().to_string())?;
        }
        Ok(Ended::Done)
    }
}

fn print(figure: &Figure, out: &mut impl Write) -> std::io::Result<()> {
    let Figure { part, runs, median_ms, p95_ms, p99_ms, real_time_factor, .. } = figure;
    let factor = real_time_factor.map_or("–".to_owned(), |factor| format!("{factor:.5}"));
    writeln!(out, "{part:<54}{runs:>6}{median_ms:>9.2} ms{p95_ms:>9.2} ms{p99_ms:>9.2} ms{factor:>18}")?;
    out.flush()
}

/// The caller over and over, for so long.
fn looped(caller: &Clip, ms: f64) -> Vec<f32> {
    let length = Samples::from_ms(ms, caller.rate).0 as usize;
    caller.samples.iter().copied().cycle().take(length).collect()
}

fn timed<T>(work: impl FnOnce() -> rejoinder_models::Result<T>) -> anyhow::Result<Duration> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed())
}

fn features(config: &Config, caller: &Clip, rounds: usize) -> anyhow::Result<Vec<Figure>> {
    let card = Bundle::open(&config.recognizer).ok().and_then(|bundle| bundle.card().features.clone());
    let fbank = Fbank::new(card.unwrap_or_else(FbankConfig::kaldi))?;
    let samples = looped(caller, FEATURES_MS);
    let compute = || timed(|| fbank.compute(&samples));
    compute()?;
    let times = (0..rounds).map(|_| compute()).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(vec![Figure::new("features, 10 s", times, Some(rounds as f64 * FEATURES_MS), None)])
}

fn voice_activity(assistant: &Assistant, caller: &Clip, rounds: usize) -> anyhow::Result<Vec<Figure>> {
    let mut detector = VadDetector::new(&*assistant.vad, assistant.segments)?;
    let samples = looped(caller, rounds as f64 * 1_000.0);
    let piece = Samples::from_ms(VAD_MS, caller.rate).0 as usize;
    let mut edges = Vec::new();
    let times = samples.chunks_exact(piece).map(|piece| timed(|| detector.push(piece, &mut edges)));
    let times = times.collect::<anyhow::Result<Vec<_>>>()?;
    let sound = times.len() as f64 * VAD_MS;
    Ok(vec![Figure::new("voice activity, 20 ms", times, Some(sound), None)])
}

fn recognizer(part: &str, recognizer: &dyn Recognizer, caller: &Clip, rounds: usize) -> anyhow::Result<Vec<Figure>> {
    let mut stream = recognizer.stream()?;
    let piece = Samples::from_ms(ASR_MS, caller.rate).0 as usize;
    let samples = looped(caller, ASR_ROUND_MS);
    let (mut pieces, mut ends) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        for piece in samples.chunks_exact(piece) {
            pieces.push(timed(|| stream.push(piece))?);
        }
        ends.push(timed(|| stream.flush())?);
    }
    let sound = pieces.len() as f64 * ASR_MS;
    let end = Figure::new(format!("{part}: the rest at the end"), ends, None, None);
    Ok(vec![Figure::new(part, pieces, Some(sound), None), end])
}

/// From the words of the caller to the first piece of text that is spoken, calls of tools included; the instructions
/// are read before, as they are in a conversation.
fn responder(assistant: &Assistant, rounds: usize) -> anyhow::Result<Vec<Figure>> {
    let (mut first, mut messages) = (Vec::new(), Vec::new());
    for question in QUESTIONS.iter().cycle().take(rounds) {
        let (turn, never) = (TurnId::new(1), Cancel::default());
        let (mut history, mut tools) =
            (History::new(&assistant.instructions, assistant.memory), (assistant.tools)(Calendar::Since(MOMENT)));
        let mut dialogue = assistant.responder.dialogue(MOMENT)?;
        dialogue.prefill(history.messages(), tools.specs(), &never)?;
        history.heard(turn, question);
        let (began, mut token) = (Instant::now(), None);
        for _ in 0..=assistant.max_tool_calls {
            let asked = Instant::now();
            let finish = dialogue.reply(history.messages(), tools.specs(), &never, &mut |_| {
                token = token.or_else(|| Some(began.elapsed()));
                ControlFlow::Continue(())
            })?;
            messages.push(asked.elapsed());
            let Finish::Tool(call) = finish else { break };
            let result = tools.call(&call, Position::default());
            history.said(turn, 0, "", Some(call));
            history.returned(turn, &result);
        }
        first.extend(token);
    }
    Ok(vec![
        Figure::new("language model, first token to be spoken", first, None, None),
        Figure::new("language model, a whole reply or tool call", messages, None, None),
    ])
}

fn synthesizer(assistant: &Assistant, rounds: usize) -> anyhow::Result<Vec<Figure>> {
    let voice = &assistant.synthesizer;
    let (mut first, mut work, mut samples) = (Vec::new(), Duration::ZERO, 0);
    for sentence in SENTENCES.iter().cycle().take(rounds) {
        let (began, mut sound) = (Instant::now(), None);
        let mut utterance = voice.speak(sentence)?;
        while let Some(chunk) = utterance.next_chunk()? {
            if !chunk.samples.is_empty() {
                sound = sound.or_else(|| Some(began.elapsed()));
            }
            samples += chunk.samples.len();
        }
        work += began.elapsed();
        first.extend(sound);
    }
    let sound = Samples(samples as u64).ms(voice.sample_rate());
    Ok(vec![Figure::new("synthesis, first audio of a sentence", first, Some(sound), Some(work))])
}

/// Whole turns in virtual time, to which all measured work is added.
fn turns(assistant: &Assistant, caller: &Clip, rounds: usize, stop: &Cancel) -> anyhow::Result<Vec<Figure>> {
    let (mut reactions, mut own, mut work, mut sound) = (Vec::new(), Vec::new(), Duration::ZERO, 0.0);
    for _ in 0..rounds {
        let conversation = SessionBuilder::new(assistant).stop_flag(stop.clone()).simulate(caller, Cost::Measured)?;
        if stop.is_cancelled() {
            break;
        }
        let lines: Timelines = conversation.events.iter().collect();
        for turn in lines.turns() {
            let ms = |ms: f64| Duration::from_secs_f64(ms.max(0.0) / 1e3);
            reactions.extend(turn.after_speech_ms(turn.first_audio).map(ms));
            let endpoint = turn.endpoint.zip(turn.first_audio);
            own.extend(endpoint.map(|(endpoint, audio)| ms(audio.ms() - endpoint.ms())));
        }
        work += conversation.stages.iter().flat_map(|stage| &stage.compute).sum::<Duration>();
        sound += conversation.caller.seconds() * 1e3;
    }
    Ok(vec![
        Figure::new("whole turn: end of speech to first audio", reactions, Some(sound), Some(work)),
        Figure::new("whole turn: end of turn to first audio", own, None, None),
    ])
}

/// As Linux tells it.
fn peak_memory_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok().map(|kib| kib / 1024.0)
}
