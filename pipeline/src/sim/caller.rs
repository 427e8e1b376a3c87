//! A caller who follows a script and reacts to what the assistant does.

use std::ops::Range;

use rejoinder_models::units::{Position, SampleRate, Samples};
use serde::{Serialize, Serializer};

use super::scenario::{Kind, Scenario};
use super::script::{Cue, Script};
use super::voices::Voices;
use crate::event::{Event, EventKind, as_ms};

/// What the caller did, and when in truth. As JSON: one object, with all times in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Said {
    /// What kind of act it was.
    pub kind: Kind,
    /// The recording.
    pub clip: String,
    /// Its words, where they are known.
    pub text: String,
    /// The first sample of its sound.
    #[serde(rename = "start_ms", serialize_with = "as_ms::serialize")]
    pub start: Position,
    /// The sample after the last of its sound.
    #[serde(rename = "end_ms", serialize_with = "as_ms::serialize")]
    pub end: Position,
    /// Where sound was: all but pauses of 150 ms and more.
    #[serde(rename = "sounding_ms", serialize_with = "spans")]
    pub sounding: Vec<Range<Position>>,
}

fn spans<S: Serializer>(spans: &[Range<Position>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(spans.iter().map(|span| [span.start.ms(), span.end.ms()]))
}

/// A caller: gives the sound that leaves the lips, and remembers the truth about it.
pub(crate) struct Caller {
    script: Script,
    patience: Samples,
    next: Option<Cue>,
    speaking: Option<(Vec<f32>, usize)>,
    /// All that was said so far. What is being said has its end already.
    said: Vec<Said>,
    now: Position,
    floor: Floor,
}

/// Who speaks, as the caller sees it.
#[derive(Clone, Copy, Debug, Default)]
struct Floor {
    /// The caller's last words end here.
    words_end: Position,
    /// The reply to them began to sound.
    reply: Option<Position>,
    /// A reply sounds.
    sounding: bool,
    /// Nothing more comes: the reply was played, or there will be none.
    done: Option<Position>,
}

impl Caller {
    pub(crate) fn new(scenario: &Scenario, voices: &Voices) -> crate::Result<Self> {
        let mut script = Script::new(scenario, voices)?;
        let next = script.next()?;
        let patience = Samples::from_ms(scenario.caller.patience_ms, SampleRate::INTERNAL);
        let floor = Floor { done: Some(Position(0)), ..Floor::default() };
        Ok(Self { script, patience, next, speaking: None, said: Vec::new(), now: Position(0), floor })
    }

    pub(crate) fn said(&self) -> &[Said] {
        &self.said
    }

    pub(crate) fn into_said(self) -> Vec<Said> {
        self.said
    }

    /// Forgets what was said before `until`.
    pub(crate) fn forget(&mut self, until: Position) {
        self.said.retain(|said| said.end >= until);
    }

    /// Whether the script is over and the last words have had their time to be answered.
    pub(crate) fn is_done(&self) -> bool {
        self.next.is_none() && self.speaking.is_none() && self.floor_is_free()
    }

    /// The caller hears, or sees, what the assistant does.
    pub(crate) fn event(&mut self, event: &Event) {
        let floor = &mut self.floor;
        match event.kind {
            EventKind::AudioStarted => {
                floor.sounding = true;
                if self.speaking.is_none() && event.at >= floor.words_end {
                    floor.reply = floor.reply.or(Some(event.at));
                }
            }
            EventKind::Interrupted if floor.sounding => floor.sounding = false,
            EventKind::AudioFinished | EventKind::NoReply | EventKind::Failed { .. } | EventKind::DeviceLost { .. } => {
                floor.sounding &= event.kind != EventKind::AudioFinished;
                // Turns that a noise opens get no reply, however many there are; the caller does not wait for them.
                let counts = event.kind == EventKind::AudioFinished || floor.done.is_none();
                if self.speaking.is_none() && !floor.sounding && counts {
                    floor.done = Some(event.at.max(floor.words_end));
                }
            }
            _ => {}
        }
    }

    fn floor_is_free(&self) -> bool {
        let Floor { words_end, sounding, done, .. } = self.floor;
        !sounding && (done.is_some() || self.now.since(words_end) >= self.patience)
    }

    /// Fills a block with the caller's voice, without the room.
    pub(crate) fn speak(&mut self, block: &mut [f32]) -> crate::Result<()> {
        block.fill(0.0);
        let end = self.now + Samples(block.len() as u64);
        while self.speaking.is_none() {
            let Some(at) = self.due().filter(|at| *at < end) else { break };
            self.begin(at.max(self.now))?;
        }
        if let Some((sound, at)) = &mut self.speaking {
            let starts = self.said.last().map_or(self.now, |said| said.start);
            let offset = starts.since(self.now).0 as usize;
            let count = (block.len() - offset).min(sound.len() - *at);
            block[offset..offset + count].copy_from_slice(&sound[*at..*at + count]);
            *at += count;
            if *at == sound.len() {
                self.speaking = None;
            }
        }
        self.now = end;
        Ok(())
    }

    /// When the next act is due: none while what it waits for has not come.
    fn due(&mut self) -> Option<Position> {
        let cue = self.next.as_mut()?;
        let Floor { words_end, reply, sounding, done } = self.floor;
        let free = !sounding && (done.is_some() || self.now.since(words_end) >= self.patience);
        let over = done.unwrap_or(words_end + self.patience).max(words_end);
        match cue.kind {
            Kind::GoOn => Some(words_end + cue.after),
            Kind::Say | Kind::ClearThroat | Kind::Wait => free.then(|| over + cue.after),
            Kind::Interrupt if free => {
                // There is nothing to interrupt.
                cue.kind = Kind::Say;
                Some(over + cue.after)
            }
            Kind::Backchannel | Kind::Cough if free => {
                cue.sound = None;
                Some(over)
            }
            Kind::Interrupt | Kind::Backchannel | Kind::Cough => {
                reply.filter(|_| sounding).map(|reply| reply + cue.after)
            }
        }
    }

    fn begin(&mut self, start: Position) -> crate::Result<()> {
        let Some(cue) = self.next.take() else { return Ok(()) };
        self.next = self.script.next()?;
        let Some(sound) = cue.sound else {
            if cue.kind == Kind::Wait {
                self.floor.done = Some(start);
            }
            return Ok(());
        };
        let end = start + Samples(sound.samples.len() as u64);
        let at = |sample: usize| start + Samples(sample as u64);
        let sounding = sound.sounding.iter().map(|part| at(part.start)..at(part.end)).collect();
        self.said.push(Said { kind: cue.kind, clip: cue.clip, text: cue.text, start, end, sounding });
        if cue.kind.is_turn() {
            self.floor = Floor { words_end: end, reply: None, sounding: self.floor.sounding, done: None };
        } else if self.floor.done.is_some() {
            self.floor.done = Some(end);
        }
        self.speaking = Some((sound.samples, 0));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::TurnId;
    use crate::sim::scenario::Act;

    const BLOCK: usize = 160;

    fn caller(acts: &[(Kind, f64)]) -> Caller {
        let act = |&(kind, after_ms): &(Kind, f64)| {
            let clip = kind.is_turn().then(|| "time".to_owned());
            Act { kind, clip, after_ms, pause_ms: None }
        };
        let scenario = Scenario { turns: 0, act: acts.iter().map(act).collect(), ..Scenario::default() };
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/caller");
        Caller::new(&scenario, &Voices::open(folder).unwrap()).unwrap()
    }

    fn run(caller: &mut Caller, ms: u64) -> Vec<f32> {
        let mut sound = Vec::new();
        for _ in 0..ms / 10 {
            let mut block = [0.0; BLOCK];
            caller.speak(&mut block).unwrap();
            sound.extend(block);
        }
        sound
    }

    fn tell(caller: &mut Caller, kind: EventKind) {
        let event = Event { at: caller.now, turn: TurnId::new(1), kind };
        caller.event(&event);
    }

    #[test]
    fn words_begin_and_end_where_the_truth_says() {
        let mut caller = caller(&[(Kind::Say, 503.0)]);
        let sound = run(&mut caller, 3_000);
        let said = caller.said()[0].clone();
        assert_eq!(said.start.ms(), 503.0);
        let (first, last) = (sound.iter().position(|x| *x != 0.0), sound.iter().rposition(|x| *x != 0.0));
        assert!(
            first.unwrap().abs_diff(said.start.0 as usize) <= 2 && last.unwrap().abs_diff(said.end.0 as usize) <= 3
        );
    }

    #[test]
    fn a_caller_waits_for_the_reply_and_interrupts_it_in_its_time() {
        let mut caller = caller(&[(Kind::Say, 100.0), (Kind::Interrupt, 300.0), (Kind::Say, 200.0)]);
        run(&mut caller, 3_000);
        assert_eq!(caller.said().len(), 1);
        tell(&mut caller, EventKind::AudioStarted);
        let reply = caller.now;
        run(&mut caller, 1_000);
        assert_eq!(caller.said()[1].kind, Kind::Interrupt);
        assert_eq!(caller.said()[1].start, reply + Samples(4_800));
        tell(&mut caller, EventKind::Interrupted);
        run(&mut caller, 2_000);
        assert_eq!(caller.said().len(), 2, "the interruption is not answered yet");
        tell(&mut caller, EventKind::AudioStarted);
        run(&mut caller, 1_000);
        tell(&mut caller, EventKind::AudioFinished);
        let done = caller.now;
        run(&mut caller, 500);
        assert_eq!(caller.said()[2].start, done + Samples(3_200));
        run(&mut caller, 2_000);
        assert!(!caller.is_done());
        run(&mut caller, 6_000);
        assert!(caller.is_done(), "the caller's patience is over");
    }

    #[test]
    fn without_a_reply_an_interruption_is_said_and_a_sign_of_attention_is_not() {
        let mut caller = caller(&[(Kind::Say, 0.0), (Kind::Backchannel, 100.0), (Kind::Interrupt, 100.0)]);
        run(&mut caller, 2_000);
        tell(&mut caller, EventKind::NoReply);
        run(&mut caller, 2_000);
        let kinds: Vec<_> = caller.said().iter().map(|said| said.kind).collect();
        assert_eq!(kinds, [Kind::Say, Kind::Say]);
    }

    #[test]
    fn turns_without_a_reply_that_noise_opens_hold_nobody_up() {
        let mut caller = caller(&[(Kind::Say, 0.0), (Kind::Say, 1_500.0)]);
        run(&mut caller, 3_000);
        for _ in 0..4 {
            tell(&mut caller, EventKind::NoReply);
            run(&mut caller, 1_000);
        }
        assert_eq!(caller.said().len(), 2);
    }

    #[test]
    fn words_that_are_added_do_not_wait_for_an_answer() {
        let mut caller = caller(&[(Kind::Say, 0.0), (Kind::GoOn, 700.0)]);
        run(&mut caller, 4_000);
        let [first, second] = caller.said() else { panic!("two utterances") };
        assert_eq!(second.start, first.end + Samples(11_200));
    }
}
