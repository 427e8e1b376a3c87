//! Live: one named thread for each stage, bounded queues between them.
//!
//! | queue | holds | when full |
//! |---|---|---|
//! | capture ring → `listen` | 2 s of sound | what comes is lost and counted, and silence takes its place |
//! | `listen` → `transcribe` | 4096 messages, more than half a minute | sound is lost and counted; the rest waits beside it |
//! | between the other stages | 256 messages | the writer waits |
//! | `speak` → playback ring | 4 s of sound | the writer waits |
//! | reports, controls → `listen` | 64 messages | the writer waits |
//! | events → application | 8192 events | what comes is lost and counted |
//!
//! A device may stand still: unplugged, or its sound server hangs. In place of a microphone's sound `listen` then takes
//! silence, so that time goes on; a reply that waits for a loudspeaker is dropped, which lets `speak` go on.

mod port;

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use rejoinder_models::units::SampleRate;

use port::{Common, Link, LivePort};

use super::chain::{Chain, EventHandler, Failures, is_wanted};
use super::lossy::Lossy;
use super::queue::{Policy, Receiver, Sender, Wake, queue};
use super::watch::{Change, Clocks, Watch};
use super::world::Step;
use crate::clock::{Clock, ns_of, position};
use crate::event::{Event, EventKind};
use crate::io::capture::{Captured, Microphone, Next, capture_ring};
use crate::io::playout::{Loudspeaker, Playout};
use crate::message::{AudioDevice, Body, Control, Message, TurnId};
use crate::meter;
use crate::stage::Stage;
use crate::{Error, Result};

const TO_TRANSCRIBE: usize = 4096;
const BETWEEN_STAGES: usize = 256;
const REPORTS: usize = 64;
const EVENTS: usize = 8192;
/// Once the caller's sound has ended, silence comes in pieces about as long as a microphone's.
const SILENCE: Duration = Duration::from_millis(10);
/// After the caller's sound has ended it is heard by then whether that was in the midst of a word.
const LAST_WORD: Duration = Duration::from_millis(500);
/// Without any sound, `listen` looks so often whether it is to end, and after the devices.
const LOOK: Duration = Duration::from_millis(100);

/// The threads of a running conversation and its two ends.
pub(crate) struct Running {
    pub(crate) microphone: Microphone,
    pub(crate) loudspeaker: Loudspeaker,
    pub(crate) controls: Controls,
    pub(crate) threads: Vec<JoinHandle<()>>,
}

/// The caller's buttons. Clones press the same.
#[derive(Clone, Debug)]
pub struct Controls {
    ears: Sender<Message>,
    clock: Clock,
}

impl Controls {
    /// Presses or lets go a button, after all that was captured until now. Does nothing once the conversation is over.
    pub fn send(&self, control: Control) {
        let message = Message { turn: TurnId::default(), at: self.clock.now(), body: Body::Control(control) };
        self.ears.send(message);
    }
}

/// Warms the stages up and starts a thread for each. The caller's sound comes at the pace of a microphone, or as the
/// application pleases.
pub(crate) fn spawn(chain: Chain, capture_rate: SampleRate, paced: bool) -> Result<Running> {
    let shutdown = chain.shutdown();
    let Chain { mut stages, turns, clock, player, loudspeaker, playout, on_event, on_step, .. } = chain;
    for stage in &mut stages {
        stage.start()?;
    }
    let (events, told) = queue(EVENTS, Policy::Refuse, Arc::default());
    let ears = Arc::<Wake>::default();
    let (reports, reported) = queue(REPORTS, Policy::Block, ears.clone());
    let (microphone, captured) = capture_ring(capture_rate, clock.clone(), turns.clone(), ears.clone());
    let controls = Controls { ears: reports.clone(), clock: clock.clone() };
    let common = Common { turns, clock, shutdown, events, reports: Some(reports), on_step };

    let mut threads = vec![thread("events", move || tell(&told, on_event))?];
    let mut link = Link::Player(Box::new(player));
    while let Some(stage) = stages.pop() {
        let name = stage.name();
        let hears = stages.is_empty();
        let mut worker = Worker { stage, link, common: common.clone(), failures: Failures::new(hears), free_ns: 0 };
        if hears {
            worker.common.reports = None;
            let (hearing, speaking) = (Watch::new(Instant::now()), Watch::new(Instant::now()));
            let clocks = Clocks::new(SystemTime::now());
            let ears = Ears { captured, reported, wake: ears, playout, paced, hearing, speaking, clocks };
            threads.push(thread(name, move || worker.listen(ears))?);
            break;
        }
        let first = stages.len() == 1;
        let (capacity, policy) = if first { (TO_TRANSCRIBE, Policy::Refuse) } else { (BETWEEN_STAGES, Policy::Block) };
        let (near, far) = queue(capacity, policy, Arc::default());
        threads.push(thread(name, move || worker.run(&far))?);
        link = if first { Link::Ears(Lossy::new(near)) } else { Link::Stage(near) };
    }
    Ok(Running { microphone, loudspeaker, controls, threads })
}

fn thread(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let builder = std::thread::Builder::new().name(name.to_owned());
    builder.spawn(body).map_err(|source| Error::Session(format!("thread {name}: {source}")))
}

fn tell(events: &Receiver<Event>, mut on_event: EventHandler) {
    while let Some(event) = events.next() {
        on_event(&event);
        let lost = events.take_lost();
        if lost > 0 {
            on_event(&Event { kind: EventKind::Overrun { queue: "events".to_owned(), lost }, ..event });
        }
    }
}

struct Worker {
    stage: Box<dyn Stage>,
    link: Link,
    common: Common,
    failures: Failures,
    /// When it was done with the message before.
    free_ns: u64,
}

struct Ears {
    captured: Captured,
    reported: Receiver<Message>,
    wake: Arc<Wake>,
    playout: Playout,
    paced: bool,
    hearing: Watch,
    speaking: Watch,
    clocks: Clocks,
}

impl Worker {
    fn run(mut self, inbox: &Receiver<Message>) {
        while let Some(message) = inbox.next() {
            self.handle(message);
            self.overrun(self.stage.name(), inbox.take_lost());
            if self.common.shutdown.stop.is_cancelled() {
                return;
            }
        }
    }

    fn listen(mut self, mut ears: Ears) {
        ears.wake.register();
        let (mut buttons, mut ended) = (VecDeque::new(), None);
        while !self.common.shutdown.stop.is_cancelled() {
            let turn = self.common.turns.current();
            if let Ok(Some(message)) = ears.reported.try_next() {
                match message.body {
                    Body::Control(_) => buttons.push_back(message),
                    _ => self.handle(message),
                }
                continue;
            }
            let next = ears.captured.next();
            let at = position(ears.captured.taken_ns());
            self.watch(&mut ears);
            let drained = !matches!(next, Next::Samples(_));
            match next {
                Next::Samples(samples) => self.handle(Message { turn, at, body: Body::Captured(samples) }),
                // They count now.
                _ if !buttons.is_empty() => {}
                Next::Closed if ended.is_none() => {
                    ended = Some(Instant::now());
                    self.handle(Message { turn, at, body: Body::CaptureEnded });
                }
                Next::Empty => std::thread::park_timeout(LOOK),
                Next::Closed if ended.is_some_and(|at| at.elapsed() >= LAST_WORD) && self.common.turns.is_idle() => {
                    return;
                }
                Next::Closed => {
                    std::thread::park_timeout(SILENCE);
                    self.silence(&mut ears.captured);
                }
            }
            // A button must not overtake what was captured before it.
            while buttons.front().is_some_and(|button: &Message| drained || button.at <= at)
                && let Some(button) = buttons.pop_front()
            {
                self.handle(button);
            }
            if let Link::Ears(next) = &mut self.link {
                next.flush();
            }
            self.overrun("capture", ears.captured.take_lost());
        }
        self.common.shutdown.now();
    }

    /// Gives the stage silence in place of what should have come until now.
    fn silence(&mut self, captured: &mut Captured) {
        let mut more = true;
        while std::mem::take(&mut more) && !self.common.shutdown.stop.is_cancelled() {
            let turn = self.common.turns.current();
            let samples = captured.fill();
            more = samples.len() as u64 == captured.longest_fill();
            self.handle(Message { turn, at: position(captured.taken_ns()), body: Body::Captured(samples) });
        }
    }

    /// Tells the stage which devices stand still, gives it silence for a microphone that does, and tells it of clocks that
    /// drift apart.
    fn watch(&mut self, ears: &mut Ears) {
        let (now, turn) = (Instant::now(), self.common.turns.current());
        let body = |change, device| match change {
            Change::Lost => Body::Lost(device),
            Change::Found => Body::Found(device),
        };
        let awaited = ears.playout.awaited();
        if let Some(change) = ears.speaking.look(ears.playout.asked(), awaited.is_some(), now) {
            let (turn, body) = (awaited.unwrap_or(turn), body(change, AudioDevice::Loudspeaker));
            self.handle(Message { turn, at: self.common.clock.now(), body });
        }
        let now_ns = self.common.clock.now_ns();
        if ears.clocks.look(SystemTime::now(), Duration::from_nanos(now_ns)) {
            self.handle(Message { turn, at: position(now_ns), body: Body::ClockMoved });
        }
        let wanted = ears.paced && !ears.captured.is_closed() && !ears.hearing.is_lost();
        if let Some(change) = ears.hearing.look(ears.captured.came(), wanted, now) {
            self.handle(Message { turn, at: self.common.clock.now(), body: body(change, AudioDevice::Microphone) });
        }
        if ears.hearing.is_lost() {
            self.silence(&mut ears.captured);
        }
    }

    fn handle(&mut self, message: Message) {
        let turn = message.turn;
        if !is_wanted(&self.common.turns, turn, &message.body) || self.failures.ended(turn, &message.body) {
            return;
        }
        let (sent_ns, taken_ns) = (ns_of(message.at.0, SampleRate::INTERNAL), self.common.clock.now_ns());
        let began = Instant::now();
        meter::take();
        let mut port = LivePort { link: &mut self.link, common: &self.common };
        self.failures.run(&mut *self.stage, message, &mut port);
        let (whole, spent) = (began.elapsed(), meter::take());
        let compute = whole.saturating_sub(spent.waiting);
        if let Some(on_step) = &self.common.on_step {
            on_step(&Step {
                stage: self.stage.name(),
                turn,
                at: position(taken_ns),
                wait: Duration::from_nanos(taken_ns.saturating_sub(sent_ns)),
                handoff: Duration::from_nanos(taken_ns.saturating_sub(sent_ns.max(self.free_ns))),
                compute,
                overhead: compute.saturating_sub(spent.models),
            });
        }
        self.free_ns = self.common.clock.now_ns();
    }

    fn overrun(&self, queue: &str, lost: u64) {
        if lost > 0 {
            let kind = EventKind::Overrun { queue: queue.to_owned(), lost };
            self.common.events.send(Event {
                at: self.common.clock.now(),
                turn: self.common.turns.current().first(),
                kind,
            });
        }
    }
}

impl Drop for Worker {
    /// Nobody waits for a stage that broke down: the conversation ends, and joining the thread tells of it.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (stage, turn) = (self.stage.name().to_owned(), self.common.turns.current().first());
            let kind = EventKind::Failed { stage, reason: "it broke down, and the conversation ends".to_owned() };
            self.common.events.send(Event { at: self.common.clock.now(), turn, kind });
            self.common.shutdown.now();
        }
    }
}
