use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use rejoinder_models::runtime::{self, RuntimeConfig};
use rejoinder_models::speaker::{SpeakerEncoder, Voices};
use rejoinder_models::units::{SampleRate, Samples};
use rejoinder_models::vad::{self, SegmenterConfig, Vad, VadConfig};
use rejoinder_models::{audio, zoo};

use super::{Ended, each_file};

/// Where voices are kept and what they are embedded by.
#[derive(Args)]
struct VoicesOptions {
    /// The file of the enrolled voices
    #[arg(long, value_name = "FILE", default_value = "voices.toml")]
    voices: PathBuf,
    /// The model that embeds voices: a bundle's name or its folder
    #[arg(long, value_name = "MODEL", default_value = "speaker-en")]
    model: PathBuf,
}

/// What is said in recordings, without the silence before, between and after, which is nobody's voice.
struct Speech(Arc<dyn Vad>);

impl Speech {
    fn open() -> anyhow::Result<Self> {
        Ok(Self(VadConfig::default().open(runtime::open(&RuntimeConfig::default())?.as_ref())?))
    }

    /// That of a file, at a rate.
    fn read(&self, file: &Path, rate: SampleRate) -> anyhow::Result<Vec<f32>> {
        let heard = audio::read_at(file, SampleRate::INTERNAL)?.samples;
        let stretches = vad::stretches(self.0.as_ref(), SegmenterConfig::default(), &heard)?;
        if stretches.is_empty() {
            bail!("{}: expected somebody's voice, found none", file.display());
        }
        let samples = if rate == SampleRate::INTERNAL { heard } else { audio::read_at(file, rate)?.samples };
        let at = |at: usize| {
            let at = Samples(at as u64).convert(SampleRate::INTERNAL, rate).0 as usize;
            at.min(samples.len())
        };
        Ok(stretches.into_iter().flat_map(|stretch| &samples[at(stretch.start)..at(stretch.end)]).copied().collect())
    }
}

impl VoicesOptions {
    fn open(&self) -> anyhow::Result<Arc<dyn SpeakerEncoder>> {
        Ok(zoo::open_speaker_encoder(&self.model, &RuntimeConfig::default())?)
    }

    fn read(&self, encoder: &dyn SpeakerEncoder) -> anyhow::Result<Voices> {
        let voices = Voices::read(&self.voices)?;
        voices.check(encoder, &self.voices)?;
        Ok(voices)
    }
}

/// `rejoinder enrol`
#[derive(Args)]
pub(crate) struct Enrol {
    /// Whose voice it is
    name: String,
    /// Recordings of that voice alone, with ten seconds or more of speech in all
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    options: VoicesOptions,
}

impl Enrol {
    pub(crate) fn run(self) -> anyhow::Result<Ended> {
        let encoder = self.options.open()?;
        let path = &self.options.voices;
        let mut voices = if path.exists() { self.options.read(encoder.as_ref())? } else { Voices::new(encoder.name()) };
        let speech = Speech::open()?;
        let read = |file: &PathBuf| speech.read(file, encoder.sample_rate());
        let utterances = self.files.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
        let before = voices.voice.iter().find(|voice| voice.name == self.name).map(|voice| voice.seconds);
        voices.enrol(encoder.as_ref(), &self.name, &utterances)?;
        voices.write(path)?;
        let seconds = voices.voice.last().map_or(0.0, |voice| voice.seconds);
        let mut out = std::io::stdout().lock();
        if seconds < 10.0 {
            tracing::warn!("{seconds:.1} s of speech are little: ten seconds or more tell a voice apart better");
        }
        let replaced = before.map_or_else(String::new, |before| format!(", in place of that from {before:.1} s"));
        let (path, name, all) = (path.display(), &self.name, voices.voice.len());
        writeln!(out, "{path}: {name} from {seconds:.1} s{replaced}, {all} voices in all")?;
        Ok(Ended::Done)
    }
}

/// `rejoinder identify`
#[derive(Args)]
pub(crate) struct Identify {
    /// Recordings of one voice each
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    options: VoicesOptions,
}

impl Identify {
    pub(crate) fn run(self) -> anyhow::Result<Ended> {
        let encoder = self.options.open()?;
        let voices = self.options.read(encoder.as_ref())?;
        let speech = Speech::open()?;
        each_file(&self.files, |file| identify(encoder.as_ref(), &speech, &voices, file))
    }
}

/// Prints the nearest voice, or `-` where it is not near enough, and the cosine.
fn identify(encoder: &dyn SpeakerEncoder, speech: &Speech, voices: &Voices, file: &Path) -> anyhow::Result<()> {
    let samples = speech.read(file, encoder.sample_rate())?;
    let embedding = encoder.embed(&samples).with_context(|| file.display().to_string())?;
    let nearest = voices.nearest(&embedding);
    let name = nearest.filter(|nearest| nearest.score > encoder.threshold()).map_or("-", |nearest| nearest.name);
    let score = nearest.map_or(0.0, |nearest| nearest.score);
    Ok(writeln!(std::io::stdout(), "{}\t{name}\t{score:.3}", file.display())?)
}
