//! Is speech over a reply an interruption?

use std::f32::consts::TAU;

use rejoinder_models::units::{SampleRate, Samples};
use serde::{Deserialize, Serialize};

use super::phrase::spans;

/// What speech over a reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The caller wants the floor.
    Interruption,
    /// The caller only shows that they listen.
    Backchannel,
    /// It is no speech.
    Noise,
}

/// All that is known of the sound over a reply.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The sound from its onset up to now, at 16 kHz in [-1, 1].
    pub sound: &'a [f32],
    /// The voice activity detector's probability for each 10 ms of `sound`.
    pub probabilities: &'a [f32],
    /// How long it has been silent, by the detector; none while it goes on.
    pub silence: Option<Samples>,
    /// The transcript so far.
    pub text: &'a str,
    /// The recogniser's mean probability for the words of the transcript, 0 to 1.
    pub confidence: f32,
    /// Whether the transcript takes in all of the sound up to the silence.
    pub complete: bool,
    /// How much of the reply is left to be heard, where all of it is synthesized.
    pub left: Option<Samples>,
}

/// Tells interruptions from backchannels and noise: immutable and shared.
pub trait Judge: Send + Sync {
    /// Takes what is known after each 10 ms of sound; none while it is not enough. [`Verdict::Backchannel`] counts
    /// once the sound has stopped.
    fn judge(&self, evidence: &Evidence<'_>) -> Option<Verdict>;
}

/// What a [`RuleJudge`] goes by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuleJudgeConfig {
    /// Words that, alone or together, are no interruption: signs of attention, and words that say nothing by
    /// themselves, for which such signs are mistaken.
    pub backchannels: Vec<String>,
    /// How many such words may come together. Default: 3.
    pub max_words: usize,
    /// Words by which a reply is stopped, however short: half the confidence is enough for them.
    pub commands: Vec<String>,
    /// A backchannel in the last so many milliseconds of a reply answers it. Default: 700.
    pub answer_ms: f64,
    /// Sound like a voice that lasts for so many milliseconds is an interruption, whatever its words.
    /// Default: 1,000.
    pub sure_ms: f64,
    /// Other sound is noise once it has lasted for so many milliseconds. Default: 1,000.
    pub noise_ms: f64,
    /// Shorter sound, in milliseconds, is noise, whatever its words. Default: 150.
    pub min_ms: f64,
    /// Sound is over, so that its words are judged, once it has been silent for so many milliseconds. Default: 150.
    pub settle_ms: f64,
    /// Words of which the recogniser is less sure than this probability, 0 to 1, do not count. Default: 0.5.
    pub confidence: f32,
    /// The share of the sound, 0 to 1, that must be voiced to be like a voice; half of it where there are words.
    /// Default: 0.5.
    pub voiced: f32,
    /// The mean probability of speech, 0 to 1, of sound that is like a voice; half of it where there are words.
    /// Default: 0.75.
    pub probability: f32,
}

impl Default for RuleJudgeConfig {
    fn default() -> Self {
        let backchannels = "mhm mmhm mm hmm hm um uh huh uhhuh ah oh yeah yes yep yup right okay ok sure good great \
                            nice cool wow really exactly see i fine true alright you the a to it is";
        let commands = "stop wait no cancel quiet enough hold hush pause silence";
        let list = |words: &str| words.split_whitespace().map(str::to_owned).collect();
        Self {
            backchannels: list(backchannels),
            max_words: 3,
            commands: list(commands),
            answer_ms: 700.0,
            sure_ms: 1_000.0,
            noise_ms: 1_000.0,
            min_ms: 150.0,
            settle_ms: 150.0,
            confidence: 0.5,
            voiced: 0.5,
            probability: 0.75,
        }
    }
}

/// Judges by rules: words decide where there are any; where there are none, how long the sound lasts and whether it is
/// like a voice.
#[derive(Clone, Debug, Default)]
pub struct RuleJudge(RuleJudgeConfig);

impl RuleJudge {
    /// A judge that goes by `config`.
    pub fn new(config: RuleJudgeConfig) -> Self {
        Self(config)
    }

    fn is_backchannel(&self, words: &[(usize, String)]) -> bool {
        words.len() <= self.0.max_words && words.iter().all(|(_, word)| self.0.backchannels.contains(word))
    }

    fn is_voice(&self, sound: &[f32], probabilities: &[f32], share: f32) -> bool {
        let mean = probabilities.iter().sum::<f32>() / probabilities.len().max(1) as f32;
        mean >= share * self.0.probability && voiced_share(sound) >= share * self.0.voiced
    }
}

impl Judge for RuleJudge {
    fn judge(&self, evidence: &Evidence<'_>) -> Option<Verdict> {
        let Evidence { sound, probabilities, silence, text, confidence, complete, left } = *evidence;
        let spoken = sound.len().saturating_sub(silence.map_or(0, |silence| silence.0 as usize));
        let blocks = spoken * probabilities.len() / sound.len().max(1);
        let (sound, probabilities) = (&sound[..spoken], &probabilities[..blocks]);
        let ms = Samples(spoken as u64).ms(SampleRate::INTERNAL);
        let mut words = spans(text);
        let commanded =
            confidence >= 0.5 * self.0.confidence && words.iter().any(|(_, word)| self.0.commands.contains(word));
        if confidence < self.0.confidence && !commanded {
            words.clear();
        }
        let settled = silence.is_some_and(|silence| silence.ms(SampleRate::INTERNAL) >= self.0.settle_ms);
        let over = settled && complete;
        if !words.is_empty() && self.is_backchannel(&words) {
            let answers = left.is_some_and(|left| left.ms(SampleRate::INTERNAL) <= self.0.answer_ms);
            let verdict = if answers { Verdict::Interruption } else { Verdict::Backchannel };
            return over.then_some(verdict);
        }
        let (least_ms, share) = match words[..] {
            [] => (self.0.sure_ms, 1.0),
            // One word may still become another: "oak" is on its way to "okay".
            [_] if !over && !commanded => (self.0.sure_ms, 0.5),
            _ => (self.0.min_ms, 0.5),
        };
        let decides = over || silence.is_none();
        if ms >= least_ms && decides && self.is_voice(sound, probabilities, share) {
            return Some(Verdict::Interruption);
        }
        (over || ms >= self.0.noise_ms).then_some(Verdict::Noise)
    }
}

/// The share of 20 ms steps at which a sound has a pitch between 70 and 400 Hz: the peak of the normalised
/// autocorrelation of 40 ms at 4 kHz exceeds 0.5.
fn voiced_share(sound: &[f32]) -> f32 {
    const DECIMATION: usize = 4;
    const RATE: usize = SampleRate::INTERNAL.get() as usize / DECIMATION;
    let low: Vec<f32> = lowpass(sound).into_iter().step_by(DECIMATION).collect();
    let (frame, hop) = (RATE / 25, RATE / 50);
    let lags = RATE / 400..=RATE / 70;
    let frames = low.windows(frame + lags.end()).step_by(hop);
    let (mut all, mut voiced) = (0, 0);
    for frame_and_more in frames {
        let now = &frame_and_more[..frame];
        let power: f32 = now.iter().map(|x| x * x).sum();
        let correlation = |lag: usize| {
            let then = &frame_and_more[lag..lag + frame];
            let energy: f32 = then.iter().map(|x| x * x).sum();
            let cross: f32 = now.iter().zip(then).map(|(a, b)| a * b).sum();
            cross / (power * energy).sqrt().max(1e-9)
        };
        all += 1;
        voiced += usize::from(power > 1e-6 && lags.clone().any(|lag| correlation(lag) > 0.5));
    }
    voiced as f32 / all.max(1) as f32
}

/// Two poles at 900 Hz, against aliasing.
fn lowpass(sound: &[f32]) -> Vec<f32> {
    let share = 1.0 - (-TAU * 900.0 / SampleRate::INTERNAL.get() as f32).exp();
    let (mut first, mut second) = (0.0, 0.0);
    let step = |x: &f32| {
        first += share * (x - first);
        second += share * (first - second);
        second
    };
    sound.iter().map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(ms: usize) -> usize {
        ms * 16
    }

    /// Pulses at 120 Hz, as of a voice.
    fn voice(ms: usize) -> Vec<f32> {
        (0..samples(ms)).map(|i| 0.5 * (-((i % 133) as f32) / 30.0).exp()).collect()
    }

    fn hiss(ms: usize) -> Vec<f32> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        (0..samples(ms)).map(|_| next()).collect()
    }

    /// Sound that goes on, or that has stopped with 150 ms of silence after it.
    fn judged(sound: &[f32], text: &str, stopped: bool, change: fn(&mut Evidence<'_>)) -> Option<Verdict> {
        let mut sound = sound.to_vec();
        let silence = stopped.then_some(Samples(samples(150) as u64));
        sound.resize(sound.len() + silence.map_or(0, |silence| silence.0 as usize), 0.0);
        let probabilities = vec![0.95; sound.len() / 160];
        let mut evidence = Evidence {
            sound: &sound,
            probabilities: &probabilities,
            silence,
            text,
            confidence: 0.9,
            complete: stopped,
            left: None,
        };
        change(&mut evidence);
        RuleJudge::default().judge(&evidence)
    }

    #[test]
    fn words_decide() {
        assert_eq!(judged(&voice(300), "stop", false, |_| ()), Some(Verdict::Interruption));
        assert_eq!(judged(&voice(300), "yeah", false, |_| ()), None);
        assert_eq!(judged(&voice(500), "oak", false, |_| ()), None, "it becomes okay");
        assert_eq!(judged(&voice(500), "oak", true, |_| ()), Some(Verdict::Interruption));
        assert_eq!(judged(&voice(500), "what time", false, |_| ()), Some(Verdict::Interruption));
        assert_eq!(judged(&voice(300), "Yeah, right.", true, |_| ()), Some(Verdict::Backchannel));
        assert_eq!(judged(&voice(300), "yeah but", true, |_| ()), Some(Verdict::Interruption));
        assert_eq!(judged(&voice(900), "yeah yeah yeah yeah", true, |_| ()), Some(Verdict::Interruption));
        let last = |evidence: &mut Evidence<'_>| evidence.left = Some(Samples(4_000));
        assert_eq!(judged(&voice(300), "yeah", true, last), Some(Verdict::Interruption), "it answers the reply");
        let late = |evidence: &mut Evidence<'_>| evidence.complete = false;
        assert_eq!(judged(&voice(300), "yeah", true, late), None, "the transcript is still to come");
    }

    #[test]
    fn without_words_it_is_the_sound() {
        assert_eq!(judged(&voice(300), "", false, |_| ()), None);
        assert_eq!(judged(&voice(300), "", true, |_| ()), Some(Verdict::Noise));
        assert_eq!(judged(&voice(1_000), "", false, |_| ()), Some(Verdict::Interruption));
        assert_eq!(judged(&hiss(900), "", false, |_| ()), None);
        assert_eq!(judged(&hiss(900), "", true, |_| ()), Some(Verdict::Noise));
        assert_eq!(judged(&hiss(1_000), "", false, |_| ()), Some(Verdict::Noise), "it goes on and on");
        let unsure = |evidence: &mut Evidence<'_>| evidence.confidence = 0.1;
        assert_eq!(judged(&voice(300), "eleven", true, unsure), Some(Verdict::Noise));
        let doubtful = |evidence: &mut Evidence<'_>| evidence.confidence = 0.3;
        assert_eq!(judged(&voice(300), "stop", true, doubtful), Some(Verdict::Interruption));
        assert_eq!(judged(&hiss(900), "eleven", true, |_| ()), Some(Verdict::Noise), "words in a hiss");
    }
}
