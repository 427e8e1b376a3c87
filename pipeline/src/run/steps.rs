//! Virtual time: the same stages on one thread, one step after another. What a step costs is added to the clock, so a
//! long conversation runs as fast as the machine can, and with fixed costs it comes out the same every time.
//!
//! Each stage is taken to have a core of its own, as its thread has live. Work of a reply that was interrupted is
//! taken to end at once. What is outside of the assistant is a [`World`].

mod port;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use port::{Out, StepPort};
use rejoinder_models::units::SampleRate;

use super::chain::{Chain, Failures, is_true, is_wanted};
use super::cost::Cost;
use super::world::{Step, World};
use crate::Result;
use crate::clock::{ns_of, position, samples_at};
use crate::event::{Event, EventKind};
use crate::message::{Body, Message, TurnId};
use crate::meter;
use crate::stage::{Effect, Stage};

/// The caller's sound comes in pieces of this length, as from a microphone.
const BLOCK: Duration = Duration::from_millis(10);

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
    Act(Effect),
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
    failures: Failures,
    cost: Option<(Duration, Duration)>,
}

struct Steps<'a> {
    chain: Chain,
    slots: Vec<Slot>,
    heap: BinaryHeap<Reverse<Item>>,
    order: u64,
    now: u64,
    world: &'a mut dyn World,
    captured: usize,
    played: usize,
    sound: Vec<f32>,
}

/// Runs a conversation in a world, until that says that it is over.
pub(crate) fn run(mut chain: Chain, world: &mut dyn World, cost: Cost) -> Result<()> {
    let mut slots = Vec::new();
    for mut stage in std::mem::take(&mut chain.stages) {
        stage.start()?;
        let cost = cost.of(stage.name());
        let failures = Failures::new(slots.is_empty());
        slots.push(Slot { stage, inbox: VecDeque::new(), running: None, epoch: 0, failures, cost });
    }
    let (heap, sound) = (BinaryHeap::new(), Vec::new());
    let mut steps = Steps { chain, slots, heap, order: 0, now: 0, world, captured: 0, played: 0, sound };
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
    Ok(())
}

impl Steps<'_> {
    fn schedule(&mut self, at: u64, work: Work) {
        self.order += 1;
        self.heap.push(Reverse(Item { at, order: self.order, work }));
    }

    /// Moves the clock on, and plays what sounds until then.
    fn advance(&mut self, to: u64) {
        let rate = self.chain.loudspeaker.sample_rate();
        let speed = 1.0 + self.world.drift_ppm() * 1e-6;
        let until = (samples_at(to, rate) as f64 * speed) as usize;
        if until > self.played {
            self.sound.clear();
            self.sound.resize(until - self.played, 0.0);
            let began = ns_of((self.played as f64 / speed) as u64, rate);
            self.chain.loudspeaker.pull_heard(&mut self.sound, began);
            self.played = until;
            self.world.played(&self.sound);
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
            Work::Act(effect) => {
                effect.apply(&self.chain.turns, &self.chain.playout);
                if matches!(effect, Effect::Raise(_)) {
                    self.cancel_stale();
                }
            }
        }
    }

    fn capture(&mut self) {
        let idle = self.is_idle();
        self.chain.player.pump();
        self.work(self.slots.len() - 1);
        let until = samples_at(self.now, self.world.sample_rate()) as usize;
        let mut samples = vec![0.0; until - self.captured];
        self.captured = until;
        self.world.capture(&mut samples);
        let body = Body::Captured(samples);
        self.step(Work::Deliver(0, Message { turn: self.chain.turns.current(), at: position(self.now), body }));
        if !self.world.is_over(self.now, idle) {
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
        let event = Event { turn: turn.first(), ..event };
        self.world.event(&event);
        (self.chain.on_event)(&event);
    }

    /// Lets a stage take its next message, unless it is busy or what it made has no place yet.
    fn work(&mut self, index: usize) {
        let last = index + 1 == self.slots.len();
        while self.slots[index].running.is_none() && (!last || self.chain.player.pump()) {
            let Some((since, message)) = self.slots[index].inbox.pop_front() else { return };
            let ended = self.slots[index].failures.ended(message.turn, &message.body);
            if is_wanted(&self.chain.turns, message.turn, &message.body) && !ended {
                self.handle(index, since, message);
            }
        }
    }

    fn handle(&mut self, index: usize, since: u64, message: Message) {
        let turn = message.turn;
        let cancellable = message.body.is_reply() || matches!(message.body, Body::Ahead(_) | Body::Final(_));
        let slot = &mut self.slots[index];
        let Chain { turns, stop, .. } = &self.chain;
        let began = Instant::now();
        meter::take();
        let mut port = StepPort { turns, stop, cost: slot.cost, began, base: self.now, out: Vec::new() };
        slot.failures.run(&mut *slot.stage, message, &mut port);
        let end = port.time();
        slot.running = Some(if cancellable { turn } else { TurnId::LAST });
        slot.epoch += 1;
        let epoch = slot.epoch;
        let step = Step {
            stage: slot.stage.name(),
            turn,
            at: position(self.now),
            wait: Duration::from_nanos(self.now - since),
            handoff: Duration::ZERO,
            compute: Duration::from_nanos(end - self.now),
            // With fixed costs a run repeats to the byte, its figures included.
            overhead: match slot.cost {
                Some(_) => Duration::ZERO,
                None => began.elapsed().saturating_sub(meter::take().models),
            },
        };
        self.world.step(&step);
        if let Some(on_step) = &self.chain.on_step {
            on_step(&step);
        }
        let next = index + 1;
        for (at, result) in port.out {
            let work = match result {
                Out::Message(message) if next == self.slots.len() => Work::Play(message),
                Out::Message(message) => Work::Deliver(next, message),
                Out::Event(event) => Work::Tell(event),
                Out::Effect(effect) => Work::Act(effect),
            };
            self.schedule(at, work);
        }
        self.schedule(end, Work::Free(index, epoch));
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
