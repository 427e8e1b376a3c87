//! How good a conversation was, in numbers.

use std::collections::BTreeMap;
use std::fmt;

use rejoinder_models::text::TextForm;
use rejoinder_models::units::{Position, SampleRate, Samples};
use serde::Serialize;

use super::line::Record;
use super::match_turns::Matched;
use super::scenario::Kind;
use crate::event::EventKind;
use crate::run::world::Step;
use crate::timeline::Timeline;
use rejoinder_models::quantiles::Quantiles;

/// A reply that goes on for longer than this after an interruption began has not yielded; one that stops within this
/// time of what the caller did stopped because of it.
const YIELD: Samples = Samples(16_000);
/// A reply of which no more than this is left when somebody interrupts it, 300 ms, ends by itself.
const REST: Samples = Samples(SampleRate::INTERNAL.get() as u64 * 3 / 10);
/// A caller who speaks again within this time has not waited for an answer.
const ANSWER: Samples = Samples(40_000);

/// How often something happened, of how often it could have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Rate {
    /// How often it happened.
    pub count: usize,
    /// How often it could have.
    pub of: usize,
}

impl Rate {
    /// The share, 0 where it could not have happened.
    pub fn share(self) -> f64 {
        self.count as f64 / self.of.max(1) as f64
    }

    fn add(&mut self, happened: bool) {
        self.count += usize::from(happened);
        self.of += 1;
    }
}

/// What replies were begun ahead of the end of a turn, and what was in vain of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Speculation {
    /// How many were begun.
    pub started: usize,
    /// How many became the turn's.
    pub kept: usize,
    /// How many were dropped, for the caller went on.
    pub dropped: usize,
    /// Pieces of text, about a token each, that were made in vain.
    pub wasted_tokens: usize,
    /// Sound that was made in vain.
    pub wasted_audio_ms: f64,
}

/// What the stages of a conversation did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StageFigures {
    /// How long messages waited for the stage.
    pub wait_ms: Quantiles,
    /// How long the stage worked on a message.
    pub compute_ms: Quantiles,
    /// How long that took outside of its model, with the time to wake it.
    pub overhead_ms: Quantiles,
}

/// The figures of a conversation.
///
/// Times count from the truth: from the last sample of the caller's sound, before the room, to the first sample of the
/// reply that can be heard; from the first sample of an interruption to the last of the reply.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// From the end of the caller's speech to the reply.
    pub voice_to_voice_ms: Quantiles,
    /// The same of each utterance that was answered, by its number among all that want an answer.
    pub voice_to_voice_by_utterance_ms: BTreeMap<usize, f64>,
    /// Of that, from the end of speech to the end of the turn.
    pub endpoint_ms: Quantiles,
    /// … from the end of the turn to the final transcript.
    pub transcript_ms: Quantiles,
    /// … from there to the first piece of text that is spoken, with the tools that are called.
    pub first_token_ms: Quantiles,
    /// … from there to the first sound.
    pub first_audio_ms: Quantiles,
    /// From the beginning of an interruption to silence.
    pub barge_in_ms: Quantiles,
    /// The pipeline's own share of the time from the end of a turn to the reply: what no model took, and the waking of stages;
    /// none where the reply was made before and waited for the end.
    pub overhead_ms: Quantiles,
    /// The same of a single message on its way through a stage.
    pub message_overhead_ms: Quantiles,
    /// How long a message waits for a stage that is at work.
    pub queue_wait_ms: Quantiles,
    /// Utterances that were taken to be over before they were.
    pub false_cutoffs: Rate,
    /// When those turns were taken for over, in seconds of the conversation.
    pub false_cutoffs_at_s: Vec<f64>,
    /// Replies that were stopped although nobody spoke to the assistant.
    pub false_interruptions: Rate,
    /// Of those, by what the caller did.
    pub false_interruptions_by: BTreeMap<String, usize>,
    /// Interruptions to which the assistant did not yield within a second.
    pub missed_barge_ins: Rate,
    /// When those began, in seconds of the conversation.
    pub missed_barge_ins_at_s: Vec<f64>,
    /// Turns in which something was taken for speech while the caller did nothing, of those in which something was.
    pub ghosts: Rate,
    /// Of those, how many got a reply: the assistant has answered itself, or a noise.
    pub ghost_replies: Rate,
    /// Utterances that got no answer.
    pub unanswered: Rate,
    /// Errors of the transcripts, of the words of utterances that share no turn with others; none of what was not heard at all
    /// is right.
    pub word_errors: Rate,
    /// The same of interruptions alone.
    pub interruption_word_errors: Rate,
    /// What full queues lost, of the messages that were handled.
    pub overruns: Rate,
    /// Replies that were begun ahead.
    pub speculation: Speculation,
    /// The stages.
    pub stages: BTreeMap<String, StageFigures>,
    /// The length of the conversation.
    pub seconds: f64,
    /// Utterances that want an answer.
    pub utterances: usize,
}

impl Figures {
    /// Those of a conversation.
    pub fn of(record: &Record) -> Self {
        let matched = Matched::new(record);
        let mut figures = Self {
            seconds: record.length.ms() / 1e3,
            utterances: record.said.iter().filter(|said| said.kind.is_turn()).count(),
            ..Self::default()
        };
        figures.answers(&matched);
        figures.barge_ins(&matched);
        figures.words(&matched);
        figures.false_interruptions(&matched);
        figures.machinery(&matched);
        figures
    }

    fn answers(&mut self, matched: &Matched<'_>) {
        let mut parts: [Vec<f64>; 5] = Default::default();
        let said = &matched.record.said;
        let utterances = said.iter().enumerate().filter(|(_, words)| words.kind.is_turn());
        for (number, (act, words)) in utterances.enumerate() {
            let next = said[act + 1..].iter().find(|said| said.kind.is_turn());
            let waits = next.is_none_or(|next| next.start.since(words.end) >= ANSWER);
            let Some(turn) = matched.turns_of(act).last() else {
                self.unanswered.add(true);
                continue;
            };
            let cut = matched.turns_of(act).filter_map(|turn| turn.endpoint).find(|at| *at < words.end);
            self.false_cutoffs.add(cut.is_some());
            self.false_cutoffs_at_s.extend(cut.map(|at| at.ms() / 1e3));
            if matched.last_words_of(turn) != Some(act) {
                continue;
            }
            if waits || turn.first_audio.is_some() {
                self.unanswered.add(turn.first_audio.is_none());
            }
            let moments = path(turn, words.end, matched).filter(|path| path.is_sorted());
            if let Some(moments) = moments {
                self.voice_to_voice_by_utterance_ms.insert(number, moments[4].ms() - moments[0].ms());
                for (part, step) in parts.iter_mut().zip(moments.windows(2)) {
                    part.push(step[1].ms() - step[0].ms());
                }
                parts[4].extend(overhead_of(turn, matched.record));
            }
        }
        self.voice_to_voice_ms = self.voice_to_voice_by_utterance_ms.values().copied().collect();
        let [endpoint, transcript, token, audio, overhead] = parts.map(Quantiles::from_iter);
        (self.endpoint_ms, self.transcript_ms, self.first_token_ms) = (endpoint, transcript, token);
        (self.first_audio_ms, self.overhead_ms) = (audio, overhead);
    }

    fn words(&mut self, matched: &Matched<'_>) {
        for (act, words) in matched.record.said.iter().enumerate() {
            let turns: Vec<&Timeline> = matched.turns_of(act).collect();
            let shared = turns.iter().any(|turn| matched.holds_others(turn, act));
            if !words.kind.is_turn() || words.text.is_empty() || shared {
                continue;
            }
            let heard: Vec<&str> = turns.iter().map(|turn| turn.text.as_str()).collect();
            let [said, heard] = [&words.text, &heard.join(" ")].map(|text| TextForm::English.normalise(text));
            let errors = TextForm::English.errors(&said, &heard);
            let rates = [&mut self.word_errors, &mut self.interruption_word_errors];
            for rate in rates.into_iter().take(if words.kind == Kind::Interrupt { 2 } else { 1 }) {
                rate.count += errors.errors();
                rate.of += errors.reference();
            }
        }
    }

    fn barge_ins(&mut self, matched: &Matched<'_>) {
        let mut delays = Vec::new();
        for words in matched.record.said.iter().filter(|said| said.kind.is_turn()) {
            let Some((turn, sound)) = matched.replies().find(|(_, sound)| sound.contains(&words.start)) else {
                continue;
            };
            let left = sound.end.since(words.start);
            // So short a rest is over before anybody could yield.
            if !turn.interrupted && left <= REST {
                continue;
            }
            let yielded = turn.interrupted && left <= YIELD;
            self.missed_barge_ins.add(!yielded);
            if yielded {
                let silent = matched.audible_until(sound.end).unwrap_or(sound.end);
                // Where the reply was in a pause, nothing was left to fall silent.
                let delay = silent.since(words.start);
                delays.extend((delay.0 > 0).then(|| delay.ms(SampleRate::INTERNAL)));
            } else {
                self.missed_barge_ins_at_s.push(words.start.ms() / 1e3);
            }
        }
        self.barge_in_ms = delays.into_iter().collect();
    }

    fn false_interruptions(&mut self, matched: &Matched<'_>) {
        for (turn, sound) in matched.replies() {
            let stopped = turn.interrupted;
            let doing: Vec<Kind> = matched.doing(sound.end, YIELD).map(|said| said.kind).collect();
            // The words that the reply answers were over when it began.
            let spoke = matched.doing(sound.end, YIELD).any(|said| said.kind.is_turn() && said.end > sound.start);
            if stopped && spoke {
                continue;
            }
            self.false_interruptions.add(stopped);
            if stopped {
                let cause = match doing.iter().rev().find(|kind| !kind.is_turn()) {
                    Some(Kind::Backchannel) => "backchannel",
                    Some(_) => "cough",
                    None => "nothing",
                };
                *self.false_interruptions_by.entry(cause.to_owned()).or_default() += 1;
            }
        }
        let spoken = matched.turns.iter().filter(|turn| turn.speech_start.is_some());
        self.ghosts = Rate { count: matched.ghosts().count(), of: spoken.count() };
        let answered = matched.ghosts().filter(|turn| turn.first_audio.is_some()).count();
        self.ghost_replies = Rate { count: answered, of: self.ghosts.count };
    }

    fn machinery(&mut self, matched: &Matched<'_>) {
        let record = matched.record;
        self.message_overhead_ms = record.steps.iter().map(overhead).collect();
        self.queue_wait_ms = record.steps.iter().map(|step| ms(step.wait.saturating_sub(step.handoff))).collect();
        let mut stages: BTreeMap<&str, Vec<&Step>> = BTreeMap::new();
        for step in &record.steps {
            stages.entry(step.stage).or_default().push(step);
        }
        self.stages = stages
            .into_iter()
            .map(|(stage, steps)| {
                let figures = StageFigures {
                    wait_ms: steps.iter().map(|step| ms(step.wait)).collect(),
                    compute_ms: steps.iter().map(|step| ms(step.compute)).collect(),
                    overhead_ms: steps.iter().map(|step| overhead(step)).collect(),
                };
                (stage.to_owned(), figures)
            })
            .collect();
        self.overruns.of = record.steps.len();
        for event in &record.events {
            let of = &mut self.speculation;
            match event.kind {
                EventKind::Overrun { lost, .. } => self.overruns.count += lost as usize,
                EventKind::SpeculationStarted { .. } => of.started += 1,
                EventKind::SpeculationKept => of.kept += 1,
                EventKind::SpeculationDropped { tokens, audio_ms } => {
                    of.dropped += 1;
                    of.wasted_tokens += tokens;
                    of.wasted_audio_ms += audio_ms;
                }
                _ => {}
            }
        }
    }
}

/// The moments on the way to an answer: end of speech, end of turn, transcript, first text, first sound.
fn path(turn: &Timeline, end: Position, matched: &Matched<'_>) -> Option<[Position; 5]> {
    let audible = matched.audible_from(turn.first_audio?)?;
    let mut moments = [end, turn.endpoint?, turn.transcript?, turn.first_token?, audible];
    // What was begun ahead of the end of the turn takes no time after it.
    for step in 2..4 {
        moments[step] = moments[step].max(moments[step - 1]).min(audible.max(moments[step - 1]));
    }
    Some(moments)
}

/// What no model took between the end of a turn and the first sound of its reply, in milliseconds.
fn overhead_of(turn: &Timeline, record: &Record) -> Option<f64> {
    let (from, until) = (turn.endpoint?, turn.first_audio?);
    // What `listen` handles meanwhile does not stand in the way.
    let on_the_way =
        |step: &&Step| step.turn.first() == turn.turn && step.stage != "listen" && step.at >= from && step.at < until;
    Some(record.steps.iter().filter(on_the_way).map(overhead).fold(0.0, |sum, own| sum + own))
}

fn overhead(step: &Step) -> f64 {
    ms(step.overhead + step.handoff)
}

fn ms(time: std::time::Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} utterances in {:.0} s of conversation", self.utterances, self.seconds)?;
        writeln!(f, "{:<52}{:>9}{:>9}{:>9}{:>7}", "milliseconds", "p50", "p95", "p99", "n")?;
        for (name, quantiles) in [
            ("voice to voice", self.voice_to_voice_ms),
            ("  end of speech to end of turn", self.endpoint_ms),
            ("  end of turn to final transcript", self.transcript_ms),
            ("  final transcript to first text", self.first_token_ms),
            ("  first text to first sound", self.first_audio_ms),
            ("barge-in", self.barge_in_ms),
            ("the pipeline's own share of a turn", self.overhead_ms),
            ("the pipeline's own share of a message", self.message_overhead_ms),
            ("queue wait of a message", self.queue_wait_ms),
        ] {
            let Quantiles { p50, p95, p99, n } = quantiles;
            match n {
                0 => writeln!(f, "{name:<52}{:>9}{:>9}{:>9}{n:>7}", "–", "–", "–")?,
                _ => writeln!(f, "{name:<52}{p50:>9.2}{p95:>9.2}{p99:>9.2}{n:>7}")?,
            }
        }
        let causes: Vec<_> = self.false_interruptions_by.iter().map(|(by, count)| format!("{by} {count}")).collect();
        let causes = if causes.is_empty() { String::new() } else { format!("   ({})", causes.join(", ")) };
        for (name, rate, more) in [
            ("false cut-offs, of utterances", self.false_cutoffs, ""),
            ("false interruptions, of replies", self.false_interruptions, causes.as_str()),
            ("missed barge-ins, of interruptions", self.missed_barge_ins, ""),
            ("turns in which nobody spoke", self.ghosts, ""),
            ("  that got a reply", self.ghost_replies, ""),
            ("unanswered, of utterances", self.unanswered, ""),
            ("word errors of transcripts, of words", self.word_errors, ""),
            ("  of interruptions", self.interruption_word_errors, ""),
            ("lost by full queues, of messages", self.overruns, ""),
        ] {
            let share = if rate.of == 0 { "–".to_owned() } else { format!("{:.1}", 100.0 * rate.share()) };
            writeln!(f, "{name:<52}{share:>7} %{:>9} of {}{more}", rate.count, rate.of)?;
        }
        let Speculation { started, kept, dropped, wasted_tokens, wasted_audio_ms } = self.speculation;
        let wasted_s = wasted_audio_ms / 1e3;
        writeln!(
            f,
            "replies begun ahead: {started}, kept {kept}, dropped {dropped}, with {wasted_tokens} tokens and {wasted_s:.1} s of sound"
        )
    }
}

#[cfg(test)]
mod tests;
