use std::sync::Arc;

use rejoinder_models::audio::{Clip, StreamResampler};
use rejoinder_models::llm::Cancel;
use rejoinder_models::llm::tools::Moment;
use rejoinder_models::text::ClauseStream;
use rejoinder_models::units::{Position, SampleRate, Samples};
use rejoinder_models::vad::VadDetector;

use super::{Conversation, Session};
use crate::assistant::Assistant;
use crate::clock::{Clock, ns_of, samples_at};
use crate::dialogue::{Calendar, History};
use crate::event::Event;
use crate::io::playout::{Playout, Resample, playback_ring};
use crate::io::reference::reference_ring;
use crate::io::{Sink, Source};
use crate::message::{Control, Turns};
use crate::run::world::{Recording, Step, World};
use crate::run::{Chain, Cost, EventHandler, StepHandler, Stop, steps, threads};
use crate::stage::Stage;
use crate::stages::{Cleaner, Ending, FrontEnd, Identify, Listen, ListenSettings, Respond, Speak, Transcribe};
use crate::wake::WakeWord;
use crate::{Error, Result};

/// How much longer than its least duration of speech a detector may take to be sure of it.
const LOOKBACK_MS: f64 = 500.0;

/// Puts a conversation together.
pub struct SessionBuilder {
    assistant: Assistant,
    on_event: EventHandler,
    on_step: Option<StepHandler>,
    extra: Vec<(String, Box<dyn Stage>)>,
    source: Option<Box<dyn Source>>,
    sink: Option<Box<dyn Sink>>,
    capture_rate: SampleRate,
    playback_rate: Option<SampleRate>,
    controls: Vec<(Position, Control)>,
    begins: Option<Moment>,
    stop: Cancel,
}

impl SessionBuilder {
    /// A conversation with this assistant.
    pub fn new(assistant: &Assistant) -> Self {
        Self {
            assistant: assistant.clone(),
            on_event: Box::new(|_| {}),
            on_step: None,
            extra: Vec::new(),
            source: None,
            sink: None,
            capture_rate: SampleRate::INTERNAL,
            playback_rate: None,
            controls: Vec::new(),
            begins: None,
            stop: Cancel::default(),
        }
    }

    /// Calls this with each event. Live, it is called on a thread of its own.
    #[must_use]
    pub fn on_event(mut self, handler: impl FnMut(&Event) + Send + 'static) -> Self {
        self.on_event = Box::new(handler);
        self
    }

    /// Calls this with what a stage did with each message, on the stage's own thread.
    #[must_use]
    pub fn on_step(mut self, handler: impl Fn(&Step) + Send + Sync + 'static) -> Self {
        self.on_step = Some(Arc::new(handler));
        self
    }

    /// Inserts a stage after the one with this name: `listen`, `transcribe`, `respond`, `speak` or one inserted before.
    #[must_use]
    pub fn stage_after(mut self, name: &str, stage: impl Stage + 'static) -> Self {
        self.extra.push((name.to_owned(), Box::new(stage)));
        self
    }

    /// Takes the caller's sound from here, instead of from [`Session::push`].
    #[must_use]
    pub fn source(mut self, source: impl Source + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// Gives the assistant's sound to this, instead of to [`Session::pull`].
    #[must_use]
    pub fn sink(mut self, sink: impl Sink + 'static) -> Self {
        self.sink = Some(Box::new(sink));
        self
    }

    /// The rate of what [`Session::push`] takes. Default: 16 kHz. A [`Source`] has its own.
    #[must_use]
    pub fn capture_rate(mut self, rate: SampleRate) -> Self {
        self.capture_rate = rate;
        self
    }

    /// The rate of what [`Session::pull`] gives. Default: the synthesizer's. A [`Sink`] has its own.
    #[must_use]
    pub fn playback_rate(mut self, rate: SampleRate) -> Self {
        self.playback_rate = Some(rate);
        self
    }

    /// In virtual time, presses or lets go a button at this moment; live there are [`Session::controls`].
    #[must_use]
    pub fn control_at(mut self, at: Position, control: Control) -> Self {
        self.controls.push((at, control));
        self
    }

    /// When the conversation begins on the caller's clock, for tools and for models that are told the date. Default: now,
    /// by the machine's clock and time zone, by which tools of a live conversation then go throughout.
    #[must_use]
    pub fn begins_at(mut self, moment: Moment) -> Self {
        self.begins = Some(moment);
        self
    }

    /// A flag that ends the conversation at once when it is raised, from any thread.
    #[must_use]
    pub fn stop_flag(mut self, stop: Cancel) -> Self {
        self.stop = stop;
        self
    }

    /// Starts the conversation on threads of its own.
    ///
    /// # Errors
    /// [`Error::Models`] when a model cannot make a stream, [`Error::Device`] when a device does not start,
    /// [`Error::Session`] when a stage or a thread is missing.
    pub fn start(self) -> Result<Session> {
        self.start_by(Clock::live())
    }

    /// As [`start`](Self::start), by a clock that is known.
    pub(crate) fn start_by(mut self, clock: Clock) -> Result<Session> {
        let (mut source, mut sink) = (self.source.take(), self.sink.take());
        if let Some(sink) = &sink {
            self.playback_rate = Some(sink.sample_rate(self.assistant.synthesizer.sample_rate()));
        }
        if let Some(source) = &source {
            self.capture_rate = source.sample_rate();
        }
        let capture_rate = self.capture_rate;
        let chain = self.chain(clock)?;
        let shutdown = chain.shutdown();
        let running = threads::spawn(chain, capture_rate, source.is_some())?;
        let mut session = Session {
            microphone: Some(running.microphone),
            loudspeaker: Some(running.loudspeaker),
            controls: running.controls,
            source: None,
            sink: None,
            threads: running.threads,
            shutdown,
        };
        if let Some(sink) = &mut sink
            && let Some(loudspeaker) = session.loudspeaker.take()
        {
            sink.start(loudspeaker)?;
        }
        session.sink = sink;
        if let Some(source) = &mut source
            && let Some(microphone) = session.microphone.take()
        {
            source.start(microphone)?;
        }
        session.source = source;
        Ok(session)
    }

    /// Runs the conversation with a recording as its caller, in virtual time on this thread.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn simulate(mut self, caller: &Clip, cost: Cost) -> Result<Conversation> {
        self.capture_rate = caller.rate;
        let chain = self.chain(Clock::manual())?;
        let rate = chain.loudspeaker.sample_rate();
        let mut recording = Recording::new(caller);
        steps::run(chain, &mut recording, cost)?;
        let Recording { sound, events, stages, .. } = recording;
        let heard = ns_of(sound.len() as u64, rate);
        let kept = (samples_at(heard, caller.rate) as usize + 1).min(caller.samples.len());
        let mut caller = Clip::new(caller.samples[..kept].to_vec(), caller.rate).at(rate)?;
        caller.samples.resize(sound.len(), 0.0);
        Ok(Conversation { caller, assistant: Clip::new(sound, rate), events, stages })
    }

    /// Runs the conversation in a world of its own, in virtual time on this thread.
    pub(crate) fn run_in(mut self, world: &mut dyn World, cost: Cost) -> Result<()> {
        self.capture_rate = world.sample_rate();
        let chain = self.chain(Clock::manual())?;
        steps::run(chain, world, cost)
    }

    fn chain(self, clock: Clock) -> Result<Chain> {
        let Self { assistant, on_event, on_step, extra, capture_rate, playback_rate, stop, controls, begins, .. } =
            self;
        let calendar = match begins {
            Some(moment) => Calendar::Since(moment),
            None if clock.is_live() => Calendar::Machine,
            None => Calendar::Since(Calendar::Machine.moment(Position(0))),
        };
        let turns = Turns::until(stop.clone());
        let from = assistant.synthesizer.sample_rate();
        let rate = playback_rate.unwrap_or(from);
        let out = resampler(from, rate)?;
        let held_ms = assistant.turn_taking.max_held_ms;
        let (player, mut loudspeaker, playout) = playback_ring(rate, from, out, held_ms, clock.clone(), turns.clone());
        let cleaner = match &assistant.enhancer {
            Some(enhancer) => {
                let (tap, reference) = reference_ring(rate, resampler(rate, SampleRate::INTERNAL)?);
                loudspeaker.tap(tap);
                Some(Cleaner::new(enhancer.stream()?, reference))
            }
            None => None,
        };
        let front_end = FrontEnd::new(resampler(capture_rate, SampleRate::INTERNAL)?, cleaner);
        let mut stages = stages(&assistant, calendar, front_end, &turns, &playout)?;
        for (after, stage) in extra {
            let at = stages.iter().position(|stage| stage.name() == after).ok_or_else(|| {
                let names: Vec<_> = stages.iter().map(|stage| stage.name()).collect();
                Error::Session(format!("no stage named {after}; there are: {}", names.join(", ")))
            })?;
            stages.insert(at + 1, stage);
        }
        let stop = Stop::asked_by(stop);
        Ok(Chain { stages, turns, clock, player, loudspeaker, playout, stop, controls, on_event, on_step })
    }
}

fn stages(
    assistant: &Assistant,
    calendar: Calendar,
    front_end: FrontEnd,
    turns: &Turns,
    playout: &Playout,
) -> Result<Vec<Box<dyn Stage>>> {
    let taking = &assistant.turn_taking;
    let min_speech_ms = assistant.segments.min_speech_ms;
    let overlap_ms = taking.overlap_ms.map_or(min_speech_ms, |ms| ms as f32);
    let settings = ListenSettings {
        policy: taking.policy,
        preroll: Samples::from_ms(taking.preroll_ms, SampleRate::INTERNAL),
        wake: taking.wake.clone().filter(|_| assistant.wake_word.is_none()),
        prompt: taking.prompt.clone(),
        min_speech_ms,
        overlap_ms,
        threshold: assistant.vad.hysteresis().threshold,
        overlap_threshold: taking.overlap_threshold,
        duck_db: taking.duck_db,
        judge: assistant.judge.clone(),
        lookback: Samples::from_ms(
            f64::from(min_speech_ms.max(overlap_ms) + assistant.segments.pad_ms) + LOOKBACK_MS,
            SampleRate::INTERNAL,
        ),
    };
    let detector = VadDetector::new(&*assistant.vad, assistant.segments)?;
    let ending = assistant.turn_detector.as_deref().map(|ends| Ending::new(ends, taking.end)).transpose()?;
    let waking = assistant.wake_word.as_ref().map(WakeWord::listen).transpose()?;
    let recognizer = assistant.recognizer.stream()?;
    let (expected, found) = (SampleRate::INTERNAL, recognizer.sample_rate());
    if found != expected {
        let name = assistant.recognizer.name();
        return Err(Error::Session(format!("the recogniser {name}: expected one for {expected}, found {found}")));
    }
    let history = History::new(&assistant.instructions, assistant.memory);
    let dialogue = assistant.responder.dialogue(calendar.moment(Position(0)))?;
    let tools = (assistant.tools)(calendar);
    let calls = assistant.max_tool_calls;
    let respond = Respond::new(dialogue, history, tools, calls, turns.clone(), playout.clone());
    let respond = respond.wake(taking.wake.clone()).identity(assistant.identity.clone());
    let respond = respond.apology(assistant.apology.clone());
    let mut stages: Vec<Box<dyn Stage>> = vec![
        Box::new(Listen::new(front_end, detector, ending, waking, settings, playout.clone())),
        Box::new(Transcribe::new(recognizer)),
        Box::new(respond),
        Box::new(Speak::new(assistant.synthesizer.clone(), ClauseStream::new(assistant.clauses))),
    ];
    if let Some(identity) = &assistant.identity {
        stages.insert(1, Box::new(Identify::new(identity.clone())));
    }
    Ok(stages)
}

pub(crate) fn resampler(from: SampleRate, to: SampleRate) -> Result<Option<Resample>> {
    Ok(if from == to { None } else { Some(Box::new(StreamResampler::new(from, to)?)) })
}
