//! A small spoken language of tones, and models that really speak, hear and answer it: each word is a tone of its own,
//! 200 ms long. It stands in for trained models where what is tested is time.

use std::f32::consts::TAU;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use rejoinder::turn::{Policy, RuleJudge, TurnTaking};
use rejoinder::{Assistant, Toolbox};
use rejoinder_models::Result;
use rejoinder_models::asr::{Recognizer, RecognizerStream, Transcript, Word};
use rejoinder_models::audio::Clip;
use rejoinder_models::llm::tools::Moment;
use rejoinder_models::llm::{Cancel, ChatMessage, Dialogue, Finish, Responder, Role, ToolCall, ToolSpec};
use rejoinder_models::text::ClauseConfig;
use rejoinder_models::tts::{SpeechChunk, Synthesizer, Utterance, WordMark};
use rejoinder_models::units::{SampleRate, Samples};
use rejoinder_models::vad::{SegmenterConfig, Vad, VadStream};

pub(crate) const RATE: SampleRate = SampleRate::INTERNAL;
pub(crate) const WORD: usize = 3_200;
const FRAME: usize = 320;
const WORDS: [(&str, f32); 6] =
    [("alpha", 400.0), ("bravo", 600.0), ("charlie", 800.0), ("delta", 1_000.0), ("time", 1_200.0), ("fail", 1_400.0)];

/// The word as a tone at 16 kHz.
pub(crate) fn word(text: &str) -> Vec<f32> {
    let plain = text.trim_matches(|c: char| !c.is_alphanumeric());
    let hz = WORDS.iter().find(|(word, _)| *word == plain).map_or(2_000.0, |(_, hz)| *hz);
    (0..WORD).map(|i| 0.3 * (TAU * hz * i as f32 / RATE.get() as f32).sin()).collect()
}

/// Words and pauses: a number is a pause in milliseconds.
pub(crate) fn speech(script: &str) -> Clip {
    let piece = |piece: &str| match piece.parse::<f64>() {
        Ok(ms) => vec![0.0; Samples::from_ms(ms, RATE).0 as usize],
        Err(_) => word(piece),
    };
    Clip::new(script.split_whitespace().flat_map(piece).collect(), RATE)
}

fn tone(frame: &[f32]) -> Option<&'static str> {
    let energy: f32 = frame.iter().map(|x| x * x).sum();
    let power = |hz: f32| {
        let (mut re, mut im) = (0.0, 0.0);
        for (i, x) in frame.iter().enumerate() {
            let phase = TAU * hz * i as f32 / RATE.get() as f32;
            re += x * phase.cos();
            im += x * phase.sin();
        }
        2.0 * (re * re + im * im) / frame.len() as f32
    };
    WORDS.iter().find(|(_, hz)| energy > 1.0 && power(*hz) > 0.7 * energy).map(|(word, _)| *word)
}

struct EnergyVad;

impl Vad for EnergyVad {
    fn name(&self) -> &'static str {
        "energy"
    }
    fn stream(&self) -> Result<Box<dyn VadStream>> {
        Ok(Box::new(EnergyVad))
    }
}

impl VadStream for EnergyVad {
    fn frame_samples(&self) -> usize {
        256
    }
    fn probability(&mut self, frame: &[f32]) -> Result<f32> {
        let energy: f32 = frame.iter().map(|x| x * x).sum();
        Ok((energy / frame.len() as f32 * 100.0).min(1.0))
    }
    fn reset(&mut self) {}
}

struct ToneEar;

struct ToneStream {
    pending: Vec<f32>,
    frames: Vec<Option<&'static str>>,
}

impl Recognizer for ToneEar {
    fn name(&self) -> &str {
        "tones"
    }
    fn stream(&self) -> Result<Box<dyn RecognizerStream>> {
        Ok(Box::new(ToneStream { pending: Vec::new(), frames: Vec::new() }))
    }
}

impl RecognizerStream for ToneStream {
    fn push(&mut self, samples: &[f32]) -> Result<bool> {
        let before = self.partial();
        self.pending.extend_from_slice(samples);
        while self.pending.len() >= FRAME {
            let frame: Vec<f32> = self.pending.drain(..FRAME).collect();
            self.frames.push(tone(&frame));
        }
        Ok(self.partial() != before)
    }

    fn partial(&self) -> Transcript {
        let mut words = Vec::new();
        let mut at = 0;
        for run in self.frames.chunk_by(|a, b| a == b) {
            let (start, end) = (at * FRAME, (at + run.len()) * FRAME);
            at += run.len();
            if let Some(text) = run[0] {
                // Neighbouring words may be the same: a run holds as many as fit.
                for i in 0..((run.len() * FRAME + WORD / 2) / WORD).max(usize::from(run.len() > 3)) {
                    let (start, end) = (Samples((start + i * WORD) as u64), Samples(end as u64));
                    words.push(Word { text: text.to_owned(), start, end, confidence: 1.0 });
                }
            }
        }
        let text = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
        Transcript { text, words, ..Transcript::default() }
    }

    fn preview(&mut self) -> Result<Transcript> {
        Ok(self.partial())
    }

    fn flush(&mut self) -> Result<Transcript> {
        let transcript = self.partial();
        self.reset();
        Ok(transcript)
    }

    fn reset(&mut self) {
        self.pending.clear();
        self.frames.clear();
    }

    fn delay(&self) -> Samples {
        Samples(FRAME as u64)
    }
}

struct ToneVoice;

struct ToneUtterance {
    words: std::vec::IntoIter<WordMark>,
}

impl Synthesizer for ToneVoice {
    fn name(&self) -> &str {
        "tones"
    }
    fn sample_rate(&self) -> SampleRate {
        RATE
    }
    fn speak(&self, text: &str) -> Result<Box<dyn Utterance>> {
        let mut end = 0;
        let words = text.split_whitespace().enumerate().map(|(i, word)| {
            let at = text[end..].find(word).unwrap_or(0) + end;
            end = at + word.len();
            let (start, stop) = (Samples((i * WORD) as u64), Samples(((i + 1) * WORD) as u64));
            WordMark { text: word.to_owned(), text_end: end, start, end: stop }
        });
        Ok(Box::new(ToneUtterance { words: words.collect::<Vec<_>>().into_iter() }))
    }
}

impl Utterance for ToneUtterance {
    fn next_chunk(&mut self) -> Result<Option<SpeechChunk>> {
        Ok(self.words.next().map(|mark| SpeechChunk { samples: word(&mark.text), words: vec![mark] }))
    }
}

/// Answers each message by rule, and keeps what it was asked.
#[derive(Clone, Default)]
pub(crate) struct Parrot(pub Arc<Mutex<Vec<Vec<ChatMessage>>>>);

impl Responder for Parrot {
    fn name(&self) -> &str {
        "parrot"
    }
    fn dialogue(&self, _now: Moment) -> Result<Box<dyn Dialogue>> {
        Ok(Box::new(self.clone()))
    }
}

impl Dialogue for Parrot {
    fn reply(
        &mut self,
        messages: &[ChatMessage],
        tools: &[ToolSpec],
        _cancel: &Cancel,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Finish> {
        self.0.lock().expect("no test panicked here").push(messages.to_vec());
        let last = messages.last().expect("a dialogue has messages");
        let reply = match (last.role, last.content.as_str()) {
            (Role::User, "time") if !tools.is_empty() => {
                let _ = on_text("bravo bravo. ");
                return Ok(Finish::Tool(ToolCall { name: "clock".to_owned(), arguments: serde_json::json!({}) }));
            }
            (Role::User, "fail") => {
                return Err(rejoinder_models::Error::Engine { engine: "parrot", reason: "no answer".to_owned() });
            }
            (Role::User, "fail fail") => {
                let _ = on_text("charlie charlie charlie charlie. ");
                return Err(rejoinder_models::Error::Engine { engine: "parrot", reason: "no more".to_owned() });
            }
            (Role::User, "delta") => "charlie ".repeat(30),
            (_, text) => format!("{text} bravo."),
        };
        for piece in reply.split_inclusive(' ') {
            if on_text(piece).is_break() {
                return Ok(Finish::Cancelled);
            }
        }
        Ok(Finish::Stop)
    }
}

pub(crate) fn assistant(parrot: &Parrot) -> Assistant {
    let clock = ToolSpec {
        name: "clock".to_owned(),
        description: "the time".to_owned(),
        parameters: serde_json::json!({"type": "object"}),
    };
    Assistant {
        enhancer: None,
        vad: Arc::new(EnergyVad),
        segments: SegmenterConfig { min_speech_ms: 60.0, min_silence_ms: 100.0, ..SegmenterConfig::default() },
        recognizer: Arc::new(ToneEar),
        identity: None,
        responder: Arc::new(parrot.clone()),
        clauses: ClauseConfig::default(),
        synthesizer: Arc::new(ToneVoice),
        turn_taking: TurnTaking {
            policy: Policy { hangover: Samples(6_400), max_turn: Samples(160_000), ..Policy::default() },
            preroll_ms: 100.0,
            ..TurnTaking::default()
        },
        turn_detector: None,
        wake_word: None,
        judge: Arc::new(RuleJudge::default()),
        instructions: "answer".to_owned(),
        memory: 40,
        max_tool_calls: 2,
        apology: None,
        tools: Arc::new(move |_| Toolbox::new(vec![clock.clone()], |_, _| "delta".to_owned())),
    }
}
