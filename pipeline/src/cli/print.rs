//! A conversation as a person reads it, and as a program does.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Stdout, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, anyhow};
use rejoinder::turn::{State, Verdict};
use rejoinder::{AudioDevice, Event, EventKind, Timeline, Timelines};
use rejoinder_models::llm::Cancel;

/// Prints events to the standard output and, as JSON lines, to a file. Where the reader of the output is gone, or
/// nothing can be written any more, it ends the conversation.
pub(crate) struct Printer {
    out: Stdout,
    events: Option<(PathBuf, BufWriter<File>)>,
    lines: Timelines,
    in_reply: bool,
    /// The text of a reply that was begun ahead, until it is known whether it is the turn's.
    ahead: Option<String>,
    /// Whether somebody speaks who has not said the wake phrase yet.
    waking: bool,
    stop: Cancel,
    trouble: Trouble,
}

/// Why a printer has ended a conversation, if it has.
#[derive(Clone, Default)]
pub(crate) struct Trouble(Arc<OnceLock<String>>);

impl Trouble {
    /// What could not be written. A reader that is gone is no trouble.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.0.get().map_or(Ok(()), |reason| Err(anyhow!("{reason}")))
    }
}

/// Turns of which something may be told yet: a conversation may last for weeks.
const TURNS: usize = 16;

impl Printer {
    pub(crate) fn new(events: Option<&Path>, stop: Cancel) -> anyhow::Result<Self> {
        let create = |path: &Path| -> anyhow::Result<_> {
            let file = File::create(path).with_context(|| path.display().to_string())?;
            Ok((path.to_owned(), BufWriter::new(file)))
        };
        let (out, events, trouble) = (std::io::stdout(), events.map(create).transpose()?, Trouble::default());
        Ok(Self {
            out,
            events,
            lines: Timelines::default(),
            in_reply: false,
            ahead: None,
            waking: false,
            stop,
            trouble,
        })
    }

    /// What is told when nothing could be written any more.
    pub(crate) fn trouble(&self) -> Trouble {
        self.trouble.clone()
    }

    pub(crate) fn event(&mut self, event: &Event) {
        self.lines.take(event);
        self.lines.keep_last(TURNS);
        let logged = self
            .events
            .as_mut()
            .map_or(Ok(()), |(path, file)| log(file, event).map_err(|error| (path.display().to_string(), error)));
        let outcome = logged.and_then(|()| self.write(event).map_err(|error| ("standard output".to_owned(), error)));
        if let Err((place, error)) = outcome {
            if error.kind() != ErrorKind::BrokenPipe {
                self.trouble.0.get_or_init(|| format!("{place}: {error}"));
            }
            self.stop.cancel();
        }
    }

    fn write(&mut self, event: &Event) -> std::io::Result<()> {
        let at = event.at.ms() / 1e3;
        match (&event.kind, &mut self.ahead) {
            (EventKind::SpeculationStarted { .. }, _) => self.ahead = Some(String::new()),
            (EventKind::SpeculationDropped { .. }, _) => self.ahead = None,
            (EventKind::SpeculationKept, _) => {
                let text = self.ahead.take().unwrap_or_default();
                return if text.is_empty() { Ok(()) } else { self.reply(at, &text) };
            }
            (EventKind::ReplyText { text }, Some(ahead)) => ahead.push_str(text),
            (EventKind::ReplyText { text }, None) => return self.reply(at, text),
            (EventKind::State { state }, _) => self.waking = *state == State::Waking,
            _ => {}
        }
        let ignored = self.waking && event.kind == EventKind::Ignored;
        let line = if ignored { Some("- without the wake phrase: ignored".to_owned()) } else { line(&event.kind) };
        let Some(line) = line else { return self.turn_over(event) };
        if std::mem::take(&mut self.in_reply) {
            writeln!(self.out)?;
        }
        writeln!(self.out, "{at:8.2} s  {line}")?;
        self.out.flush()?;
        self.turn_over(event)
    }

    fn reply(&mut self, at: f64, text: &str) -> std::io::Result<()> {
        if !self.in_reply {
            write!(self.out, "{at:8.2} s  < ")?;
        }
        self.in_reply = true;
        write!(self.out, "{text}")?;
        self.out.flush()
    }

    /// Prints the timeline of a turn that is over.
    fn turn_over(&mut self, event: &Event) -> std::io::Result<()> {
        let over = matches!(
            event.kind,
            EventKind::AudioFinished
                | EventKind::Interrupted
                | EventKind::DeviceLost { device: AudioDevice::Loudspeaker }
        );
        let Some(turn) = self.lines.get(event.turn).filter(|turn| over && turn.endpoint.is_some()) else {
            return Ok(());
        };
        if std::mem::take(&mut self.in_reply) {
            writeln!(self.out)?;
        }
        writeln!(self.out, "            {}", timeline(turn))?;
        self.out.flush()
    }
}

fn log(file: &mut BufWriter<File>, event: &Event) -> std::io::Result<()> {
    serde_json::to_writer(&mut *file, event)?;
    file.write_all(b"\n")?;
    file.flush()
}

fn line(kind: &EventKind) -> Option<String> {
    Some(match kind {
        EventKind::Partial { text, complete: false, .. } => format!("… {text}"),
        EventKind::Final { text, .. } => format!("> {text}"),
        EventKind::Speaker { name: Some(name), score } => format!("= {name} ({score:.2})"),
        EventKind::Spotted { keyword, probability } => format!("+ {keyword} ({probability:.2})"),
        EventKind::ToolCalled { name, arguments } => format!("* {name} {arguments}"),
        EventKind::ToolReturned { name, result } => format!("* {name}: {result}"),
        EventKind::ToolTakenBack { name } => format!("* {name}: taken back"),
        EventKind::Judged { verdict: Verdict::Backchannel } => "~ the caller listens".to_owned(),
        EventKind::Judged { verdict: Verdict::Noise } => "~ noise".to_owned(),
        EventKind::Reminded => "- something is due".to_owned(),
        EventKind::Prompted => "- the caller is silent".to_owned(),
        EventKind::SpeculationDropped { tokens, audio_ms } => {
            format!("- the caller goes on; {tokens} tokens and {audio_ms:.0} ms of sound were in vain")
        }
        EventKind::Interrupted => "! interrupted".to_owned(),
        EventKind::Kept { text } => format!("! the caller heard: {text}"),
        EventKind::NoReply => "- no reply".to_owned(),
        EventKind::Failed { stage, reason } => format!("! {stage} failed: {reason}"),
        EventKind::Degraded { stage, reason } => format!("! {stage} failed, and goes on: {reason}"),
        EventKind::DeviceLost { device: AudioDevice::Microphone } => {
            "! the microphone gives no sound; it is waited for".to_owned()
        }
        EventKind::DeviceLost { device: AudioDevice::Loudspeaker } => {
            "! the loudspeaker takes no sound: the reply is dropped".to_owned()
        }
        EventKind::DeviceFound { device } => format!("~ the {device} is back"),
        EventKind::EchoDelay { ms } => format!("~ the loudspeaker is heard after {ms:.0} ms"),
        EventKind::Overrun { queue, lost } => format!("! {queue} lost {lost}"),
        _ => return None,
    })
}

fn timeline(turn: &Timeline) -> String {
    let after = |name: &str, moment| match turn.after_speech_ms(moment) {
        Some(ms) => format!("{name} +{ms:.0} ms"),
        None => format!("{name} –"),
    };
    let end = turn.speech_end.map_or(0.0, |at| at.ms() / 1e3);
    let mut steps = vec![
        format!("turn {}: end of speech {end:.2} s", turn.turn),
        after("endpoint", turn.endpoint),
        after("final transcript", turn.transcript),
        after("first token", turn.first_token),
        after("first audio", turn.first_audio),
    ];
    if turn.dropped > 0 {
        let (dropped, tokens, ms) = (turn.dropped, turn.wasted_tokens, turn.wasted_audio_ms);
        steps.push(format!("{dropped} begun in vain ({tokens} tokens, {ms:.0} ms of sound)"));
    }
    steps.join(", ")
}
