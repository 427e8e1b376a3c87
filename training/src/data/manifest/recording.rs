use std::fmt;
use std::path::{Path, PathBuf};

use rejoinder_models::audio::{self, Clip, Span};
use rejoinder_models::units::SampleRate;
use serde_json::Value;

use super::{ManifestConfig, SegmentUnit};
use crate::data::prepare::SAMPLE_RATE_HZ;
use crate::{Error, Result};

/// Where the sound of a clip is: a file, or part of one, or of several whose channels stand side by side (SpeechBrain's
/// `read_audio` and `read_audio_multichannel`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// The files as written: `$name` or `{name}` stands for what is replaced. One, as a rule; in a prepared folder, the
    /// pack.
    pub files: Vec<String>,
    /// The part of them; none for all.
    pub span: Option<Span>,
    /// The channel that is heard, counted from 0; none for what the configuration says.
    pub channel: Option<usize>,
}

impl From<&str> for Recording {
    fn from(file: &str) -> Self {
        Self::of_file(file)
    }
}

impl From<String> for Recording {
    fn from(file: String) -> Self {
        Self { files: vec![file], ..Self::default() }
    }
}

impl fmt::Display for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.files.join(" "))
    }
}

impl Recording {
    pub(super) fn of_file(file: &str) -> Self {
        Self { files: vec![file.to_owned()], ..Self::default() }
    }

    /// What a value in JSON says: a path, or a map of `file` or `files`, with `start` and `stop` in samples.
    pub(super) fn of_value(value: &Value) -> Option<Self> {
        let texts = |value: &Value| match value {
            Value::String(file) => Some(vec![file.clone()]),
            Value::Array(files) => files.iter().map(|file| file.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        let Value::Object(map) = value else { return texts(value).filter(|files| files.len() == 1).map(Self::of) };
        let recording = Self::of(texts(map.get("file").or_else(|| map.get("files"))?)?);
        if !["start", "stop"].into_iter().all(|key| map.get(key).is_none_or(Value::is_u64)) {
            return None;
        }
        let bound = |key: &str| map.get(key).and_then(Value::as_f64);
        match (bound("start"), bound("stop")) {
            (None, None) => Some(recording),
            (start, stop) => recording.between(start, stop, SegmentUnit::Samples),
        }
    }

    fn of(files: Vec<String>) -> Self {
        Self { files, ..Self::default() }
    }

    /// Hears the channel that a column names: a number from 0 on, or a letter. Any other text names none.
    pub(super) fn of_channel(mut self, name: &str) -> Self {
        self.channel = match name.as_bytes() {
            [letter @ b'A'..=b'Z'] => Some(usize::from(letter - b'A')),
            _ => name.parse().ok(),
        };
        self
    }

    /// The part from `start` to `stop`; to the end where `stop` is missing or the same. None where it is less.
    pub(super) fn between(mut self, start: Option<f64>, stop: Option<f64>, unit: SegmentUnit) -> Option<Self> {
        let from = start.unwrap_or(0.0);
        let stop = stop.filter(|stop| *stop != from);
        if stop.is_some_and(|stop| stop < from) {
            return None;
        }
        self.span = (from > 0.0 || stop.is_some()).then_some(match unit {
            SegmentUnit::Seconds => Span::Seconds(from, stop),
            SegmentUnit::Samples => Span::Samples(from as u64, stop.map(|stop| stop as u64)),
        });
        Some(self)
    }

    /// The samples of the clip, mono in [-1, 1] at `rate`. `folder` is the manifest's.
    ///
    /// # Errors
    /// A path with a name that nothing replaces; a file that cannot be read; files of several lengths or rates; a channel
    /// that is not there.
    pub fn read(&self, config: &ManifestConfig, folder: &Path, rate: SampleRate) -> Result<Vec<f32>> {
        let channel = self.channel.or(config.channel);
        if let ([file], None, None) = (self.files.as_slice(), self.span, channel) {
            return Ok(audio::read_at(path(file, config, folder)?, rate)?.samples);
        }
        let mut channels: Vec<Clip> = Vec::new();
        for file in &self.files {
            let path = path(file, config, folder)?;
            let read = audio::read_span(&path, self.span.unwrap_or(Span::Samples(0, None)))?;
            let shape = |clip: &Clip| (clip.samples.len(), clip.rate);
            if let (Some(first), Some(other)) = (channels.first(), read.first())
                && shape(first) != shape(other)
            {
                let (expected, found) = (shape(first), shape(other));
                let reason = format!(
                    "expected {} samples at {}, as the first file of the entry has, found {} at {}",
                    expected.0, expected.1, found.0, found.1
                );
                return Err(Error::data(path.display().to_string(), reason));
            }
            channels.extend(read);
        }
        Ok(self.choose(channels, channel)?.at(rate)?.samples)
    }

    /// The length of a part that is given in samples, of which it is not known here how many make a second: 16,000, as in
    /// SpeechBrain's recipes.
    pub(in crate::data) fn seconds(&self) -> Option<f64> {
        match self.span {
            Some(Span::Samples(start, Some(stop))) => Some((stop - start) as f64 / f64::from(SAMPLE_RATE_HZ)),
            _ => None,
        }
    }

    /// Whether it names no file, as may be where the sound is packed.
    pub(in crate::data) fn is_nameless(&self) -> bool {
        self.files.iter().all(String::is_empty)
    }

    /// The length of what is heard, by the first file, where the manifest does not tell it.
    ///
    /// # Errors
    /// A path with a name that nothing replaces; a file that cannot be read.
    pub(in crate::data) fn measure(&self, config: &ManifestConfig, folder: &Path) -> Result<f64> {
        if let Some(seconds) = self.seconds() {
            return Ok(seconds);
        }
        let start = match self.span {
            Some(Span::Seconds(start, Some(stop))) => return Ok(stop - start),
            Some(Span::Seconds(start, None)) => start,
            Some(Span::Samples(start, _)) => start as f64 / f64::from(SAMPLE_RATE_HZ),
            None => 0.0,
        };
        let file = self.files.first().map_or("", String::as_str);
        Ok((audio::seconds(path(file, config, folder)?)? - start).max(0.0))
    }

    /// The path of the one file of which it is all.
    ///
    /// # Errors
    /// Several files, or a part; a name that nothing replaces.
    pub fn whole_file(&self, config: &ManifestConfig, folder: &Path) -> Result<PathBuf> {
        match (self.files.as_slice(), self.span) {
            ([file], None) => path(file, config, folder),
            _ => Err(Error::data(self.to_string(), "expected one file and all of it")),
        }
    }

    fn choose(&self, mut channels: Vec<Clip>, channel: Option<usize>) -> Result<Clip> {
        let count = channels.len();
        match channel {
            Some(channel) if channel < count => Ok(channels.swap_remove(channel)),
            Some(channel) => {
                let reason = format!(
                    "expected a channel below {count}, in its entry or in `data.manifest.channel`, found {channel}"
                );
                Err(Error::data(self.to_string(), reason))
            }
            None => {
                let share = 1.0 / count.max(1) as f32;
                let (length, rate) =
                    channels.first().map_or((0, SampleRate::INTERNAL), |clip| (clip.samples.len(), clip.rate));
                let mean = (0..length).map(|at| channels.iter().map(|clip| clip.samples[at]).sum::<f32>() * share);
                Ok(Clip::new(mean.collect(), rate))
            }
        }
    }
}

/// A file's path, with what stands for others replaced: `$name` by the rules of a manifest in CSV, `{name}` in JSON.
fn path(file: &str, config: &ManifestConfig, folder: &Path) -> Result<PathBuf> {
    let mut out = String::new();
    let mut rest = file;
    while let Some(at) = rest.find(['$', '{']) {
        out += &rest[..at];
        let braced = rest[at..].starts_with('{');
        let tail = &rest[at + 1..];
        let end = if braced { tail.find('}') } else { Some(name_length(tail)) };
        let name = end.map(|end| &tail[..end]).filter(|name| !name.is_empty());
        let (Some(end), Some(name)) = (end, name) else {
            out += &rest[at..=at];
            rest = tail;
            continue;
        };
        let value = config.replacements.get(name).map(PathBuf::as_path);
        let value = value.or_else(|| (name == "data_root").then_some(folder));
        let missing = || {
            let reason = format!("nothing stands for `{name}`; set `data.manifest.replacements.{name}` to a folder");
            Error::data(format!("`{file}`"), reason)
        };
        out += &value.ok_or_else(missing)?.display().to_string();
        rest = &tail[end + usize::from(braced)..];
    }
    out += rest;
    Ok(PathBuf::from(out))
}

/// The length of a name after `$`: letters, digits, `_` and `.`.
fn name_length(text: &str) -> usize {
    text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).unwrap_or(text.len())
}
