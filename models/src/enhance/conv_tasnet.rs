//! Our own family: what `rejoinder-train` exports for `task = "separation"`. A causal Conv-TasNet takes voices out of a mixture;
//! with one, what is left of a microphone's sound is the voice in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Enhancer, EnhancerStream, Sample};
use crate::asr::carry::{Carry, Contract, missing};
use crate::card::{Bundle, Chunking, MODEL_ROLE, Task};
use crate::runtime::{Model, Runtime, Session, Tensor};
use crate::streaming::Streaming;
use crate::units::SampleRate;
use crate::{Error, Result, zoo};

/// The family's name in a card.
pub const FAMILY: &str = "conv-tasnet";

/// The input: a mixture, shape (1, samples).
pub const INPUT: &str = "mixture";
/// The output: what was taken out of it, shape (1, source, samples).
pub const OUTPUT: &str = "voices";
/// The key of the card's `params` that tells by how many samples the output is late.
pub const LAG: &str = "lag";

/// The net of a bundle: immutable and shared. `[chunking]` of its card counts samples.
#[derive(Clone)]
pub struct ConvTasNet {
    model: Arc<dyn Model>,
    contract: Arc<Contract>,
    /// Samples of a run.
    chunk: usize,
    lag: usize,
    sources: usize,
    path: PathBuf,
}

impl ConvTasNet {
    /// Opens a bundle, its folder or the name of one at hand, and runs the net once.
    ///
    /// # Errors
    /// [`Error::Model`] for a bundle that is not there, of another task or family, or whose card and file do not fit.
    pub fn open(runtime: &dyn Runtime, path: impl AsRef<Path>) -> Result<Self> {
        let folder = zoo::resolve(path.as_ref())?;
        let bundle = Bundle::open(&folder)?;
        let card = bundle.card();
        let (task, family) = (card.task, card.family.as_str());
        if (task, family) != (Task::Enhance, FAMILY) {
            let reason = format!("expected a model for enhance ({FAMILY}), found {family} for {task}");
            return Err(Error::model(&folder, reason));
        }
        let path = bundle.path(MODEL_ROLE)?;
        let rate = card.required_sample_rate(&path)?;
        if rate != SampleRate::INTERNAL {
            let expected = SampleRate::INTERNAL;
            return Err(Error::model(&path, format!("expected a sample rate of {expected}, found {rate}")));
        }
        let chunking: &Chunking = card.required_chunking(&path)?;
        let chunk = chunking.chunk_frames;
        let lag = card.params.get(LAG).and_then(toml::Value::as_integer).and_then(|lag| usize::try_from(lag).ok());
        let Some(lag) = lag.filter(|lag| *lag <= chunk && chunk > 0) else {
            let reason = format!("params.{LAG}: expected samples, as many as [chunking] chunk_frames at the most");
            return Err(Error::model(&path, reason));
        };
        let model = runtime.open(&path)?;
        let contract = Contract::of(&card.states, chunking, model.as_ref(), &path)?;
        let output = model.output(OUTPUT).ok_or_else(|| missing(&path, "output", OUTPUT))?;
        let &[_, Some(sources), _] = output.shape.as_slice() else {
            let reason = format!("`{OUTPUT}`: expected the shape (1, sources, samples), found {:?}", output.shape);
            return Err(Error::model(&path, reason));
        };
        let net = Self { model, contract, chunk, lag, sources, path };
        net.separator()?.push(&vec![0.0; chunk], &mut vec![Vec::new(); sources])?;
        Ok(net)
    }

    /// How many voices it takes out of a mixture.
    pub fn sources(&self) -> usize {
        self.sources
    }

    /// The net for one stream of mono sound at 16 kHz.
    ///
    /// # Errors
    /// [`Error::Engine`] when the engine cannot make a session.
    pub fn separator(&self) -> Result<Separator> {
        Ok(Separator {
            session: self.model.session()?,
            carry: Carry::new(self.contract.clone()),
            pending: Vec::with_capacity(self.chunk),
            late: self.lag,
            net: self.clone(),
        })
    }

    /// The net as what cleans a microphone's sound.
    ///
    /// # Errors
    /// [`Error::Model`] for a net that takes several voices out of a mixture.
    pub(super) fn into_denoiser(self) -> Result<Self> {
        if self.sources != 1 {
            let reason = format!("expected a net of one voice, found one that tells {} apart", self.sources);
            return Err(Error::model(&self.path, reason));
        }
        Ok(self)
    }
}

impl Enhancer for ConvTasNet {
    fn name(&self) -> &'static str {
        FAMILY
    }

    fn stream(&self) -> Result<Box<dyn EnhancerStream>> {
        Ok(Box::new(Denoiser { separator: self.separator()?, heard: Vec::new(), voices: vec![Vec::new()] }))
    }
}

/// One mixture, to its voices: each its own vector of the output, of which there have to be as many as
/// [`sources`](ConvTasNet::sources). They come out as long as the mixture, and in time with it.
pub struct Separator {
    net: ConvTasNet,
    session: Box<dyn Session>,
    carry: Carry,
    /// What is no whole run yet.
    pending: Vec<f32>,
    /// Samples of the output that lie before the mixture.
    late: usize,
}

impl Separator {
    fn run(&mut self, out: &mut [Vec<f32>]) -> Result<()> {
        let chunk = self.net.chunk;
        let mixture = Tensor::f32(&[1, chunk], std::mem::replace(&mut self.pending, Vec::with_capacity(chunk)))?;
        let wanted: Vec<&str> = std::iter::once(OUTPUT).chain(self.net.contract.outputs()).collect();
        let session = &mut self.session;
        let outputs = self.carry.step(|mut inputs| {
            inputs.push((INPUT, mixture));
            session.run(inputs, &wanted)
        })?;
        let voices = outputs.into_iter().next().ok_or_else(|| missing(&self.net.path, "output", OUTPUT))?;
        let voices: Vec<f32> = voices.into_f32(OUTPUT)?.into_iter().collect();
        for (voice, out) in voices.chunks_exact(chunk).zip(out) {
            out.extend_from_slice(&voice[self.late..]);
        }
        self.late = 0;
        Ok(())
    }
}

impl Streaming for Separator {
    type Input = [f32];
    type Output = Vec<Vec<f32>>;

    fn push(&mut self, mut input: &[f32], out: &mut Vec<Vec<f32>>) -> Result<()> {
        while !input.is_empty() {
            let (now, rest) = input.split_at(input.len().min(self.net.chunk - self.pending.len()));
            self.pending.extend_from_slice(now);
            input = rest;
            if self.pending.len() == self.net.chunk {
                self.run(out)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, out: &mut Vec<Vec<f32>>) -> Result<()> {
        // What has not come out yet: the rest of a run, and what is late of those before.
        let missing = self.pending.len() + self.net.lag - self.late;
        let ends: Vec<usize> = out.iter().map(|voice| voice.len() + missing).collect();
        while out.iter().zip(&ends).any(|(voice, end)| voice.len() < *end) {
            let silence = vec![0.0; self.net.chunk - self.pending.len()];
            self.push(&silence, out)?;
        }
        out.iter_mut().zip(ends).for_each(|(voice, end)| voice.truncate(end));
        self.reset();
        Ok(())
    }

    fn reset(&mut self) {
        self.carry.reset();
        self.pending.clear();
        self.late = self.net.lag;
    }

    fn delay(&self) -> usize {
        self.net.chunk - 1 + self.net.lag
    }
}

/// The voice of a microphone's sound. What is played meanwhile does not count.
struct Denoiser {
    separator: Separator,
    heard: Vec<f32>,
    voices: Vec<Vec<f32>>,
}

impl Streaming for Denoiser {
    type Input = [Sample];
    type Output = Vec<f32>;

    fn push(&mut self, input: &[Sample], out: &mut Vec<f32>) -> Result<()> {
        self.heard.clear();
        self.heard.extend(input.iter().map(|[heard, _]| heard));
        self.separator.push(&self.heard, &mut self.voices)?;
        out.append(&mut self.voices[0]);
        Ok(())
    }

    fn flush(&mut self, out: &mut Vec<f32>) -> Result<()> {
        self.separator.flush(&mut self.voices)?;
        out.append(&mut self.voices[0]);
        Ok(())
    }

    fn reset(&mut self) {
        self.separator.reset();
        self.voices[0].clear();
    }

    fn delay(&self) -> usize {
        self.separator.delay()
    }
}

impl EnhancerStream for Denoiser {
    /// It takes back its lag itself.
    fn lag(&self) -> usize {
        0
    }

    fn echo_delay_ms(&self) -> Option<f64> {
        None
    }
}
