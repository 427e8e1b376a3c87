//! One conversation: what an application embeds.

mod builder;

use std::thread::JoinHandle;

pub use builder::SessionBuilder;
pub(crate) use builder::resampler;
use rejoinder_models::audio::Clip;

use crate::assistant::Assistant;
use crate::event::Event;
use crate::io::{Loudspeaker, Microphone, Sink, Source};
use crate::run::Shutdown;
use crate::run::threads::Controls;
use crate::run::world::StageStats;
use crate::{Error, Result};

/// A running conversation. Dropping it ends it at once; a tool that runs is waited for.
pub struct Session {
    microphone: Option<Microphone>,
    loudspeaker: Option<Loudspeaker>,
    controls: Controls,
    source: Option<Box<dyn Source>>,
    sink: Option<Box<dyn Sink>>,
    threads: Vec<JoinHandle<()>>,
    shutdown: Shutdown,
}

/// A conversation that was run in virtual time.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// The caller, at the rate of `assistant`.
    pub caller: Clip,
    /// What the listener would have heard, from the moment that capture began.
    pub assistant: Clip,
    /// All that happened, in order.
    pub events: Vec<Event>,
    /// What each stage did.
    pub stages: Vec<StageStats>,
}

impl Session {
    /// A conversation with this assistant.
    pub fn builder(assistant: &Assistant) -> SessionBuilder {
        SessionBuilder::new(assistant)
    }

    /// Takes mono samples of the caller in [-1, 1], in pieces of any length. Does nothing where the conversation has
    /// a [`Source`].
    ///
    /// They come in real time, silence included, as a microphone gives them: the end of a turn, a reminder and all else that
    /// waits for a time goes by what was pushed. What comes faster is lost once two seconds of it wait.
    pub fn push(&mut self, samples: &[f32]) {
        if let Some(microphone) = &mut self.microphone {
            microphone.push(samples);
        }
    }

    /// Fills `out` with what the caller hears next, mono in [-1, 1], silence where there is nothing or where the
    /// conversation has a [`Sink`].
    pub fn pull(&mut self, out: &mut [f32]) {
        match &mut self.loudspeaker {
            Some(loudspeaker) => loudspeaker.pull(out),
            None => out.fill(0.0),
        }
    }

    /// The caller's buttons, for any thread.
    pub fn controls(&self) -> Controls {
        self.controls.clone()
    }

    /// Whether nothing is going on: nobody speaks, and no reply is on its way or sounds.
    pub fn is_idle(&self) -> bool {
        self.shutdown.turns.is_idle()
    }

    /// The conversation's ends, for an audio callback: what [`push`](Self::push) and [`pull`](Self::pull) use. None, and
    /// nothing is taken, where a [`Source`] or a [`Sink`] has one of them.
    pub fn take_ends(&mut self) -> Option<(Microphone, Loudspeaker)> {
        if self.microphone.is_none() || self.loudspeaker.is_none() {
            return None;
        }
        self.microphone.take().zip(self.loudspeaker.take())
    }

    /// Whether the source has come to its end and all threads have ended.
    pub fn is_over(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Waits until the source has come to its end, or takes what was pushed for all that the caller says, and then until
    /// all is said: silence follows the last words, they are answered, and the answer sounds. Where nobody pulls that, it
    /// is dropped after three seconds.
    ///
    /// # Errors
    /// [`Error::Models`] when the sink's file could not be written, [`Error::Session`] when a stage panicked.
    pub fn wait(mut self) -> Result<()> {
        self.microphone = None;
        self.join()
    }

    /// Ends the conversation at once, and completes the sink's file. On a thread of the conversation itself, such as in a tool
    /// or an event's handler, it does not wait for the end.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn stop(mut self) -> Result<()> {
        self.cancel();
        self.join()
    }

    fn cancel(&mut self) {
        self.shutdown.now();
        if let Some(source) = &mut self.source {
            source.stop();
        }
        self.microphone = None;
    }

    fn join(&mut self) -> Result<()> {
        let mut panicked = None;
        // A thread cannot wait for itself, nor for those that wait for it.
        let here = std::thread::current().id();
        if self.threads.iter().any(|thread| thread.thread().id() == here) {
            self.threads.clear();
            return Ok(());
        }
        for thread in self.threads.drain(..) {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if thread.join().is_err() {
                panicked = panicked.or(Some(name));
            }
        }
        if let Some(source) = &mut self.source {
            source.stop();
        }
        self.sink.as_mut().map_or(Ok(()), |sink| sink.stop())?;
        match panicked {
            Some(name) => Err(Error::Session(format!("the {name} thread broke down"))),
            None => Ok(()),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.cancel();
        let _ = self.join();
    }
}
