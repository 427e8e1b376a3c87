//! The story of each turn, told from its events.

use rejoinder_models::units::Position;
use serde::Serialize;

use crate::event::{Event, EventKind};
use crate::io::playout::SILENCE_DB;
use crate::message::{AudioDevice, TurnId};

/// When what happened in one turn. A moment that never came is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Timeline {
    /// The turn.
    pub turn: TurnId,
    /// The caller began to speak.
    pub speech_start: Option<Position>,
    /// The caller spoke for the last time.
    pub speech_end: Option<Position>,
    /// The turn was found to be over.
    pub endpoint: Option<Position>,
    /// The final transcript was there.
    pub transcript: Option<Position>,
    /// The first piece of the reply's text was there.
    pub first_token: Option<Position>,
    /// The first sample of the reply sounded.
    pub first_audio: Option<Position>,
    /// The reply fell silent, because it was over or because the caller spoke.
    pub audio_end: Option<Position>,
    /// Whether the reply was played to its end.
    pub finished: bool,
    /// Whether the caller spoke over the reply.
    pub interrupted: bool,
    /// How often somebody spoke over the reply and it was held back.
    pub ducked: usize,
    /// How many replies were begun ahead and dropped.
    pub dropped: usize,
    /// The pieces of text, about a token each, of the replies that were dropped.
    pub wasted_tokens: usize,
    /// The sound of the replies that were dropped.
    pub wasted_audio_ms: f64,
    /// Whose voice the caller's was, where it is an enrolled one.
    pub speaker: Option<String>,
    /// What the caller said.
    pub text: String,
    /// What the assistant had to say, heard or not.
    pub reply: String,
    /// What the history keeps of an interrupted reply.
    pub kept: Option<String>,
    /// The tools that were called.
    pub tools: Vec<String>,
    /// The stage that failed, and why.
    pub failed: Option<String>,
}

impl Timeline {
    /// Milliseconds from the end of the caller's speech to `moment`.
    pub fn after_speech_ms(&self, moment: Option<Position>) -> Option<f64> {
        Some(moment?.ms() - self.speech_end?.ms())
    }

    fn take(&mut self, event: &Event) {
        let at = Some(event.at);
        match &event.kind {
            EventKind::SpeechStarted { since } => self.speech_start = self.speech_start.or(Some(*since)),
            EventKind::SpeechStopped { since } => self.speech_end = Some(*since),
            EventKind::Endpoint { speech_end } => {
                self.speech_end = Some(*speech_end);
                self.endpoint = at;
            }
            EventKind::Speaker { name, .. } => self.speaker.clone_from(name),
            EventKind::Final { text, .. } => {
                self.text.clone_from(text);
                self.transcript = at;
            }
            EventKind::ReplyText { text } => {
                self.first_token = self.first_token.or(at);
                self.reply.push_str(text);
            }
            EventKind::ToolCalled { name, .. } => self.tools.push(name.clone()),
            EventKind::ReplyFinished { text } => self.reply.clone_from(text),
            EventKind::AudioStarted => self.first_audio = at,
            EventKind::AudioFinished => {
                self.finished = true;
                self.audio_end = at;
            }
            EventKind::Interrupted => {
                self.interrupted = true;
                self.audio_end = self.audio_end.or(self.first_audio.and(at));
            }
            EventKind::Kept { text } => self.kept = Some(text.clone()),
            EventKind::Failed { stage, reason } => self.failed = Some(format!("{stage}: {reason}")),
            EventKind::DeviceLost { device: device @ AudioDevice::Loudspeaker } => {
                self.audio_end = self.audio_end.or(self.first_audio.and(at));
                self.failed = Some(format!("the {device} is lost"));
            }
            EventKind::Ducked { db } => {
                self.ducked += 1;
                self.audio_end = self.first_audio.and(at).filter(|_| *db <= SILENCE_DB);
            }
            EventKind::Restored => self.audio_end = self.audio_end.filter(|_| self.finished),
            EventKind::SpeculationDropped { tokens, audio_ms } => {
                self.dropped += 1;
                self.wasted_tokens += tokens;
                self.wasted_audio_ms += audio_ms;
                self.first_token = None;
                self.reply.clear();
                self.tools.clear();
            }
            EventKind::State { .. }
            | EventKind::Spotted { .. }
            | EventKind::Degraded { .. }
            | EventKind::Paused { .. }
            | EventKind::Judged { .. }
            | EventKind::Ignored
            | EventKind::Controlled { .. }
            | EventKind::Prompted
            | EventKind::Reminded
            | EventKind::SpeculationStarted { .. }
            | EventKind::SpeculationKept
            | EventKind::Partial { .. }
            | EventKind::ToolReturned { .. }
            | EventKind::ToolTakenBack { .. }
            | EventKind::Scheduled { .. }
            | EventKind::WordPlayed { .. }
            | EventKind::NoReply
            | EventKind::DeviceLost { .. }
            | EventKind::DeviceFound { .. }
            | EventKind::EchoDelay { .. }
            | EventKind::Overrun { .. } => {}
        }
    }
}

/// The timelines of a conversation, in the order of its turns. What was said and turned out to be no turn has none.
#[derive(Clone, Debug, Default)]
pub struct Timelines(Vec<Timeline>);

impl Timelines {
    /// Takes the next event of the conversation.
    pub fn take(&mut self, event: &Event) {
        if event.turn == TurnId::default() {
            return;
        }
        let at = self.0.partition_point(|line| line.turn < event.turn);
        match event.kind {
            EventKind::Ignored => return self.0.retain(|line| line.turn != event.turn),
            EventKind::Partial { .. }
            | EventKind::Controlled { .. }
            | EventKind::DeviceLost { device: AudioDevice::Microphone }
            | EventKind::DeviceFound { .. }
            | EventKind::EchoDelay { .. }
            | EventKind::State { .. } => return,
            _ => {}
        }
        if self.0.get(at).is_none_or(|line| line.turn != event.turn) {
            self.0.insert(at, Timeline { turn: event.turn, ..Timeline::default() });
        }
        self.0[at].take(event);
    }

    /// The turns so far.
    pub fn turns(&self) -> &[Timeline] {
        &self.0
    }

    /// One turn.
    pub fn get(&self, turn: TurnId) -> Option<&Timeline> {
        self.0.binary_search_by_key(&turn, |line| line.turn).ok().map(|at| &self.0[at])
    }

    /// Forgets all but the last so many turns.
    pub fn keep_last(&mut self, turns: usize) {
        self.0.drain(..self.0.len().saturating_sub(turns));
    }
}

impl<'a> FromIterator<&'a Event> for Timelines {
    fn from_iter<I: IntoIterator<Item = &'a Event>>(events: I) -> Self {
        let mut lines = Self::default();
        events.into_iter().for_each(|event| lines.take(event));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audio_end(kinds: &[(u64, EventKind)]) -> Option<Position> {
        let event =
            |(at, kind): &(u64, EventKind)| Event { at: Position(*at), turn: TurnId::new(1), kind: kind.clone() };
        let events: Vec<Event> = kinds.iter().map(event).collect();
        Timelines::from_iter(&events).turns()[0].audio_end
    }

    #[test]
    fn a_reply_that_was_held_back_ends_with_its_last_sample_whatever_comes_first() {
        let ducked = EventKind::Ducked { db: SILENCE_DB };
        let held = [(1, EventKind::AudioStarted), (5, ducked.clone()), (7, EventKind::Restored)];
        assert_eq!(audio_end(&held[..2]), Some(Position(5)));
        assert_eq!(audio_end(&held), None);
        let finished =
            [(1, EventKind::AudioStarted), (5, ducked), (6, EventKind::AudioFinished), (7, EventKind::Restored)];
        assert_eq!(audio_end(&finished), Some(Position(6)));
    }
}
