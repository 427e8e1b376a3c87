//! What the assistant tells of its own accord, and when.

use rejoinder_models::llm::tools::Moment;
use rejoinder_models::units::Position;

use crate::dialogue::Toolbox;
use crate::io::playout::Heard;
use crate::message::TurnId;

/// What has become due, is told, and is told again where nobody heard it.
#[derive(Default)]
pub(super) struct Reminders {
    /// When there will be something to tell, as far as `listen` knows.
    scheduled: Option<Due>,
    /// What became due and was told in this turn.
    told: Option<(TurnId, Vec<String>)>,
    /// What nobody heard of that, to be told once more.
    untold: Vec<String>,
    /// What is told for the second time.
    again: Vec<String>,
}

/// When there will be something to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// Now: what nobody heard is told again.
    Again(Position),
    Moment(Moment),
}

impl Reminders {
    /// When there will be something to tell, or that there will be nothing, where `listen` does not know that yet.
    pub(super) fn news(&mut self, tools: &Toolbox, now: Position) -> Option<Option<Position>> {
        let (due, at) = match self.untold.is_empty() {
            true => (tools.next_due().map(Due::Moment), tools.next_due_at(now)),
            false => (Some(Due::Again(now)), Some(now)),
        };
        let known = std::mem::replace(&mut self.scheduled, due);
        (due != known).then_some(at)
    }

    /// What is due at a moment is due at another position than before. Tells whether anything is.
    pub(super) fn clock_moved(&mut self) -> bool {
        matches!(self.scheduled.take(), Some(Due::Moment(_)))
    }

    /// `listen` asks what is due, and forgets what was scheduled when it does.
    pub(super) fn asked(&mut self) {
        self.scheduled = None;
    }

    /// What is to be told now.
    pub(super) fn due(&mut self, tools: &mut Toolbox, now: Position) -> Vec<String> {
        self.again = std::mem::take(&mut self.untold);
        self.again.iter().cloned().chain(tools.due(now)).collect()
    }

    /// These were told as one text, which is returned.
    pub(super) fn told(&mut self, turn: TurnId, sentences: Vec<String>) -> String {
        let text = sentences.join(" ");
        self.told = Some((turn, sentences));
        text
    }

    /// It is known what was heard of a turn. Tells whether something of it has to be told again.
    pub(super) fn settle(&mut self, turn: TurnId, heard: Heard) -> bool {
        let Some((_, told)) = self.told.take_if(|(of, _)| *of == turn) else { return false };
        let again = std::mem::take(&mut self.again);
        let once = unheard(told, heard).into_iter().filter(|sentence| !again.contains(sentence));
        self.untold.extend(once);
        !self.untold.is_empty()
    }
}

/// Of what was told as one text, all that begins where nothing was heard any more: who speaks over a reminder has noticed
/// it.
fn unheard(told: Vec<String>, heard: Heard) -> Vec<String> {
    let Heard::UpTo(heard) = heard else { return Vec::new() };
    let mut end = 0;
    let starts = told.into_iter().map(|sentence| {
        let start = end;
        end += sentence.len() + 1;
        (start, sentence)
    });
    starts.filter(|(start, _)| *start >= heard).map(|(_, sentence)| sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_reminders_those_that_nobody_heard_are_told_once_more() {
        let told = || ["Your tea timer is done.", "Your egg timer is done."].map(str::to_owned).to_vec();
        let text = Reminders::default().told(TurnId::default(), told());
        let heard = |upto: &str| unheard(told(), Heard::UpTo(text.find(upto).map_or(0, |at| at + upto.len()))).len();
        assert_eq!([heard(""), heard("Your"), heard("tea timer is done."), heard("Your egg")], [2, 1, 1, 0]);
        assert!(unheard(told(), Heard::Whole).is_empty());
    }
}
