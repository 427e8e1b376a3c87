use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use crate::audio::Clip;
use crate::units::SampleRate;
use crate::{Error, Result};

/// Writes a clip as a 16-bit mono WAV file.
///
/// # Errors
/// [`Error::Io`] when the file cannot be written.
pub fn write_wav(path: impl AsRef<Path>, clip: &Clip) -> Result<()> {
    let mut writer = WavWriter::create(path, clip.rate, 1)?;
    writer.write(&[&clip.samples])?;
    writer.finish()
}

/// Writes clips as the channels of a 16-bit WAV file: left, right. The shorter one is filled with silence.
///
/// # Errors
/// [`Error::Invalid`] when there is no clip or the rates differ, [`Error::Io`] when the file cannot be written.
pub fn write_wav_channels(path: impl AsRef<Path>, channels: &[&Clip]) -> Result<()> {
    let first = channels.first().ok_or_else(|| Error::invalid("channels", "at least one", "none"))?;
    if let Some(other) = channels.iter().find(|clip| clip.rate != first.rate) {
        return Err(Error::invalid("channels", format!("all at {}", first.rate), other.rate));
    }
    let mut writer = WavWriter::create(path, first.rate, channels.len())?;
    writer.write(&channels.iter().map(|clip| clip.samples.as_slice()).collect::<Vec<_>>())?;
    writer.finish()
}

/// Writes a 16-bit WAV file piece by piece. The header is brought up to date after each piece, so that the file is
/// valid, up to the last piece, however the program ends.
pub struct WavWriter {
    path: PathBuf,
    inner: hound::WavWriter<BufWriter<File>>,
    channels: usize,
}

impl WavWriter {
    /// Creates the file, or empties the one that is there.
    ///
    /// # Errors
    /// [`Error::Invalid`] for no channels or more than 65,535, [`Error::Io`] when the file cannot be made.
    pub fn create(path: impl AsRef<Path>, rate: SampleRate, channels: usize) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let count = u16::try_from(channels).ok().filter(|&count| count > 0);
        let count = count.ok_or_else(|| Error::invalid("channels", "1 to 65535", channels))?;
        let spec = hound::WavSpec {
            channels: count,
            sample_rate: rate.get(),
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let inner = hound::WavWriter::create(&path, spec).map_err(|error| failed(&path, error))?;
        let mut writer = Self { path, inner, channels };
        writer.flush()?;
        Ok(writer)
    }

    /// Appends one slice for each channel, in [-1, 1]; the shorter ones are filled with silence. Louder samples are
    /// clipped.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another number of slices than channels, [`Error::Io`] when writing fails.
    pub fn write(&mut self, channels: &[&[f32]]) -> Result<()> {
        if channels.len() != self.channels {
            return Err(Error::invalid("channels of a piece", self.channels.to_string(), channels.len()));
        }
        let frames = channels.iter().map(|samples| samples.len()).max().unwrap_or(0);
        for at in 0..frames {
            for samples in channels {
                let sample = to_i16(samples.get(at).copied().unwrap_or(0.0));
                self.inner.write_sample(sample).map_err(|error| failed(&self.path, error))?;
            }
        }
        self.flush()
    }

    /// Closes the file. Without this call the file is as the last [`write`](Self::write) left it.
    ///
    /// # Errors
    /// [`Error::Io`] when writing fails.
    pub fn finish(self) -> Result<()> {
        let Self { path, inner, .. } = self;
        inner.finalize().map_err(|error| failed(&path, error))
    }

    fn flush(&mut self) -> Result<()> {
        self.inner.flush().map_err(|error| failed(&self.path, error))
    }
}

fn to_i16(sample: f32) -> i16 {
    (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16
}

fn failed(path: &Path, error: hound::Error) -> Error {
    let source = match error {
        hound::Error::IoError(source) => source,
        other => std::io::Error::other(other.to_string()),
    };
    Error::io(path, source)
}
