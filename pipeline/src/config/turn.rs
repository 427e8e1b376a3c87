//! What was written about turn-taking, and what it means.

use rejoinder_models::units::{SampleRate, Samples};
use serde::{Deserialize, Serialize};

use super::within;
use crate::io::playout::{LEAD_MS, SILENCE_DB};
use crate::turn::{EndRule, Phrase, Policy, RuleJudgeConfig, TurnTaking};

/// Who may take the floor, and when a turn is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawTurn {
    /// A turn in which the caller spoke for less than this gets no answer. Default: 0.
    pub min_speech_ms: f64,
    /// Silence after which a turn may be over, so that a reply may be begun ahead. Default: 200.
    pub min_silence_ms: f64,
    /// Silence that ends a turn, unless a detector of turn ends takes it for unfinished. Default: 600.
    pub hangover_ms: f64,
    /// Silence that ends a turn, whatever such a detector says. Default: twice `hangover_ms`.
    pub patience_ms: Option<f64>,
    /// A longer turn is cut here. Default: 30,000.
    pub max_turn_ms: f64,
    /// Sound before the detected beginning that belongs to a turn. Default: 200.
    pub preroll_ms: f64,
    /// Whether the caller is not listened to while a reply is on its way or sounds. Default: no.
    pub half_duplex: bool,
    /// Whether only the talk button opens and closes turns. Default: no.
    pub push_to_talk: bool,
    /// What ends a turn sooner. Default: nothing, silence alone decides.
    pub end: Option<RawEnd>,
    /// What happens when the caller is silent after a reply. Default: nothing.
    pub no_answer: Option<RawNoAnswer>,
    /// The phrase without which nobody is answered. Default: none is needed.
    pub wake: Option<RawWake>,
}

impl Default for RawTurn {
    fn default() -> Self {
        let TurnTaking { policy, preroll_ms, .. } = TurnTaking::default();
        Self {
            min_speech_ms: ms(policy.min_speech),
            min_silence_ms: ms(policy.min_silence),
            hangover_ms: ms(policy.hangover),
            patience_ms: None,
            max_turn_ms: ms(policy.max_turn),
            preroll_ms,
            half_duplex: policy.half_duplex,
            push_to_talk: policy.push_to_talk,
            end: None,
            no_answer: None,
            wake: None,
        }
    }
}

/// A model that tells whether a turn is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawEnd {
    /// A bundle's name, its folder, or a published file of Smart Turn.
    pub model: String,
    /// The probability from which a turn is over. Default: 0.7.
    #[serde(default = "end_threshold")]
    pub threshold: f32,
    /// A shorter silence is never the end of a turn: some sounds are silent for as long within a word. Default: 150, or
    /// `turn.hangover_ms` where that is less.
    pub after_ms: Option<f64>,
    /// The probability below which a turn is unfinished, so that the silence may last for `patience_ms`. Default:
    /// 0.2, or `threshold` where that is less.
    pub unfinished: Option<f32>,
}

fn end_threshold() -> f32 {
    EndRule::default().threshold
}

/// What happens when the caller is silent after a reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawNoAnswer {
    /// How long the caller may be silent.
    pub after_ms: f64,
    /// What the assistant asks then, once. Default: "Are you still there?"
    #[serde(default = "prompt")]
    pub prompt: String,
}

fn prompt() -> String {
    TurnTaking::default().prompt
}

/// What opens a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawWake {
    /// The phrase. It is looked for in the transcript, where no model listens for it.
    pub phrase: String,
    /// The bundle of a keyword spotter, by name or folder, that knows the phrase. Default: none.
    #[serde(default)]
    pub model: Option<String>,
    /// The probability from which on the spotter's word opens the conversation. Default: the model's own.
    #[serde(default)]
    pub threshold: Option<f32>,
    /// How long after a reply no phrase is needed. Default: 10,000.
    #[serde(default = "follow_up_ms")]
    pub follow_up_ms: f64,
}

fn follow_up_ms() -> f64 {
    10_000.0
}

/// What happens when somebody speaks over a reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawInterruption {
    /// How long speech over a reply must last before the reply is held back: a dip costs less than a turn that begins by
    /// mistake. Default: `segments.min_speech_ms`.
    pub min_speech_ms: Option<f64>,
    /// The detector's probability from which sound over a reply is speech that holds it back, 0 to 1. Soft beginnings are
    /// heard sooner with a low one, and so is noise: it counts where nothing but speech came near to it in the last five
    /// seconds that nobody spoke in, and rises to the detector's own where noise did. Default: that of `vad.hysteresis`.
    pub threshold: Option<f32>,
    /// How long after the onset of speech it is decided at the latest what it is. Default: 1,200.
    pub window_ms: f64,
    /// The gain of the reply until then, in decibels; from -60 on it stands still, and goes on where it stopped.
    /// Default: -60.
    pub duck_db: f64,
    /// How interruptions are told from backchannels and noise.
    pub judge: RuleJudgeConfig,
}

impl Default for RawInterruption {
    fn default() -> Self {
        let TurnTaking { policy, duck_db, overlap_ms, overlap_threshold, .. } = TurnTaking::default();
        let window_ms = ms(policy.judge_window);
        Self {
            min_speech_ms: overlap_ms,
            threshold: overlap_threshold,
            window_ms,
            duck_db,
            judge: RuleJudgeConfig::default(),
        }
    }
}

/// Replies that are begun before it is certain that the caller is done. Both settings bound the work that may turn out
/// to be wasted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawSpeculation {
    /// How many replies may be begun ahead in one turn; 0 for none. Default: 2.
    pub max_starts: u32,
    /// How much sound of such a reply may be made, beyond its first piece. Default: 2,000.
    pub max_held_ms: f64,
}

impl Default for RawSpeculation {
    fn default() -> Self {
        let TurnTaking { policy, max_held_ms, .. } = TurnTaking::default();
        Self { max_starts: policy.max_starts, max_held_ms }
    }
}

/// What the three sections mean together.
pub(super) fn resolve(
    turn: &RawTurn,
    interruption: &RawInterruption,
    speculation: &RawSpeculation,
) -> Result<TurnTaking, String> {
    within("turn.min_speech_ms", turn.min_speech_ms, 0.0, 10_000.0)?;
    within("turn.hangover_ms", turn.hangover_ms, 1.0, 10_000.0)?;
    let patience_ms = turn.patience_ms.unwrap_or(2.0 * turn.hangover_ms);
    within("turn.patience_ms", patience_ms, turn.hangover_ms, 20_000.0)?;
    below("turn.min_silence_ms", turn.min_silence_ms, "turn.hangover_ms", turn.hangover_ms)?;
    within("turn.max_turn_ms", turn.max_turn_ms, 1_000.0, 600_000.0)?;
    within("turn.preroll_ms", turn.preroll_ms, 0.0, 2_000.0)?;
    within("interruption.window_ms", interruption.window_ms, 100.0, 5_000.0)?;
    if let Some(ms) = interruption.min_speech_ms {
        within("interruption.min_speech_ms", ms, 0.0, 1_000.0)?;
        below("interruption.min_speech_ms", ms, "interruption.window_ms", interruption.window_ms)?;
    }
    if let Some(threshold) = interruption.threshold {
        within("interruption.threshold", f64::from(threshold), 0.0, 1.0)?;
    }
    within("interruption.duck_db", interruption.duck_db, -120.0, 0.0)?;
    within("speculation.max_starts", f64::from(speculation.max_starts), 0.0, 100.0)?;
    within("speculation.max_held_ms", speculation.max_held_ms, 0.0, LEAD_MS)?;
    let end = turn.end.as_ref().map(|end| rule(end, turn)).transpose()?.unwrap_or_default();
    judge(&interruption.judge, interruption.window_ms)?;
    if turn.push_to_talk && turn.wake.is_some() {
        return Err("turn.wake: a phrase opens nothing where turn.push_to_talk is set; leave one out".to_owned());
    }
    let no_answer = match &turn.no_answer {
        Some(no_answer) => {
            within("turn.no_answer.after_ms", no_answer.after_ms, 1_000.0, 600_000.0)?;
            let spoken = no_answer.prompt.chars().any(char::is_alphanumeric);
            spoken.then_some(no_answer).ok_or("turn.no_answer.prompt: expected something to say, found nothing")?;
            Some(samples(no_answer.after_ms))
        }
        None => None,
    };
    let (wake, follow_up) = match &turn.wake {
        Some(wake) => {
            within("turn.wake.follow_up_ms", wake.follow_up_ms, 0.0, 600_000.0)?;
            let phrase = Phrase::new(&wake.phrase).ok_or("turn.wake.phrase: expected words, found none")?;
            if let Some(threshold) = wake.threshold {
                within("turn.wake.threshold", f64::from(threshold), 0.0, 1.0)?;
                wake.model.as_ref().ok_or("turn.wake.threshold: nothing to compare it with; name turn.wake.model")?;
            }
            (Some(phrase), Some(samples(wake.follow_up_ms)))
        }
        None => (None, None),
    };
    if let (Some(no_answer), Some(wake)) = (&turn.no_answer, &turn.wake)
        && no_answer.after_ms > wake.follow_up_ms
    {
        let (found, most) = (no_answer.after_ms, wake.follow_up_ms);
        return Err(format!(
            "turn.no_answer.after_ms: expected at most {most}, as turn.wake.follow_up_ms is, after which the \
             conversation is over, found {found}"
        ));
    }
    let policy = Policy {
        min_speech: samples(turn.min_speech_ms),
        min_silence: samples(turn.min_silence_ms),
        hangover: samples(turn.hangover_ms),
        patience: samples(patience_ms),
        max_turn: samples(turn.max_turn_ms),
        no_answer,
        half_duplex: turn.half_duplex,
        push_to_talk: turn.push_to_talk,
        follow_up,
        judge_window: samples(interruption.window_ms),
        max_starts: speculation.max_starts,
    };
    Ok(TurnTaking {
        policy,
        preroll_ms: turn.preroll_ms,
        end,
        wake,
        prompt: turn.no_answer.as_ref().map_or_else(prompt, |no_answer| no_answer.prompt.clone()),
        overlap_ms: interruption.min_speech_ms,
        overlap_threshold: interruption.threshold,
        duck_db: interruption.duck_db.max(SILENCE_DB),
        max_held_ms: speculation.max_held_ms,
    })
}

fn rule(end: &RawEnd, turn: &RawTurn) -> Result<EndRule, String> {
    within("turn.end.threshold", f64::from(end.threshold), 0.0, 1.0)?;
    let unfinished = end.unfinished.unwrap_or_else(|| EndRule::default().unfinished.min(end.threshold));
    within("turn.end.unfinished", f64::from(unfinished), 0.0, f64::from(end.threshold))?;
    let after_ms = end.after_ms.unwrap_or_else(|| ms(EndRule::default().after).min(turn.hangover_ms));
    within("turn.end.after_ms", after_ms, 0.0, turn.hangover_ms)?;
    Ok(EndRule { threshold: end.threshold, after: samples(after_ms), unfinished })
}

fn judge(config: &RuleJudgeConfig, window_ms: f64) -> Result<(), String> {
    let key = |name: &str| format!("interruption.judge.{name}");
    for (name, words) in [("backchannels", &config.backchannels), ("commands", &config.commands)] {
        let odd = words.iter().find(|word| !crate::turn::is_spoken_word(word));
        odd.map_or(Ok(()), |word| Err(format!("{}: expected single words in lower case, found {word:?}", key(name))))?;
    }
    let times = [
        ("sure_ms", config.sure_ms),
        ("noise_ms", config.noise_ms),
        ("min_ms", config.min_ms),
        ("settle_ms", config.settle_ms),
    ];
    for (name, ms) in times {
        within(&key(name), ms, 0.0, 10_000.0)?;
        if ms > window_ms {
            return Err(format!(
                "{}: expected at most {window_ms}, as interruption.window_ms is, at whose end all that sounds is an \
                 interruption, found {ms}",
                key(name)
            ));
        }
    }
    within(&key("answer_ms"), config.answer_ms, 0.0, 10_000.0)?;
    within(&key("confidence"), f64::from(config.confidence), 0.0, 1.0)?;
    within(&key("voiced"), f64::from(config.voiced), 0.0, 1.0)?;
    within(&key("probability"), f64::from(config.probability), 0.0, 1.0)
}

/// Refuses a time that leaves none until another, after which it decides nothing.
fn below(key: &str, ms: f64, other: &str, limit_ms: f64) -> Result<(), String> {
    within(key, ms, 0.0, f64::INFINITY)?;
    match ms < limit_ms {
        true => Ok(()),
        false => Err(format!("{key}: expected less than {limit_ms}, as {other} is, found {ms}")),
    }
}

fn ms(samples: Samples) -> f64 {
    samples.ms(SampleRate::INTERNAL)
}

fn samples(ms: f64) -> Samples {
    Samples::from_ms(ms, SampleRate::INTERNAL)
}
