//! The ears: resampling, voice activity, turn-taking. The only stage that raises the turn.

mod actions;
mod drone;
mod hush;

use std::sync::Arc;

use rejoinder_models::streaming::Streaming;
use rejoinder_models::units::{Position, SampleRate, Samples};
use rejoinder_models::vad::{VadDetector, VadEvent};

use self::drone::Drone;
use self::hush::Hush;
use crate::Result;
use crate::event::EventKind;
use crate::io::playout::{Playout, Progress};
use crate::message::{AudioDevice, Body, Control, Message, Opening, TurnId};
use crate::stage::{Effect, Outbox, Stage};
use crate::stages::recent::Recent;
use crate::stages::{Ending, FrontEnd, Told};
use crate::turn::{Action, Evidence, Input, Judge, Machine, Phrase, Policy, State, Verdict};
use crate::wake::Waking;

/// Sound is looked at in blocks of 10 ms, whatever the pieces in which it comes.
pub(super) const BLOCK: usize = SampleRate::INTERNAL.get() as usize / 100;

/// What `listen` needs to know besides its models.
#[derive(Clone)]
pub(crate) struct ListenSettings {
    /// Who may take the floor, and when a turn is over.
    pub(crate) policy: Policy,
    /// How much sound before the detected beginning belongs to a turn.
    pub(crate) preroll: Samples,
    /// How far the detector may look back when it says that speech began.
    pub(crate) lookback: Samples,
    /// What opens a conversation when it stands in the transcript.
    pub(crate) wake: Option<Phrase>,
    /// What a silent caller is asked.
    pub(crate) prompt: String,
    /// How long speech must last before it counts, in milliseconds, and how long over a reply.
    pub(crate) min_speech_ms: f32,
    pub(crate) overlap_ms: f32,
    /// The probability from which sound is speech, and over a reply in a quiet room, where that is another.
    pub(crate) threshold: f32,
    pub(crate) overlap_threshold: Option<f32>,
    /// The gain, in decibels, of a reply that somebody speaks over.
    pub(crate) duck_db: f64,
    /// Tells interruptions from backchannels and noise.
    pub(crate) judge: Arc<dyn Judge>,
}

/// `listen`: captured sound in, the caller's turns out.
pub(crate) struct Listen {
    front_end: FrontEnd,
    echo_delay_ms: Option<f64>,
    detector: VadDetector,
    /// What ends a turn sooner than silence alone, where there is one.
    ending: Option<Ending>,
    /// What listens for the phrase that opens a conversation, where there is one.
    waking: Option<Waking>,
    /// When it heard the phrase last.
    spotted: Option<Position>,
    /// How quiet it is while nobody speaks.
    hush: Hush,
    machine: Machine,
    settings: ListenSettings,
    playout: Playout,
    /// The turn that it raised last.
    current: TurnId,
    pending: Vec<f32>,
    recent: Recent,
    overheard: Overheard,
    now: Position,
    sent: Position,
    /// Since when nobody speaks, by what the detector has told.
    silent_from: Option<Position>,
    /// When a reply sounded last.
    replied: Position,
    /// The noise that goes on, where that is what was heard last.
    drone: Option<Drone>,
}

/// For so long a room goes on after a reply: 100 ms.
const AFTERMATH: Samples = Samples(SampleRate::INTERNAL.get() as u64 / 10);

/// How often noise that goes on is judged again: 100 ms.
const AGAIN: Samples = Samples(SampleRate::INTERNAL.get() as u64 / 10);

/// The transcript of what is said now.
#[derive(Default)]
struct Overheard {
    text: String,
    confidence: f32,
    /// Whether it takes in all up to a pause.
    complete: bool,
    /// How well it ends.
    told: Told,
}

impl Listen {
    pub(crate) fn new(
        front_end: FrontEnd,
        detector: VadDetector,
        ending: Option<Ending>,
        waking: Option<Waking>,
        settings: ListenSettings,
        playout: Playout,
    ) -> Self {
        let ListenSettings { preroll, lookback, policy, .. } = &settings;
        let window = ending.as_ref().map_or(Samples(0), Ending::window);
        let kept = Samples(preroll.0 + (lookback.0 + policy.judge_window.0).max(window.0));
        Self {
            echo_delay_ms: front_end.echo_delay_ms(),
            front_end,
            detector,
            ending,
            waking,
            spotted: None,
            hush: Hush::default(),
            machine: Machine::new(settings.policy),
            settings,
            playout,
            current: TurnId::default(),
            pending: Vec::new(),
            recent: Recent::new(kept),
            overheard: Overheard::default(),
            now: Position(0),
            sent: Position(0),
            silent_from: None,
            replied: Position(0),
            drone: None,
        }
    }

    fn captured(&mut self, samples: &[f32], out: &mut Outbox<'_>) -> Result<()> {
        self.front_end.push(samples, &mut self.pending)?;
        let delay_ms = self.front_end.echo_delay_ms();
        if let Some(ms) = delay_ms.filter(|_| delay_ms != self.echo_delay_ms) {
            self.echo_delay_ms = delay_ms;
            out.event(self.machine.turn(), EventKind::EchoDelay { ms });
        }
        let pending = std::mem::take(&mut self.pending);
        let blocks = pending.chunks_exact(BLOCK);
        self.pending.extend_from_slice(blocks.remainder());
        // A net that fails at one block leaves the clock and the others running.
        let heard: Vec<_> = blocks.into_iter().map(|block| self.block(block, out)).collect();
        heard.into_iter().collect()
    }

    fn block(&mut self, block: &[f32], out: &mut Outbox<'_>) -> Result<()> {
        let muted = self.machine.is_muted();
        let block = if muted { &[0.0; BLOCK] } else { block };
        self.now = self.now + Samples(BLOCK as u64);
        self.playback(out);
        let ListenSettings { min_speech_ms, overlap_ms, threshold, overlap_threshold, .. } = self.settings;
        let over = self.machine.is_overlapped();
        self.detector.set_min_speech_ms(if over { overlap_ms } else { min_speech_ms });
        let least = overlap_threshold.filter(|_| over);
        self.detector.set_onset(least.map(|least| self.hush.threshold(least, threshold)));
        let mut heard = Vec::new();
        let detected = self.detector.push(block, &mut heard);
        if !muted {
            self.hush.push(self.detector.probability(), self.detector.speaking());
        }
        self.recent.push(block, self.detector.probability());
        if self.drone.as_mut().is_some_and(|drone| drone.is_exceeded(block)) {
            self.drone = None;
            self.detector.begin_anew();
        }
        for event in heard {
            self.drone = None;
            self.speech(event, out);
        }
        self.hear_out(out);
        let spotted = self.wake(block, out);
        self.judge(out);
        self.take(Input::Tick(self.now), out);
        let ended = self.end(out);
        if self.machine.is_hearing() {
            self.forward(self.machine.turn(), out);
        }
        // A net that fails does not stop the clock, nor the others.
        detected?;
        spotted?;
        ended
    }

    fn playback(&mut self, out: &mut Outbox<'_>) {
        let mut progress = Vec::new();
        self.playout.poll(self.current, &mut progress);
        for step in progress {
            match step {
                Progress::Started(turn, at) => {
                    out.event_at(at, turn, EventKind::AudioStarted);
                    self.take(Input::AudioStarted(turn), out);
                }
                Progress::Word(turn, text) => {
                    out.event(turn, EventKind::WordPlayed { text });
                }
                Progress::Finished(turn) => {
                    out.event(turn, EventKind::AudioFinished);
                    self.take(Input::AudioFinished(turn), out);
                }
            }
        }
    }

    fn speech(&mut self, event: VadEvent, out: &mut Outbox<'_>) {
        match event {
            VadEvent::SpeechStarted { at: since, .. } => self.started(since, out),
            VadEvent::SpeechStopped { at: since, .. } => {
                self.silent_from = Some(since);
                if self.machine.is_hearing() {
                    out.event(self.machine.turn(), EventKind::SpeechStopped { since });
                }
                self.take(Input::SpeechStopped(since), out);
            }
        }
    }

    fn started(&mut self, since: Position, out: &mut Outbox<'_>) {
        self.overheard.complete = false;
        self.silent_from = None;
        self.take(Input::SpeechStarted(since), out);
        if self.machine.is_hearing() {
            out.event(self.machine.turn(), EventKind::SpeechStarted { since });
        }
    }

    /// Noise that goes on may become a voice without a gap: by what came since it was judged, it is judged again.
    fn hear_out(&mut self, out: &mut Outbox<'_>) {
        let Some(drone) = self.drone.as_ref().filter(|_| self.now.0.is_multiple_of(AGAIN.0)) else { return };
        let length = self.now.since(drone.judged).min(self.settings.policy.judge_window);
        let (sound, probabilities) = self.recent.last_blocks(length);
        let evidence = Evidence {
            sound: &sound,
            probabilities: &probabilities,
            silence: None,
            text: "",
            confidence: 0.0,
            complete: false,
            left: None,
        };
        if self.settings.judge.judge(&evidence) == Some(Verdict::Interruption) {
            self.drone = None;
            self.started(Position(self.now.since(Position(length.0)).0), out);
        }
    }

    /// Listens for the phrase that opens a conversation.
    fn wake(&mut self, block: &[f32], out: &mut Outbox<'_>) -> Result<()> {
        let Some(spotted) = self.waking.as_mut().map(|waking| waking.push(block)).transpose()?.flatten() else {
            return Ok(());
        };
        let (keyword, probability) = (spotted.keyword, spotted.probability);
        self.spotted = Some(spotted.at);
        out.event(self.machine.turn(), EventKind::Spotted { keyword, probability });
        self.take(Input::WakeWord(self.machine.turn()), out);
        Ok(())
    }

    /// Asks what speech over the reply is.
    fn judge(&mut self, out: &mut Outbox<'_>) {
        let Some((from, stopped)) = self.machine.overlap() else { return };
        let (sound, probabilities) = self.recent.last_blocks(self.now.since(from));
        // What came before the detector was as sure as it has to be elsewhere is held back for, and proves nothing.
        let lead = probabilities.iter().position(|probability| *probability >= self.settings.threshold).unwrap_or(0);
        let (sound, probabilities) = (&sound[(lead * BLOCK).min(sound.len())..], &probabilities[lead..]);
        let Overheard { text, confidence, complete, .. } = &self.overheard;
        let silence = stopped.map(|stopped| self.now.since(stopped));
        let left = self.playout.left(self.current);
        let evidence =
            Evidence { sound, probabilities, silence, text, confidence: *confidence, complete: *complete, left };
        if let Some(verdict) = self.settings.judge.judge(&evidence) {
            self.drone = (verdict == Verdict::Noise && silence.is_none()).then(|| Drone::new(sound, self.now));
            self.take(Input::Judged(self.machine.turn(), verdict), out);
        }
    }

    /// Asks whether a pause is the end of the turn.
    fn end(&mut self, out: &mut Outbox<'_>) -> Result<()> {
        let (Some(ending), Some((from, stopped))) = (&mut self.ending, self.machine.pause()) else { return Ok(()) };
        if !ending.is_due(stopped, self.now) {
            return Ok(());
        }
        let length = self.now.since(from) + self.settings.preroll;
        let sound = self.recent.last(length.min(ending.window()));
        let told = self.overheard.complete.then_some(self.overheard.told);
        let (paused, outlook) = ending.judge(&sound, (stopped.since(from), self.now.since(stopped)), told)?;
        let turn = self.machine.turn();
        out.event(turn, paused);
        self.take(Input::Paused(turn, outlook), out);
        Ok(())
    }

    fn take(&mut self, input: Input, out: &mut Outbox<'_>) {
        let before = self.machine.state();
        let mut actions = Vec::new();
        self.machine.take(input, &mut actions);
        if let (Input::Judged(turn, verdict), false) = (input, actions.is_empty()) {
            out.event(turn, EventKind::Judged { verdict });
        }
        let opening = match input {
            Input::Control(Control::Press) => Opening::Button,
            Input::Transcript { .. } if before == State::Waking => Opening::Phrase(None),
            Input::WakeWord(_) if before == State::Waking => Opening::Phrase(self.spotted),
            _ => Opening::Voice,
        };
        if matches!(before, State::Speaking | State::Interrupted) {
            self.replied = self.now;
        }
        // A turn that is cut for its length goes on as the next.
        let goes_on = matches!(input, Input::Tick(_)) && self.silent_from.is_none();
        let goes_on = goes_on && actions.iter().any(|action| matches!(action, Action::Begin(..)));
        for action in actions {
            self.perform(action, opening, out);
        }
        if goes_on {
            out.event(self.machine.turn(), EventKind::SpeechStarted { since: self.now });
        }
        out.act(Effect::Idle(self.machine.is_idle()));
        let state = self.machine.state();
        let unaddressed = (before, state) == (State::Waking, State::Asleep);
        let unheeded = matches!(before, State::Hearing | State::Thinking | State::Speaking | State::Interrupted)
            && state == State::Listening;
        if unaddressed || unheeded {
            // Who talks on is listened to from here.
            self.detector.begin_anew();
        }
        if state != before {
            out.event(self.machine.turn(), EventKind::State { state });
        }
    }

    fn overhear(&mut self, turn: TurnId, overheard: Overheard, out: &mut Outbox<'_>) {
        if turn == self.machine.turn() {
            let complete = overheard.complete;
            // What comes of an earlier pause once somebody speaks again says nothing of what is said now.
            let whole = complete && self.silent_from.is_some();
            let wakes = self.settings.wake.as_ref().is_some_and(|wake| wake.end_in(&overheard.text).is_some());
            let before = std::mem::take(&mut self.overheard);
            // What was said up to a pause, and how well it ended, was told at the pause; what the recogniser makes of the
            // silence after it can only make that surer.
            self.overheard = match before.complete && !whole {
                true => Overheard { confidence: before.confidence.max(overheard.confidence), ..before },
                false => Overheard { complete: whole, ..overheard },
            };
            self.take(Input::Transcript { turn, wakes, complete }, out);
            self.judge(out);
        }
    }
}

impl Stage for Listen {
    fn name(&self) -> &'static str {
        "listen"
    }

    fn handle(&mut self, message: Message, out: &mut Outbox<'_>) -> Result<()> {
        match message.body {
            Body::Captured(samples) => self.captured(&samples, out)?,
            Body::Scheduled(at) => self.take(Input::Scheduled(at), out),
            Body::NoReply => self.take(Input::NoReply(message.turn), out),
            Body::Overheard { text, confidence, complete, ending, finality } => {
                let told = Told { ending, finality };
                self.overhear(message.turn, Overheard { text, confidence, complete, told }, out);
            }
            Body::Lost(device) => {
                out.event(message.turn, EventKind::DeviceLost { device });
                if device == AudioDevice::Loudspeaker {
                    self.take(Input::Unheard(message.turn), out);
                    out.act(Effect::Silence(message.turn.retry()));
                }
            }
            Body::Found(device) => {
                out.event(message.turn, EventKind::DeviceFound { device });
                let _ = out.send(self.machine.turn(), Body::Found(device));
            }
            Body::CaptureEnded => self.take(Input::Control(Control::Release), out),
            Body::Control(control) => {
                if control == Control::Mute {
                    // What is said after a short mute begins anew, although the detector may have noticed no silence.
                    self.detector.begin_anew();
                    self.silent_from = self.silent_from.or(Some(self.now));
                }
                out.event(self.machine.turn(), EventKind::Controlled { control });
                self.take(Input::Control(control), out);
            }
            body => {
                let _ = out.send(message.turn, body);
            }
        }
        Ok(())
    }
}
