//! Virtual time: the same stages on one thread, one step after another. What a step costs is added to the clock, so a
//! long conversation runs as fast as the machine can, and with fixed costs it comes out the same every time.
//!
//! Each stage is taken to have a core of its own, as its thread has live. Work of a reply that was interrupted is
//! taken to end at once.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rejoinder_models::audio::Clip;
use rejoinder_models::llm::Cancel;
use rejoinder_models::units::{Position, SampleRate};

use super::chain::{Chain, flow, is_true, is_wanted};
use crate::Result;
use crate::clock::{ns_of, position, samples_at};
use crate::event::{Event, EventKind};
use crate::message::{Body, Message, TurnId, Turns};
use crate::stage::{Outbox, Port, Stage};

/// The caller is given this long after the recording's end for the endpoint to be found.
const TAIL: Duration = Duration::from_millis(1_500);
/// A conversation that does not come to rest is ended this long after the recording's end.
const LIMIT: Duration = Duration::from_secs(120);
/// The recording comes in pieces of this length, as from a microphone.
const BLOCK: Duration = Duration::from_millis(10);

/// What a step costs in virtual time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// As long as it took.
    Measured,
    /// Always the same, so that a run repeats exactly.
    Fixed {
        /// Each message that a stage handles.
        step: Duration,
        /// Each message that a stage sends meanwhile, on top.
        output: Duration,
    },
}

/// What a stage did in a conversation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StageStats {
    /// The stage.
    pub name: String,
    /// How long it worked on each message.
    pub compute: Vec<Duration>,
    /// How long each message waited for it.
    pub wait: Vec<Duration>,
}

/// What a conversation in virtual time left behind.
#[derive(Clone, Debug)]
pub(crate) struct Played {
    /// What the listener would have heard, from the moment that capture began.
    pub sound: Clip,
    /// What each stage did, in the order of the chain.
    pub stages: Vec<StageStats>,
}

struct Item {
    at: u64,
    order: u64,
    work: Work,
}

enum Work {
    Microphone,
    Deliver(usize, Message),
    Play(Message),
    Free(usize, u64),
    Tell(Event),
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl Eq for Item {}
impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Item {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

struct Slot {
    stage: Box<dyn Stage>,
    inbox: VecDeque<(u64, Message)>,
    running: Option<TurnId>,
    epoch: u64,
    failed: Option<TurnId>,
    stats: StageStats,
}

struct Steps<'a> {
    chain: Chain,
    slots: Vec<Slot>,
    heap: BinaryHeap<Reverse<Item>>,
    order: u64,
    now: u64,
    cost: Cost,
    clip: &'a Clip,
    captured: usize,
    sound: Vec<f32>,
}

/// Runs a conversation with a recording as its caller.
pub(crate) fn run(mut chain: Chain, clip: &Clip, cost: Cost) -> Result<Played> {
    let mut slots = Vec::new();
    for mut stage in std::mem::take(&mut chain.stages) {
        stage.start()?;
        let stats = StageStats { name: stage.name().to_owned(), ..StageStats::default() };
        slots.push(Slot { stage, inbox: VecDeque::new(), running: None, epoch: 0, failed: None, stats });
    }
    let heap = BinaryHeap::new();
    let mut steps = Steps { chain, slots, heap, order: 0, now: 0, cost, clip, captured: 0, sound: Vec::new() };
    steps.schedule(BLOCK.as_nanos() as u64, Work::Microphone);
    for (at, control) in std::mem::take(&mut steps.chain.controls) {
        let message = Message { turn: TurnId::default(), at, body: Body::Control(control) };
        steps.schedule(ns_of(at.0, SampleRate::INTERNAL), Work::Deliver(0, message));
    }
    while let Some(Reverse(item)) = steps.heap.pop() {
        if steps.chain.stop.is_cancelled() {
            break;
        }
        steps.advance(item.at);
        steps.step(item.work);
    }
    let rate = steps.chain.loudspeaker.sample_rate();
    let stages = steps.slots.into_iter().map(|slot| slot.stats).collect();
    Ok(Played { sound: Clip::new(steps.sound, rate), stages })
}

impl Steps<'_> {
    fn schedule(&mut self, at: u64, work: Work) {
        self.order += 1;
        self.heap.push(Reverse(Item { at, order: self.order, work }));
    }

    /// Moves the clock on, and plays what sounds until then.
    fn advance(&mut self, to: u64) {
        let rate = self.chain.loudspeaker.sample_rate();
        let from = self.sound.len();
        let until = samples_at(to, rate) as usize;
        if until > from {
            self.sound.resize(until, 0.0);
            self.chain.loudspeaker.pull_heard(&mut self.sound[from..], ns_of(from as u64, rate));
        }
        self.now = to;
        self.chain.clock.set_ns(to);
    }

    fn step(&mut self, work: Work) {
        match work {
            Work::Microphone => self.capture(),
            Work::Deliver(stage, message) => {
                self.slots[stage].inbox.push_back((self.now, message));
                self.work(stage);
            }
            Work::Play(message) => {
                let turn = message.turn;
                if let Err(error) = self.chain.player.take(message) {
                    let kind = EventKind::Failed { stage: "play".to_owned(), reason: error.to_string() };
                    self.tell(Event { at: position(self.now), turn, kind });
                }
                self.chain.player.pump();
            }
            Work::Free(stage, epoch) => {
                if self.slots[stage].epoch == epoch {
                    self.slots[stage].running = None;
                    self.work(stage);
                }
            }
            Work::Tell(event) => self.tell(event),
        }
    }

    fn capture(&mut self) {
        let idle = self.is_idle();
        self.chain.player.pump();
        self.work(self.slots.len() - 1);
        let rate = self.clip.rate;
        let until = samples_at(self.now, rate) as usize;
        let samples = (self.captured..until).map(|i| self.clip.samples.get(i).copied().unwrap_or(0.0)).collect();
        self.captured = until;
        let body = Body::Captured(samples);
        self.step(Work::Deliver(0, Message { turn: self.chain.turns.current(), at: position(self.now), body }));
        let end = ns_of(self.clip.samples.len() as u64, rate);
        let over = self.now >= end + TAIL.as_nanos() as u64 && idle;
        if !over && self.now < end + LIMIT.as_nanos() as u64 {
            self.schedule(self.now + BLOCK.as_nanos() as u64, Work::Microphone);
        }
    }

    fn is_idle(&self) -> bool {
        self.heap.is_empty()
            && self.chain.turns.is_idle()
            && self.slots.iter().all(|slot| slot.inbox.is_empty() && slot.running.is_none())
    }

    fn tell(&mut self, event: Event) {
        let turn = event.turn;
        if !is_true(&self.chain.turns, turn, &event.kind) {
            return;
        }
        if let Some(body) = event.kind.report() {
            self.schedule(self.now, Work::Deliver(0, Message { turn, at: position(self.now), body }));
        }
        (self.chain.on_event)(&Event { turn: turn.first(), ..event });
    }

    /// Lets a stage take its next message, unless it is busy or what it made has no place yet.
    fn work(&mut self, index: usize) {
        let last = index + 1 == self.slots.len();
        while self.slots[index].running.is_none() && (!last || self.chain.player.pump()) {
            let Some((since, message)) = self.slots[index].inbox.pop_front() else { return };
            let failed = self.slots[index].failed.is_some_and(|failed| message.turn <= failed);
            if is_wanted(&self.chain.turns, message.turn, &message.body) && !failed {
                self.handle(index, since, message);
            }
        }
    }

    fn handle(&mut self, index: usize, since: u64, message: Message) {
        let turn = message.turn;
        let cancellable = message.body.is_reply() || matches!(message.body, Body::Ahead(_) | Body::Final(_));
        let slot = &mut self.slots[index];
        let Chain { turns, stop, .. } = &self.chain;
        let mut port =
            StepPort { turns, stop, cost: self.cost, began: Instant::now(), base: self.now, out: Vec::new() };
        if let Err(error) = slot.stage.handle(message, &mut Outbox::new(&mut port)) {
            let stage = slot.stage.name().to_owned();
            port.event(None, turn, EventKind::Failed { stage, reason: error.to_string() });
            let _ = port.send(turn, Body::SoundEnd);
            slot.failed = (index > 0).then_some(turn);
        }
        let end = port.time();
        slot.running = Some(if cancellable { turn } else { TurnId::LAST });
        slot.epoch += 1;
        slot.stats.wait.push(Duration::from_nanos(self.now - since));
        slot.stats.compute.push(Duration::from_nanos(end - self.now));
        let epoch = slot.epoch;
        let next = index + 1;
        for (at, result) in port.out {
            let work = match result {
                Out::Message(message) if next == self.slots.len() => Work::Play(message),
                Out::Message(message) => Work::Deliver(next, message),
                Out::Event(event) => Work::Tell(event),
            };
            self.schedule(at, work);
        }
        self.schedule(end, Work::Free(index, epoch));
        if index == 0 {
            self.cancel_stale();
        }
    }

    /// Frees the stages that work for a reply that nobody wants any more.
    fn cancel_stale(&mut self) {
        let current = self.chain.turns.current();
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if slot.running.is_some_and(|turn| turn < current) {
                slot.epoch += 1;
                let epoch = slot.epoch;
                self.order += 1;
                self.heap.push(Reverse(Item { at: self.now, order: self.order, work: Work::Free(index, epoch) }));
            }
        }
    }
}

enum Out {
    Message(Message),
    Event(Event),
}

struct StepPort<'a> {
    turns: &'a Turns,
    stop: &'a Cancel,
    cost: Cost,
    began: Instant,
    base: u64,
    out: Vec<(u64, Out)>,
}

impl StepPort<'_> {
    fn time(&self) -> u64 {
        let spent = match self.cost {
            Cost::Measured => self.began.elapsed(),
            Cost::Fixed { step, output } => {
                let sent = self.out.iter().filter(|(_, out)| matches!(out, Out::Message(_))).count();
                step + output * sent as u32
            }
        };
        self.base + spent.as_nanos() as u64
    }
}

impl Port for StepPort<'_> {
    fn send(&mut self, turn: TurnId, body: Body) -> ControlFlow<()> {
        let is_reply = body.is_reply();
        let at = self.time();
        self.out.push((at, Out::Message(Message { turn, at: position(at), body })));
        flow(self.turns, self.stop, turn, is_reply)
    }

    fn event(&mut self, at: Option<Position>, turn: TurnId, kind: EventKind) {
        let at = at.unwrap_or_else(|| self.now());
        self.out.push((self.time(), Out::Event(Event { at, turn, kind })));
    }

    fn now(&self) -> Position {
        position(self.time())
    }
}
