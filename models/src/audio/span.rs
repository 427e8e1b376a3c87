//! Part of a sound file, decoded without what is before it.

use std::fs::File;
use std::io::{Read, Seek};
use std::ops::Range;
use std::path::Path;

use symphonia::core::codecs::audio::well_known::CODEC_ID_FLAC;
use symphonia::core::formats::{FormatReader, SeekMode, SeekTo, Track, TrackType};
use symphonia::core::units::Timestamp;

use super::read::{PacketDecoder, decode, next_packet, no_track, open, unfinished};
use super::sphere;
use crate::audio::Clip;
use crate::units::SampleRate;
use crate::{Error, Result};

/// Bytes within which the header of a recording tells what it is.
const HEAD: u64 = 4_096;

/// A part of a recording; without an end it goes on to that of the recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Span {
    /// From a sample up to another, of each channel and at the file's rate.
    Samples(u64, Option<u64>),
    /// From a second up to another.
    Seconds(f64, Option<f64>),
}

impl Span {
    /// The samples of each channel at `rate`.
    fn at(self, rate: SampleRate) -> Range<u64> {
        let sample = |seconds: f64| (seconds * f64::from(rate.get())).round() as u64;
        match self {
            Self::Samples(start, stop) => start..stop.unwrap_or(u64::MAX),
            Self::Seconds(start, stop) => sample(start)..stop.map_or(u64::MAX, sample),
        }
    }
}

/// The length of a sound file in seconds. Of WAV and FLAC the header tells it, others are decoded.
///
/// # Errors
/// As [`read`](super::read()).
pub fn seconds(path: impl AsRef<Path>) -> Result<f64> {
    let path = path.as_ref();
    let mut file = File::open(path).map_err(|source| Error::io(path, source))?;
    let told = seekable(&mut file, path)?.and_then(|(_, track, rate)| Some((track.num_frames?, rate)));
    let (frames, rate) = match told {
        Some(told) => told,
        None => {
            let clip = super::read(path)?;
            (clip.samples.len() as u64, clip.rate)
        }
    };
    Ok(frames as f64 / f64::from(rate.get()))
}

/// Reads part of a sound file, each channel apart: (channel) clips of one length, which is less than asked for where the
/// file ends sooner. Of WAV and FLAC only that part is decoded.
///
/// # Errors
/// As [`read`](super::read()), and when the file ends before the part begins.
pub fn read_span(path: impl AsRef<Path>, span: Span) -> Result<Vec<Clip>> {
    let path = path.as_ref();
    let mut file = File::open(path).map_err(|source| Error::io(path, source))?;
    let (channels, rate, part, after) = match seekable(&mut file, path)? {
        Some((mut format, track, rate)) => {
            let part = span.at(rate);
            let (samples, channels, first) = decode_part(format.as_mut(), &track, &part, path)?;
            (split(&samples, channels, rate), rate, part.clone(), part.start.saturating_sub(first))
        }
        None => {
            let bytes = std::fs::read(path).map_err(|source| Error::io(path, source))?;
            let decoded = decode(bytes, None, path)?;
            let part = span.at(decoded.rate);
            (split(&decoded.samples, decoded.channels, decoded.rate), decoded.rate, part.clone(), part.start)
        }
    };
    let length = part.end.saturating_sub(part.start);
    let cut = |clip: Clip| {
        let start = usize::try_from(after).unwrap_or(usize::MAX).min(clip.samples.len());
        let end = start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)).min(clip.samples.len());
        Clip::new(clip.samples[start..end].to_vec(), clip.rate)
    };
    let clips: Vec<Clip> = channels.into_iter().map(cut).collect();
    if clips.first().is_none_or(Clip::is_empty) {
        let start = part.start as f64 / f64::from(rate.get());
        return Err(Error::audio(path, format!("it ends before the part from {start:.3} s on begins")));
    }
    Ok(clips)
}

/// An opened file whose packets can be decoded by themselves, and where they begin is told to the sample: the container's
/// reader, the track and its rate.
type Seekable = (Box<dyn FormatReader>, Track, SampleRate);

fn seekable(file: &mut File, path: &Path) -> Result<Option<Seekable>> {
    let io = |source| Error::io(path, source);
    let mut head = Vec::new();
    file.take(HEAD).read_to_end(&mut head).and_then(|_| file.rewind()).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    if head.is_empty() || sphere::is_sphere(&head) || unfinished(&head, length).is_some() {
        return Ok(None);
    }
    let format = open(Box::new(file.try_clone().map_err(io)?), path)?;
    let track = format.default_track(TrackType::Audio).cloned().ok_or_else(|| no_track(path))?;
    let params = track.codec_params.as_ref().and_then(|params| params.audio());
    // A packet of linear PCM or FLAC refers to no other; one of Ogg, MP3 or Opus does.
    let alone = head.starts_with(b"RIFF") || params.is_some_and(|params| params.codec == CODEC_ID_FLAC);
    let rate = params.and_then(|params| params.sample_rate).filter(|rate| alone && *rate > 0);
    Ok(rate.filter(|_| !head.starts_with(b"OggS")).map(|rate| (format, track, SampleRate::hz(rate))))
}

/// Interleaved samples of the packets that hold `part`, their channels, and the first sample among them.
fn decode_part(
    format: &mut dyn FormatReader,
    track: &Track,
    part: &Range<u64>,
    path: &Path,
) -> Result<(Vec<f32>, usize, u64)> {
    if part.start > 0 {
        let to = SeekTo::Timestamp { ts: Timestamp::new(part.start as i64), track_id: track.id };
        // A part behind the end is told from what is decoded: nothing.
        let _ = format.seek(SeekMode::Accurate, to);
    }
    let mut decoder = PacketDecoder::new(track, None, path)?;
    let (mut samples, mut first, mut channels) = (Vec::new(), None, 1);
    while let Some(packet) = next_packet(format, path)? {
        let at = u64::try_from(packet.pts.get()).unwrap_or(0);
        if packet.track_id != track.id || at.saturating_add(packet.dur.get()) <= part.start {
            continue;
        }
        if at >= part.end {
            break;
        }
        first.get_or_insert(at);
        decoder.decode(&packet, &mut samples, path)?;
        channels = decoder.shape().0.max(1);
    }
    Ok((samples, channels, first.unwrap_or(part.start)))
}

fn split(samples: &[f32], channels: usize, rate: SampleRate) -> Vec<Clip> {
    let channel = |at: usize| samples.iter().skip(at).step_by(channels).copied().collect();
    (0..channels).map(|at| Clip::new(channel(at), rate)).collect()
}
