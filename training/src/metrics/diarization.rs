use std::ops::AddAssign;

use super::assign;

/// A stretch in which somebody speaks.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// Who.
    pub speaker: String,
    /// From when.
    pub start_s: f64,
    /// Until when.
    pub end_s: f64,
}

/// What counts of a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DiarizationConfig {
    /// What lies so near to the beginning or end of a turn of the reference does not count. Default: 0.25, as in
    /// SpeechBrain's `DER`.
    pub collar_s: f64,
    /// Whether what two or more say at once does not count. Default: false.
    pub ignore_overlap: bool,
}

impl Default for DiarizationConfig {
    fn default() -> Self {
        Self { collar_s: 0.25, ignore_overlap: false }
    }
}

/// Seconds, in which each speaker counts. Those of several recordings add up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DiarizationErrors {
    /// Of the reference's speakers, all that counts.
    pub scored_s: f64,
    /// Speakers that the hypothesis lacks.
    pub missed_s: f64,
    /// Speakers that the hypothesis has too many.
    pub false_alarm_s: f64,
    /// Speakers taken for others.
    pub confusion_s: f64,
}

impl DiarizationErrors {
    /// The diarisation error rate: all errors for each second that counts. Where none counts it is 0 without errors, and
    /// 1 otherwise.
    pub fn rate(&self) -> f64 {
        self.share(self.missed_s + self.false_alarm_s + self.confusion_s)
    }

    /// What some of the errors come to for each second that counts.
    pub fn share(&self, errors_s: f64) -> f64 {
        match self.scored_s > 0.0 {
            true => errors_s / self.scored_s,
            false => f64::from(u8::from(errors_s > 0.0)),
        }
    }
}

impl AddAssign for DiarizationErrors {
    fn add_assign(&mut self, other: Self) {
        self.scored_s += other.scored_s;
        self.missed_s += other.missed_s;
        self.false_alarm_s += other.false_alarm_s;
        self.confusion_s += other.confusion_s;
    }
}

/// Compares who speaks when in one recording, as NIST's `md-eval.pl` (version 22), which SpeechBrain's `DER` runs.
///
/// Speakers of the hypothesis are assigned to those of the reference so that they speak together for the longest time.
/// From the reference's first beginning to its last end all counts that the config does not leave out; what the
/// hypothesis says before and after does not.
pub fn diarization_errors(reference: &[Turn], hypothesis: &[Turn], config: &DiarizationConfig) -> DiarizationErrors {
    let (spoken, heard) = (Speakers::of(reference), Speakers::of(hypothesis));
    let changes = changes([&spoken, &heard], config.collar_s);
    let mut together = vec![0.0; spoken.count() * heard.count()];
    each_stretch(&changes, [&spoken, &heard], |stretch| {
        for one in stretch.speakers(0) {
            for other in stretch.speakers(1) {
                together[one * heard.count() + other] += stretch.seconds;
            }
        }
    });
    let taken_for = assign(&together, heard.count());
    let mut errors = DiarizationErrors::default();
    each_stretch(&changes, [&spoken, &heard], |stretch| {
        let [speak, found] = [stretch.speakers(0).count(), stretch.speakers(1).count()];
        if stretch.state.collars > 0 || (config.ignore_overlap && speak > 1) {
            return;
        }
        let is_right = |speaker: &usize| {
            let other = taken_for.get(*speaker).copied().flatten();
            other.is_some_and(|other| stretch.state.turns[1][other] > 0)
        };
        let right = stretch.speakers(0).filter(is_right).count();
        errors += DiarizationErrors {
            scored_s: stretch.seconds * speak as f64,
            missed_s: stretch.seconds * speak.saturating_sub(found) as f64,
            false_alarm_s: stretch.seconds * found.saturating_sub(speak) as f64,
            confusion_s: stretch.seconds * (speak.min(found) - right) as f64,
        };
    });
    errors
}

/// Turns with their speakers as numbers.
struct Speakers {
    /// Speaker, beginning and end.
    turns: Vec<(usize, f64, f64)>,
    names: Vec<String>,
}

impl Speakers {
    fn of(turns: &[Turn]) -> Self {
        let mut names: Vec<String> = turns.iter().map(|turn| turn.speaker.clone()).collect();
        names.sort();
        names.dedup();
        let number = |turn: &Turn| names.partition_point(|name| *name < turn.speaker);
        Self { turns: turns.iter().map(|turn| (number(turn), turn.start_s, turn.end_s)).collect(), names }
    }

    fn count(&self) -> usize {
        self.names.len()
    }
}

/// What begins (1) or ends (-1) at a moment.
enum Change {
    /// The turn of a speaker, of the reference (0) or the hypothesis (1).
    Turn { side: usize, speaker: usize, by: i32 },
    /// A collar.
    Collar { by: i32 },
}

/// All changes, in the order of time.
fn changes(sides: [&Speakers; 2], collar_s: f64) -> Vec<(f64, Change)> {
    let mut changes = Vec::new();
    for (side, speakers) in sides.into_iter().enumerate() {
        for &(speaker, start, end) in &speakers.turns {
            changes.push((start, Change::Turn { side, speaker, by: 1 }));
            changes.push((end, Change::Turn { side, speaker, by: -1 }));
        }
    }
    for at in sides[0].turns.iter().flat_map(|(_, start, end)| [*start, *end]) {
        changes.push((at - collar_s, Change::Collar { by: 1 }));
        changes.push((at + collar_s, Change::Collar { by: -1 }));
    }
    changes.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    changes
}

/// What is going on.
struct State {
    /// How many turns each speaker has, of the reference and of the hypothesis.
    turns: [Vec<i32>; 2],
    /// How many collars there are.
    collars: i32,
}

/// Some time in which nothing changes.
struct Stretch<'a> {
    seconds: f64,
    state: &'a State,
}

impl Stretch<'_> {
    /// Who speaks, on a side.
    fn speakers(&self, side: usize) -> impl Iterator<Item = usize> {
        let turns = self.state.turns[side].iter().enumerate();
        turns.filter(|(_, turns)| **turns > 0).map(|(speaker, _)| speaker)
    }
}

/// Walks from change to change, within the reference.
fn each_stretch(changes: &[(f64, Change)], sides: [&Speakers; 2], mut visit: impl FnMut(&Stretch<'_>)) {
    let starts = sides[0].turns.iter().map(|(_, start, _)| *start);
    let (first, last) = (
        starts.fold(f64::INFINITY, f64::min),
        sides[0].turns.iter().fold(f64::NEG_INFINITY, |last, (_, _, end)| last.max(*end)),
    );
    let mut state = State { turns: sides.map(|side| vec![0; side.count()]), collars: 0 };
    let mut since = first;
    for (at, change) in changes {
        let at = at.max(first).min(last);
        if at > since {
            visit(&Stretch { seconds: at - since, state: &state });
            since = at;
        }
        match change {
            Change::Turn { side, speaker, by } => state.turns[*side][*speaker] += by,
            Change::Collar { by } => state.collars += by,
        }
    }
}
