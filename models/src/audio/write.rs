use std::fs::File;
use std::io::{BufWriter, Seek, Write};
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
///
/// A pipe gets a header of unknown length, as programs that stream WAV write it, and then the samples.
pub struct WavWriter {
    path: PathBuf,
    inner: Inner,
    channels: usize,
}

enum Inner {
    File(hound::WavWriter<BufWriter<File>>),
    Pipe(BufWriter<File>),
}

impl Inner {
    fn sample(&mut self, sample: i16) -> Result<(), hound::Error> {
        match self {
            Self::File(file) => file.write_sample(sample),
            Self::Pipe(pipe) => Ok(pipe.write_all(&sample.to_le_bytes())?),
        }
    }

    fn flush(&mut self) -> Result<(), hound::Error> {
        match self {
            Self::File(file) => file.flush(),
            Self::Pipe(pipe) => Ok(pipe.flush()?),
        }
    }
}

/// The header of a WAV stream of 16-bit samples whose length nobody knows yet.
fn endless_header(spec: hound::WavSpec) -> Vec<u8> {
    const UNKNOWN: [u8; 4] = u32::MAX.to_le_bytes();
    let frame = 2 * spec.channels;
    let mut header = b"RIFF".to_vec();
    header.extend(UNKNOWN);
    header.extend(b"WAVEfmt ");
    header.extend(16_u32.to_le_bytes());
    header.extend(1_u16.to_le_bytes());
    header.extend(spec.channels.to_le_bytes());
    header.extend(spec.sample_rate.to_le_bytes());
    header.extend((spec.sample_rate * u32::from(frame)).to_le_bytes());
    header.extend(frame.to_le_bytes());
    header.extend(16_u16.to_le_bytes());
    header.extend(b"data");
    header.extend(UNKNOWN);
    header
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
        let mut file = File::create(&path).map_err(|source| Error::io(&path, source))?;
        let inner = if file.stream_position().is_ok() {
            hound::WavWriter::new(BufWriter::new(file), spec).map(Inner::File)
        } else {
            let mut pipe = BufWriter::new(file);
            pipe.write_all(&endless_header(spec)).map(|()| Inner::Pipe(pipe)).map_err(hound::Error::from)
        };
        let inner = inner.map_err(|error| failed(&path, error))?;
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
                self.inner.sample(sample).map_err(|error| failed(&self.path, error))?;
            }
        }
        self.flush()
    }

    /// Closes the file. Without this call the file is as the last [`write`](Self::write) left it.
    ///
    /// # Errors
    /// [`Error::Io`] when writing fails.
    pub fn finish(self) -> Result<()> {
        let Self { path, mut inner, .. } = self;
        inner
            .flush()
            .and_then(|()| match inner {
                Inner::File(file) => file.finalize(),
                Inner::Pipe(_) => Ok(()),
            })
            .map_err(|error| failed(&path, error))
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Read;
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_pipe_gets_a_header_and_the_samples() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let path = format!("/proc/self/fd/{}", writer.as_raw_fd());
        let mut wav = WavWriter::create(path, SampleRate::hz(8_000), 1).unwrap();
        wav.write(&[&[0.5, -0.5]]).unwrap();
        wav.finish().unwrap();
        drop(writer);
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        let clip = crate::audio::read_bytes(bytes, "pipe").unwrap();
        assert_eq!((clip.samples.as_slice(), clip.rate), (&[0.5, -0.5][..], SampleRate::hz(8_000)));
    }
}
