//! Our own voices: an encoder that reads a clause at once, then a decoder and a vocoder that write it piece by piece.
//!
//! The bundle's files by role: `encoder`, `decoder` and `vocoder` (ONNX), `lexicon` and `g2p`. The decoder and the
//! vocoder look at a fixed number of frames around each frame, so a piece is made by running them on it and its
//! surroundings, and the sound is the same however it is cut.

use std::collections::VecDeque;
use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};
use serde::{Deserialize, Serialize};

use super::excitation::Pitch;
use super::frontend::{Frontend, Script};
use super::g2p::G2p;
use super::lexicon::Lexicon;
use super::phones;
use super::source_filter::{SourceFilter, SourceFilterConfig};
use super::{SpeechChunk, Synthesizer, Utterance, WordMark};
use crate::card::Bundle;
use crate::runtime::{Model, Runtime, Session, Tensor};
use crate::units::{SampleRate, Samples};
use crate::{Error, Result};

/// The family's name in a card.
pub const FAMILY: &str = "rejoinder-tts";
/// Numbers that describe where a frame lies in its token.
pub const POSITION_WIDTH: usize = 3;
/// Frames in the first piece of an utterance; each piece is twice as long as the one before, up to
/// [`LONGEST_PIECE`].
const FIRST_PIECE: usize = 16;
const LONGEST_PIECE: usize = 64;
/// Frames of silence before the first phone, whatever the model says.
const LEAD: usize = 2;
/// Frames that a token may last at most.
const LONGEST_TOKEN: f32 = 80.0;

/// The family's settings in a card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoiceSettings {
    /// Sample rate, frames and filters.
    pub geometry: SourceFilterConfig,
    /// Mel bands.
    pub mels: usize,
    /// Frames to either side that the decoder looks at.
    pub decoder_context: usize,
    /// Frames of the past that the vocoder looks at.
    pub vocoder_context: usize,
    /// Mean of the logarithm of the pitch in hertz.
    pub pitch_mean: f32,
    /// Its standard deviation.
    pub pitch_scale: f32,
    /// By how much each predicted mel band is stretched about its mean, to undo the smoothing of training on averages
    /// (the global variance of T. Toda and K. Tokuda, 2007, as a filter); empty for not at all.
    #[serde(default)]
    pub stretch: Vec<f32>,
    /// By how much durations are stretched.
    #[serde(default = "one")]
    pub pace: f32,
    /// By how much the sound is louder than the recordings.
    #[serde(default = "one")]
    pub gain: f32,
}

fn one() -> f32 {
    1.0
}

/// A voice, ready to speak.
pub struct RejoinderVoice {
    name: String,
    nets: Arc<Nets>,
    frontend: Frontend,
}

struct Nets {
    settings: VoiceSettings,
    encoder: Arc<dyn Model>,
    decoder: Arc<dyn Model>,
    vocoder: Arc<dyn Model>,
}

impl RejoinderVoice {
    /// Opens a bundle of the family, and says something with it, so that nets that do not fit the card or each other are
    /// found here.
    ///
    /// # Errors
    /// [`Error::Model`] when a file is missing or damaged, the settings are wrong, or the nets do not fit them.
    pub fn open(bundle: &Bundle, runtime: &dyn Runtime) -> Result<Self> {
        let settings: VoiceSettings = bundle.card().params.clone().try_into().map_err(|e: toml::de::Error| {
            Error::model(bundle.root(), format!("params of {FAMILY}: {}", e.message()))
        })?;
        if ![0, settings.mels].contains(&settings.stretch.len()) {
            let found = settings.stretch.len();
            return Err(Error::model(
                bundle.root(),
                format!("params.stretch: expected {} numbers, found {found}", settings.mels),
            ));
        }
        settings.geometry.check().map_err(|e| Error::model(bundle.root(), format!("params.geometry: {e}")))?;
        let (said, found) = (bundle.card().required_sample_rate(bundle.root())?, settings.geometry.rate_hz);
        if said.get() != found {
            let reason = format!("params.geometry.rate_hz: expected the card's {said}, found {found}");
            return Err(Error::model(bundle.root(), reason));
        }
        let lexicon = Lexicon::read(&bundle.path("lexicon")?)?;
        let g2p = G2p::read(&bundle.path("g2p")?)?;
        let open = |role: &str| runtime.open(&bundle.path(role)?);
        let nets = Nets { encoder: open("encoder")?, decoder: open("decoder")?, vocoder: open("vocoder")?, settings };
        let name = bundle.card().name.clone();
        let voice = Self { name, nets: Arc::new(nets), frontend: Frontend::new(lexicon, g2p) };
        let says = || -> Result<()> {
            let mut utterance = voice.speak("a")?;
            while utterance.next_chunk()?.is_some() {}
            Ok(())
        };
        says().map_err(|e| Error::model(bundle.root(), format!("its nets do not fit its card: {e}")))?;
        Ok(voice)
    }

    /// Begins to speak tokens that another front end made, in pieces of `piece` frames, or growing ones for `None`.
    ///
    /// # Errors
    /// [`Error::Engine`] when a model run fails.
    pub fn speak_script(&self, script: &Script, text: &str, piece: Option<usize>) -> Result<Box<dyn Utterance>> {
        if script.tokens.is_empty() {
            return Ok(Box::new(Nothing));
        }
        let plan = self.nets.plan(script)?;
        let hop = self.nets.settings.geometry.hop as u64;
        let mark = |word: &super::frontend::ScriptWord| WordMark {
            text: text.get(word.span.clone()).unwrap_or_default().trim().to_owned(),
            text_end: word.span.end,
            start: Samples(plan.starts[word.tokens.start] as u64 * hop),
            end: Samples(plan.starts[word.tokens.end] as u64 * hop),
        };
        Ok(Box::new(Speaking {
            words: script.words.iter().map(mark).collect(),
            decoder: self.nets.decoder.session()?,
            vocoder: self.nets.vocoder.session()?,
            filter: SourceFilter::new(&self.nets.settings.geometry)?,
            nets: Arc::clone(&self.nets),
            plan,
            frames: Vec::new(),
            done: 0,
            piece: piece.unwrap_or(FIRST_PIECE).max(1),
            grows: piece.is_none(),
            emitted: 0,
        }))
    }
}

impl Synthesizer for RejoinderVoice {
    fn name(&self) -> &str {
        &self.name
    }

    fn sample_rate(&self) -> SampleRate {
        SampleRate::hz(self.nets.settings.geometry.rate_hz)
    }

    fn speak(&self, text: &str) -> Result<Box<dyn Utterance>> {
        self.speak_script(&self.frontend.script(text), text, None)
    }
}

/// What the encoder decided.
struct Plan {
    /// `[tokens, channels]`.
    hidden: Vec<f32>,
    width: usize,
    /// The token of each frame.
    tokens: Vec<usize>,
    /// `[frames, 3]`.
    positions: Vec<f32>,
    /// The first frame of each token, and the frame after the last.
    starts: Vec<usize>,
}

/// The token of each frame, from the frames of each token.
pub fn expansion(durations: &[usize]) -> Vec<usize> {
    durations.iter().enumerate().flat_map(|(token, &frames)| std::iter::repeat_n(token, frames)).collect()
}

/// Where each frame lies in its token, `[frames, 3]`: as a share from -1 to 1, and saturating distances from its
/// beginning and to its end.
pub fn positions(durations: &[usize]) -> Vec<f32> {
    let of = |&frames: &usize| {
        let saturate = |n: usize| (n as f32 / 8.0).min(2.0) - 0.5;
        let share = move |i: usize| (2 * i + 1) as f32 / frames as f32 - 1.0;
        (0..frames).flat_map(move |i| [share(i), saturate(i), saturate(frames - 1 - i)])
    };
    durations.iter().flat_map(of).collect()
}

impl Nets {
    fn plan(&self, script: &Script) -> Result<Plan> {
        let count = script.tokens.len();
        let ids =
            |values: &[u8]| Ok(Tensor::I64(array(vec![1, count], values.iter().map(|&v| i64::from(v)).collect())?));
        let inputs = vec![("tokens", ids(&script.tokens)?), ("places", ids(&script.places)?)];
        let outputs = self.encoder.session()?.run(inputs, &["hidden", "duration"])?;
        let [hidden, logs] = floats::<2>(outputs, "encoder")?;
        let frames = |at: usize| -> usize {
            let predicted = ((logs[at].exp() - 1.0) * self.settings.pace).clamp(0.0, LONGEST_TOKEN).round() as usize;
            if phones::is_phone(script.tokens[at]) { predicted.max(1) } else { predicted }
        };
        if logs.len() != count || hidden.is_empty() {
            return Err(Error::engine("encoder", format!("expected {count} durations, found {}", logs.len())));
        }
        let mut durations: Vec<usize> = (0..count).map(frames).collect();
        durations[0] = durations[0].min(LEAD);
        let mut starts = vec![0];
        durations.iter().for_each(|d| starts.push(starts[starts.len() - 1] + d));
        let (width, tokens) = (hidden.len() / count, expansion(&durations));
        Ok(Plan { width, hidden, tokens, positions: positions(&durations), starts })
    }
}

/// Checks that an output has `rows` rows of `width`.
fn check_rows(output: &str, values: &[f32], rows: usize, width: usize) -> Result<()> {
    if values.len() == rows * width {
        return Ok(());
    }
    let found = values.len();
    Err(Error::invalid(format!("output `{output}`"), format!("{rows} rows of {width} numbers"), found))
}

struct Nothing;

impl Utterance for Nothing {
    fn next_chunk(&mut self) -> Result<Option<SpeechChunk>> {
        Ok(None)
    }
}

struct Speaking {
    nets: Arc<Nets>,
    decoder: Box<dyn Session>,
    vocoder: Box<dyn Session>,
    filter: SourceFilter,
    plan: Plan,
    /// What the vocoder reads, from the decoder, `[frames, mels + 2]`, for all frames so far.
    frames: Vec<f32>,
    done: usize,
    piece: usize,
    grows: bool,
    emitted: u64,
    words: VecDeque<WordMark>,
}

impl Speaking {
    /// Runs the decoder on frames `from..to` and appends what the vocoder reads.
    fn decode(&mut self, from: usize, to: usize) -> Result<()> {
        let (settings, plan) = (&self.nets.settings, &self.plan);
        let first = from.saturating_sub(settings.decoder_context);
        let last = (to + settings.decoder_context).min(plan.tokens.len());
        let rows = plan.tokens[first..last].iter();
        let hidden = rows.flat_map(|t| &plan.hidden[t * plan.width..(t + 1) * plan.width]).copied().collect();
        let positions = plan.positions[first * POSITION_WIDTH..last * POSITION_WIDTH].to_vec();
        let inputs = vec![
            ("hidden", Tensor::F32(array(vec![1, last - first, plan.width], hidden)?)),
            ("positions", Tensor::F32(array(vec![1, last - first, POSITION_WIDTH], positions)?)),
        ];
        let [rows] = floats::<1>(self.decoder.run(inputs, &["frames"])?, "decoder")?;
        let width = settings.mels + 2;
        check_rows("frames", &rows, last - first, width)?;
        for row in rows.chunks(width).skip(from - first).take(to - from) {
            let mel = row[..settings.mels].iter().enumerate();
            self.frames.extend(mel.map(|(b, x)| x * settings.stretch.get(b).copied().unwrap_or(1.0)));
            self.frames.extend([row[settings.mels], if row[settings.mels + 1] > 0.0 { 1.0 } else { 0.0 }]);
        }
        Ok(())
    }

    /// Runs the vocoder on frames `from..to` and appends the sound that is complete.
    fn sound(&mut self, from: usize, to: usize, out: &mut Vec<f32>) -> Result<()> {
        let settings = &self.nets.settings;
        let width = settings.mels + 2;
        let first = from.saturating_sub(settings.vocoder_context);
        let inputs = Tensor::F32(array(vec![1, to - first, width], self.frames[first * width..to * width].to_vec())?);
        let [cepstra] = floats::<1>(self.vocoder.run(vec![("frames", inputs)], &["cepstra"])?, "vocoder")?;
        check_rows("cepstra", &cepstra, to - first, settings.geometry.width())?;
        for (t, row) in (from..to).zip(cepstra.chunks(settings.geometry.width()).skip(from - first)) {
            let frame = &self.frames[t * width..(t + 1) * width];
            let hz = (frame[settings.mels] * settings.pitch_scale + settings.pitch_mean).exp();
            self.filter.push(Pitch { hz, voicing: frame[settings.mels + 1] }, row, out)?;
        }
        Ok(())
    }
}

impl Utterance for Speaking {
    fn next_chunk(&mut self) -> Result<Option<SpeechChunk>> {
        let total = self.plan.tokens.len();
        if self.done >= total {
            return Ok(None);
        }
        let (from, to) = (self.done, (self.done + self.piece).min(total));
        self.done = total;
        let mut chunk = SpeechChunk::default();
        self.decode(from, to)?;
        self.sound(from, to, &mut chunk.samples)?;
        if to == total {
            self.filter.flush(&mut chunk.samples)?;
        }
        let gain = self.nets.settings.gain;
        chunk.samples.iter_mut().for_each(|x| *x = (*x * gain).clamp(-1.0, 1.0));
        self.done = to;
        if self.grows {
            self.piece = (self.piece * 2).min(LONGEST_PIECE);
        }
        self.emitted += chunk.samples.len() as u64;
        while self.words.front().is_some_and(|word| word.start.0 < self.emitted || to == total) {
            chunk.words.extend(self.words.pop_front());
        }
        Ok(Some(chunk))
    }
}

fn array<T>(shape: Vec<usize>, values: Vec<T>) -> Result<ArrayD<T>> {
    ArrayD::from_shape_vec(IxDyn(&shape), values).map_err(|e| Error::invalid("tensor", format!("{shape:?}"), e))
}

fn floats<const N: usize>(outputs: Vec<Tensor>, net: &'static str) -> Result<[Vec<f32>; N]> {
    let values = outputs.into_iter().map(|tensor| match tensor {
        Tensor::F32(array) => Ok(array.iter().copied().collect()),
        other => Err(Error::engine(net, format!("expected f32 outputs, found {other:?}"))),
    });
    let values: Vec<Vec<f32>> = values.collect::<Result<_>>()?;
    let found = values.len();
    values.try_into().map_err(|_| Error::engine(net, format!("expected {N} outputs, found {found}")))
}
