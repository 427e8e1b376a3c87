//! The machine with what is around it.

use std::collections::VecDeque;

use rejoinder_models::llm::Role;
use rejoinder_models::units::{Position, Samples};

use super::POLICY;
use crate::dialogue::History;
use crate::io::playout::Heard;
use crate::message::{Control, TurnId};
use crate::turn::{Action, Input, Machine, Outlook, Policy, State, Verdict};

/// What can happen next to a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Time,
    Speak,
    Fall,
    Control(Control),
    Judge(Verdict),
    Look(Outlook),
    Transcript { wakes: bool, complete: bool },
    Schedule,
    Respond,
    Fail,
    Sound,
    Word,
    Silence,
    Stall,
}

#[derive(Clone, Debug, PartialEq)]
enum Work {
    Take(TurnId),
    Ahead(TurnId),
    Retract,
    Final(TurnId),
    Prompt(TurnId),
}

/// A reply on its way to the listener.
#[derive(Clone, Debug)]
struct Playing {
    turn: TurnId,
    words: Vec<String>,
    heard: usize,
    started: bool,
    over: bool,
}

/// The machine with all around it that can be late or fail: the respond stage with its real history, and playback.
#[derive(Clone)]
pub(super) struct World {
    machine: Machine,
    voice: bool,
    ducked: bool,
    released: TurnId,
    candidate: Option<TurnId>,
    open: Option<TurnId>,
    taken: TurnId,
    ended: Vec<TurnId>,
    failed: Vec<TurnId>,
    work: VecDeque<Work>,
    ahead: Option<(TurnId, History)>,
    history: History,
    unsettled: Option<TurnId>,
    playing: Option<Playing>,
    told: Vec<String>,
    /// How often a tool may yet ask to be heard later.
    schedules: usize,
}

impl World {
    pub(super) fn new(policy: Policy, schedules: usize) -> Self {
        Self {
            machine: Machine::new(policy),
            voice: false,
            ducked: false,
            released: TurnId::default(),
            candidate: None,
            open: None,
            taken: TurnId::default(),
            ended: Vec::new(),
            failed: Vec::new(),
            work: VecDeque::new(),
            ahead: None,
            history: History::new("", 10_000),
            unsettled: None,
            playing: None,
            told: Vec::new(),
            schedules,
        }
    }

    pub(super) fn steps(&self) -> Vec<Step> {
        let mut steps = vec![Step::Time, if self.voice { Step::Fall } else { Step::Speak }];
        steps.extend([Control::Press, Control::Release, Control::Mute, Control::Unmute].map(Step::Control));
        if self.machine.overlap().is_some() {
            steps.extend([Verdict::Interruption, Verdict::Backchannel, Verdict::Noise].map(Step::Judge));
        }
        if self.machine.pause().is_some() {
            steps.extend([Outlook::Complete, Outlook::Undecided, Outlook::Unfinished].map(Step::Look));
        }
        if self.machine.is_hearing() {
            let kinds = [(false, false), (false, true), (true, false)];
            steps.extend(kinds.map(|(wakes, complete)| Step::Transcript { wakes, complete }));
        }
        if self.machine.is_hearing() || self.machine.state() == State::Thinking {
            steps.push(Step::Fail);
        }
        if self.schedules > 0 {
            steps.push(Step::Schedule);
        }
        if !self.work.is_empty() {
            steps.push(Step::Respond);
        }
        let playing = self.playing.as_ref().filter(|p| p.turn <= self.released && !p.over);
        if playing.is_some() {
            steps.push(Step::Stall);
        }
        if let Some(playing) = playing.filter(|_| !self.ducked) {
            steps.push(match (playing.started, playing.heard < playing.words.len()) {
                (false, _) => Step::Sound,
                (true, true) => Step::Word,
                (true, false) => Step::Silence,
            });
        }
        steps
    }

    pub(super) fn step(&mut self, step: Step) {
        let now = self.machine.now;
        let turn = self.machine.turn();
        let input = match step {
            Step::Time => Input::Tick(now + Samples(1)),
            Step::Speak | Step::Fall => {
                self.voice = step == Step::Speak;
                if self.voice { Input::SpeechStarted(now) } else { Input::SpeechStopped(now) }
            }
            Step::Control(control) => Input::Control(control),
            Step::Judge(verdict) => Input::Judged(turn, verdict),
            Step::Look(outlook) => Input::Paused(turn, outlook),
            Step::Transcript { wakes, complete } => Input::Transcript { turn, wakes, complete },
            Step::Schedule => {
                self.schedules -= 1;
                Input::Scheduled(Some(now + Samples(2)))
            }
            Step::Fail => {
                self.failed.push(turn);
                Input::NoReply(turn)
            }
            Step::Respond => return self.respond(),
            Step::Stall => {
                let Some(playing) = &self.playing else { return };
                Input::Unheard(playing.turn)
            }
            Step::Sound | Step::Word | Step::Silence => {
                let Some(playing) = &mut self.playing else { return };
                let turn = playing.turn;
                match step {
                    Step::Sound => {
                        playing.started = true;
                        Input::AudioStarted(turn)
                    }
                    Step::Word => {
                        self.told.push(playing.words[playing.heard].clone());
                        playing.heard += 1;
                        return;
                    }
                    _ => {
                        playing.over = true;
                        Input::AudioFinished(turn)
                    }
                }
            }
        };
        self.feed(input);
    }

    fn feed(&mut self, input: Input) {
        let mut actions = Vec::new();
        self.machine.take(input, &mut actions);
        for action in actions {
            self.act(action);
        }
        if !self.machine.is_hearing() {
            assert_eq!((self.open, self.candidate), (None, None), "lost after {input:?}");
        }
        assert_eq!(self.ducked, self.machine.state() == State::Interrupted, "after {input:?}");
        let sounds = self.playing.as_ref().is_some_and(|playing| playing.started && !playing.over);
        let known = matches!(self.machine.state(), State::Speaking | State::Interrupted);
        assert!(!sounds || known, "a reply sounds in {:?}, after {input:?}", self.machine.state());
        assert_eq!(self.machine.is_hearing(), self.open.is_some() || self.candidate.is_some(), "after {input:?}");
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Begin(id, _) => {
                assert!(self.candidate.is_none() && self.open.is_none() && id > self.taken, "{action:?}");
                self.candidate = Some(id);
            }
            Action::Take(id) => {
                assert_eq!(self.candidate.take(), Some(id));
                assert!(id.number() > self.taken.number(), "{action:?}");
                (self.open, self.taken) = (Some(id), id);
                self.work.push_back(Work::Take(id));
            }
            Action::Drop(id) => {
                let dropped = self.candidate.take().or(self.open.take());
                assert_eq!(dropped, Some(id));
            }
            Action::Ask(id) => assert!(self.candidate == Some(id) || self.open == Some(id), "{action:?}"),
            Action::Start(id) => {
                assert_eq!(self.open, Some(id));
                self.work.push_back(Work::Ahead(id));
            }
            Action::Retract(id) => {
                assert!(self.open.is_some_and(|open| open < id && open.first() == id.first()), "{action:?}");
                (self.open, self.taken) = (Some(id), id);
                self.work.push_back(Work::Retract);
            }
            Action::End(id, _) => {
                assert_eq!(self.open.take(), Some(id));
                assert!(self.ended.iter().all(|ended| ended.number() < id.number()), "{id:?} is answered twice");
                self.ended.push(id);
                self.released = id;
                self.told.push(format!("c{id}"));
                self.work.push_back(Work::Final(id));
            }
            Action::Interrupt(id) => assert_eq!(id, self.taken),
            Action::Silence(id) => {
                assert!(id > self.taken && id.first() == self.taken.first(), "{action:?}");
                assert!(self.candidate.is_none_or(|candidate| candidate > id), "{action:?}");
                self.taken = id;
            }
            Action::Duck | Action::Restore => {
                assert_ne!(self.ducked, action == Action::Duck);
                self.ducked = action == Action::Duck;
            }
            Action::Prompt(id) | Action::Remind(id) => {
                assert!(id > self.taken && self.open.is_none() && self.candidate.is_none(), "{action:?}");
                (self.taken, self.released) = (id, id);
                self.work.push_back(Work::Prompt(id));
            }
        }
        self.playing = self.playing.take().filter(|playing| playing.turn >= self.taken);
    }

    fn settle(&mut self) {
        let Some(turn) = self.unsettled.take() else { return };
        let heard: usize =
            self.told.iter().filter(|word| word.starts_with(&format!("r{turn}."))).map(|w| w.len() + 1).sum();
        self.history.cut(turn, Heard::UpTo(heard.saturating_sub(1)));
    }

    /// The respond stage takes its next message.
    fn respond(&mut self) {
        match self.work.pop_front() {
            Some(Work::Take(_)) => self.settle(),
            Some(Work::Ahead(id)) => {
                let mut ahead = self.history.clone();
                ahead.heard(id, &format!("c{id}"));
                self.say(id, &mut ahead);
                self.ahead = Some((id, ahead));
            }
            Some(Work::Retract) => self.ahead = None,
            Some(Work::Final(id)) => {
                self.settle();
                match self.ahead.take().filter(|ahead| ahead.0 == id) {
                    Some((_, ahead)) => self.history = ahead,
                    None => {
                        let mut history = self.history.clone();
                        history.heard(id, &format!("c{id}"));
                        self.say(id, &mut history);
                        self.history = history;
                    }
                }
                self.unsettled = Some(id);
            }
            Some(Work::Prompt(id)) => {
                self.settle();
                let mut history = self.history.clone();
                self.say(id, &mut history);
                self.history = history;
                self.unsettled = Some(id);
            }
            None => {}
        }
    }

    fn say(&mut self, turn: TurnId, history: &mut History) {
        let words: Vec<String> = (0..3).map(|i| format!("r{turn}.{i}")).collect();
        history.said(turn, 0, &words.join(" "), None);
        if turn >= self.taken && !self.failed.contains(&turn) {
            self.playing = Some(Playing { turn, words, heard: 0, started: false, over: false });
        }
    }

    /// Lets all that is under way come to its end: the caller is silent and lets the button go.
    pub(super) fn close(&mut self) {
        if self.voice {
            self.step(Step::Fall);
        }
        self.step(Step::Control(Control::Release));
        for _ in 0..60 {
            let next = self.steps().into_iter().find(|step| {
                matches!(step, Step::Respond | Step::Sound | Step::Word | Step::Silence)
                    || *step == Step::Transcript { wakes: false, complete: true }
                        && self.machine.state() == State::Waking
            });
            let playing = next.filter(|next| !matches!(next, Step::Transcript { .. }));
            if let Some(step) = playing.or(next) {
                self.step(step);
            }
            self.step(Step::Time);
        }
        assert!(self.machine.is_idle() && self.open.is_none(), "left in {:?}", self.machine.state());
        assert!(self.work.is_empty());
        assert_eq!(self.machine.reminder, None, "never told");
    }

    /// After all is said, the history holds the caller's words and those of the assistant that were heard, in order.
    pub(super) fn check_history(&mut self) {
        self.settle();
        let kept = self.history.messages().iter().filter(|message| message.role != Role::System);
        let kept: Vec<&str> = kept.flat_map(|message| message.content.split_whitespace()).collect();
        assert_eq!(kept, self.told);
    }

    /// All that decides what can happen from here on, without how late it is and how many turns there were.
    pub(super) fn key(&self) -> impl Eq + std::hash::Hash + use<> {
        let machine = &self.machine;
        let age = |at: Position| machine.now.since(at).0.min(POLICY.max_turn.0);
        let caller = machine.caller.map(|c| {
            let times = (age(c.from), age(c.opened), c.since.map(age), c.stopped.map(age), c.spoken.0.min(1));
            (times, c.taken, c.held, c.asked, c.known, c.unfinished, c.ahead, c.starts)
        });
        let flags = (machine.failed, machine.muted, machine.own, machine.answered, machine.owed, machine.addressed);
        let work: Vec<_> = self.work.iter().map(|work| (std::mem::discriminant(work), self.is_fresh(work))).collect();
        let playing = self.playing.as_ref().map(|p| (p.turn == self.taken, p.heard, p.started, p.over));
        let idle = (machine.state == State::Listening).then(|| age(machine.silent_since));
        let reminder = (self.schedules, machine.reminder.map(|at| at.since(machine.now)));
        // What of the latest reply the history does not know yet, and whether it has failed.
        let unsettled = self.unsettled.map(|turn| (turn == self.taken, self.failed.contains(&turn)));
        let env = (
            unsettled,
            self.voice,
            self.ducked,
            self.released == self.taken,
            self.ahead.is_some(),
            work,
            playing,
            idle,
            reminder,
        );
        (machine.state, machine.reply, caller, flags, env)
    }

    fn is_fresh(&self, work: &Work) -> bool {
        match work {
            Work::Take(id) | Work::Ahead(id) | Work::Final(id) | Work::Prompt(id) => *id >= self.taken,
            Work::Retract => true,
        }
    }
}
