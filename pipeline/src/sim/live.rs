//! A simulated conversation in real time: the stages on threads, the caller at the pace of a microphone.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use rejoinder_models::units::SampleRate;

use super::line::{Line, Record};
use crate::clock::ns_of;
use crate::event::Event;
use crate::io::file::{Tick, Ticker};
use crate::io::{Loudspeaker, Microphone, Sink, Source};
use crate::run::world::{Step, World};
use crate::{Error, Result, SessionBuilder};

/// What the assistant's threads tell the caller's.
pub(crate) enum Told {
    Event(Event),
    Step(Step),
}

type Shared<T> = Arc<Mutex<Option<T>>>;

/// Runs a conversation on a line in real time.
pub(crate) fn run(builder: SessionBuilder, line: Line<'static>) -> Result<Record> {
    let (tell, told) = channel();
    let (loudspeaker, record) = (Shared::default(), Shared::default());
    let source = LineSource { ends: Some((line, told)), loudspeaker: Arc::clone(&loudspeaker), record, ticker: None };
    let record = Arc::clone(&source.record);
    let session = tapped(builder, tell).source(source).sink(LineSink(loudspeaker)).start()?;
    session.wait()?;
    let record = record.lock().unwrap_or_else(PoisonError::into_inner).take();
    record.unwrap_or_else(|| Err(Error::Session("the caller's thread broke down".to_owned())))
}

pub(crate) fn tapped(builder: SessionBuilder, tell: Sender<Told>) -> SessionBuilder {
    let steps = tell.clone();
    // The line is over before the assistant: what it is told then is of no interest.
    let builder = builder.on_step(move |step| drop(steps.send(Told::Step(*step))));
    builder.on_event(move |event| drop(tell.send(Told::Event(event.clone()))))
}

struct LineSource {
    ends: Option<(Line<'static>, Receiver<Told>)>,
    loudspeaker: Shared<Loudspeaker>,
    record: Shared<Result<Record>>,
    ticker: Option<Ticker>,
}

struct LineSink(Shared<Loudspeaker>);

impl Sink for LineSink {
    fn sample_rate(&self, _wanted: SampleRate) -> SampleRate {
        SampleRate::INTERNAL
    }

    fn start(&mut self, loudspeaker: Loudspeaker) -> Result<()> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(loudspeaker);
        Ok(())
    }

    fn stop(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Source for LineSource {
    fn sample_rate(&self) -> SampleRate {
        SampleRate::INTERNAL
    }

    fn start(&mut self, mut microphone: Microphone) -> Result<()> {
        let Some((line, told)) = self.ends.take() else { return Ok(()) };
        let mut loudspeaker = self.loudspeaker.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (record, mut sound, mut now) = (Arc::clone(&self.record), Vec::new(), 0);
        let mut line = Some(line);
        self.ticker = Some(Ticker::start("caller", move |tick: Tick| {
            let Some(at) = line.as_mut() else { return false };
            for told in told.try_iter() {
                match told {
                    Told::Event(event) => at.event(&event),
                    Told::Step(step) => at.step(&step),
                }
            }
            sound.resize(tick.samples(SampleRate::INTERNAL), 0.0);
            if let Some(loudspeaker) = &mut loudspeaker {
                loudspeaker.pull(&mut sound);
                at.played(&sound);
            }
            at.capture(&mut sound);
            let idle = microphone.is_idle();
            microphone.push(&sound);
            now += sound.len() as u64;
            if !at.is_over(ns_of(now, SampleRate::INTERNAL), idle) {
                return true;
            }
            let finished = line.take().map(Line::finish);
            *record.lock().unwrap_or_else(PoisonError::into_inner) = finished;
            false
        })?);
        Ok(())
    }

    fn stop(&mut self) {
        self.ticker = None;
    }
}
