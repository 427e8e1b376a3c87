use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use rejoinder_models::audio;
use rejoinder_models::runtime::RuntimeConfig;
use rejoinder_models::speaker::{SpeakerEncoder, Voices};
use rejoinder_models::zoo;

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
    /// Recordings of that voice alone, ten seconds or more in all
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
        let read = |file: &PathBuf| Ok(audio::read_at(file, encoder.sample_rate())?.samples);
        let utterances = self.files.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
        let before = voices.voice.iter().find(|voice| voice.name == self.name).map(|voice| voice.seconds);
        voices.enrol(encoder.as_ref(), &self.name, &utterances)?;
        voices.write(path)?;
        let seconds = voices.voice.last().map_or(0.0, |voice| voice.seconds);
        let mut out = std::io::stdout().lock();
        if seconds < 10.0 {
            tracing::warn!("{seconds:.1} s are little: ten seconds or more tell a voice apart better");
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
        each_file(&self.files, |file| identify(encoder.as_ref(), &voices, file))
    }
}

/// Prints the nearest voice, or `-` where it is not near enough, and the cosine.
fn identify(encoder: &dyn SpeakerEncoder, voices: &Voices, file: &Path) -> anyhow::Result<()> {
    let clip = audio::read_at(file, encoder.sample_rate())?;
    let embedding = encoder.embed(&clip.samples).with_context(|| file.display().to_string())?;
    let nearest = voices.nearest(&embedding);
    let name = nearest.filter(|nearest| nearest.score > encoder.threshold()).map_or("-", |nearest| nearest.name);
    let score = nearest.map_or(0.0, |nearest| nearest.score);
    Ok(writeln!(std::io::stdout(), "{}\t{name}\t{score:.3}", file.display())?)
}
