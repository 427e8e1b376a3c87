//! The ears: resampling, voice activity, turn-taking. The only stage that raises the turn.

use std::collections::VecDeque;

use rejoinder_models::streaming::Streaming;
use rejoinder_models::units::{Position, SampleRate, Samples};
use rejoinder_models::vad::{VadDetector, VadEvent};

use crate::Result;
use crate::event::EventKind;
use crate::io::playout::{Playout, Progress, Resample};
use crate::message::{Body, Message, TurnId, Turns};
use crate::stage::{Outbox, Stage};
use crate::turn::{Action, Input, Machine, Policy};

/// Sound is looked at in blocks of 10 ms, whatever the pieces in which it comes.
const BLOCK: usize = SampleRate::INTERNAL.get() as usize / 100;

/// What `listen` needs to know besides its models.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListenSettings {
    /// When a turn is over.
    pub(crate) policy: Policy,
    /// How much sound before the detected beginning belongs to a turn.
    pub(crate) preroll: Samples,
    /// How far the detector may look back when it says that speech began.
    pub(crate) lookback: Samples,
}

/// `listen`: captured sound in, the caller's turns out.
pub(crate) struct Listen {
    resample: Option<Resample>,
    detector: VadDetector,
    machine: Machine,
    settings: ListenSettings,
    turns: Turns,
    playout: Playout,
    pending: Vec<f32>,
    recent: VecDeque<f32>,
    now: Position,
    sent: Position,
}

impl Listen {
    pub(crate) fn new(
        resample: Option<Resample>,
        detector: VadDetector,
        settings: ListenSettings,
        turns: Turns,
        playout: Playout,
    ) -> Self {
        let machine = Machine::new(settings.policy);
        let (pending, recent) = (Vec::new(), VecDeque::new());
        let (now, sent) = (Position(0), Position(0));
        Self { resample, detector, machine, settings, turns, playout, pending, recent, now, sent }
    }

    fn captured(&mut self, samples: &[f32], out: &mut Outbox<'_>) -> Result<()> {
        match &mut self.resample {
            Some(resample) => resample.push(samples, &mut self.pending)?,
            None => self.pending.extend_from_slice(samples),
        }
        let pending = std::mem::take(&mut self.pending);
        let blocks = pending.chunks_exact(BLOCK);
        self.pending.extend_from_slice(blocks.remainder());
        blocks.into_iter().try_for_each(|block| self.block(block, out))
    }

    fn block(&mut self, block: &[f32], out: &mut Outbox<'_>) -> Result<()> {
        self.now = self.now + Samples(BLOCK as u64);
        self.remember(block);
        self.playback(out);
        let mut heard = Vec::new();
        self.detector.push(block, &mut heard)?;
        for event in heard {
            self.speech(event, out);
        }
        self.take(Input::Tick(self.now), out);
        if self.machine.caller_has_turn() {
            self.forward(self.machine.turn(), out);
        }
        Ok(())
    }

    fn remember(&mut self, block: &[f32]) {
        self.recent.extend(block);
        let kept = (self.settings.preroll + self.settings.lookback).0 as usize + BLOCK;
        let excess = self.recent.len().saturating_sub(kept);
        self.recent.drain(..excess);
    }

    fn playback(&mut self, out: &mut Outbox<'_>) {
        let mut progress = Vec::new();
        self.playout.poll(&mut progress);
        for step in progress {
            match step {
                Progress::Started(turn, at) => {
                    out.event_at(at, turn, EventKind::AudioStarted);
                    self.take(Input::AudioStarted(turn), out);
                }
                Progress::Word(turn, text) => out.event(turn, EventKind::WordPlayed { text }),
                Progress::Finished(turn) => {
                    out.event(turn, EventKind::AudioFinished);
                    self.take(Input::AudioFinished(turn), out);
                }
            }
        }
    }

    fn speech(&mut self, event: VadEvent, out: &mut Outbox<'_>) {
        match event {
            VadEvent::SpeechStarted { at: since, .. } => {
                self.take(Input::SpeechStarted(since), out);
                out.event(self.machine.turn(), EventKind::SpeechStarted { since });
            }
            VadEvent::SpeechStopped { at: since, .. } => {
                self.take(Input::SpeechStopped(since), out);
                out.event(self.machine.turn(), EventKind::SpeechStopped { since });
            }
        }
    }

    fn take(&mut self, input: Input, out: &mut Outbox<'_>) {
        let before = self.machine.state();
        let mut actions = Vec::new();
        self.machine.take(input, &mut actions);
        for action in actions {
            match action {
                Action::Interrupt(turn) => out.event(turn, EventKind::Interrupted),
                Action::Begin(turn, from) => self.begin(turn, from, out),
                Action::End(turn, speech_end) => {
                    self.forward(turn, out);
                    out.event(turn, EventKind::Endpoint { speech_end });
                    let _ = out.send(turn, Body::Ended);
                }
            }
        }
        self.turns.set_idle(self.machine.is_idle());
        let state = self.machine.state();
        if state != before {
            out.event(self.machine.turn(), EventKind::State { state });
        }
    }

    fn begin(&mut self, turn: TurnId, from: Position, out: &mut Outbox<'_>) {
        self.turns.raise(turn);
        self.playout.interrupt(TurnId(turn.0.saturating_sub(1)));
        let oldest = Position(self.now.since(Position(self.recent.len() as u64)).0);
        self.sent = Position(from.0.saturating_sub(self.settings.preroll.0)).max(oldest).max(self.sent);
        let _ = out.send(turn, Body::Began(self.sent));
    }

    /// Sends what of the recent sound was not sent yet.
    fn forward(&mut self, turn: TurnId, out: &mut Outbox<'_>) {
        let fresh = self.now.since(self.sent).0 as usize;
        if fresh > 0 {
            let samples = self.recent.range(self.recent.len().saturating_sub(fresh)..).copied().collect();
            self.sent = self.now;
            let _ = out.send(turn, Body::Heard(samples));
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
            Body::NoReply => self.take(Input::NoReply(message.turn), out),
            body => {
                let _ = out.send(message.turn, body);
            }
        }
        Ok(())
    }
}
