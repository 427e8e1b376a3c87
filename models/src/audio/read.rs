//! Sound files as a whole. This and [`span`](super::span) are the only users of symphonia.

use std::io::{Cursor, ErrorKind};
use std::ops::RangeInclusive;
use std::path::Path;

use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_MP3, CODEC_ID_OPUS, CODEC_ID_PCM_ALAW, CODEC_ID_PCM_F32LE, CODEC_ID_PCM_F64LE, CODEC_ID_PCM_MULAW,
};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as MediaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;

use super::opus::OpusDecoder;
use super::sphere;
use crate::audio::{Clip, is_sound};
use crate::units::SampleRate;
use crate::{Error, Result};

const SUPPORTED: &str = "supported are WAV, FLAC, MP3, Ogg/Opus, Ogg/Vorbis and NIST SPHERE";

/// Programs that write WAV into a pipe (sox, espeak-ng) put a length from here on into the header, for they cannot know
/// it.
const UNKNOWN_LENGTH: u64 = 0x7fff_0000;

/// What can be a recording of sound. Others are damaged headers, and their resampling could fill the memory.
const RATES: RangeInclusive<u32> = 1_000..=1_000_000;

/// Reads a sound file and averages its channels: WAV (8 to 32-bit integers, floats, A-law and mu-law), FLAC, MP3,
/// Ogg/Vorbis, NIST SPHERE (16-bit integers, mu-law), and Ogg/Opus, which comes at 48 kHz.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Audio`] when it is empty, holds no audio of a supported kind,
/// is damaged, holds less than its header promises, or floats that are no numbers.
pub fn read(path: impl AsRef<Path>) -> Result<Clip> {
    let path = path.as_ref();
    Ok(decode(bytes_of(path)?, None, path)?.downmix())
}

/// As [`read`], at `rate`: Opus is decoded at it where it can be, all else is resampled.
///
/// # Errors
/// As [`read`].
pub fn read_at(path: impl AsRef<Path>, rate: SampleRate) -> Result<Clip> {
    let path = path.as_ref();
    decode(bytes_of(path)?, Some(rate), path)?.downmix().at(rate)
}

/// As [`read`], for a file that is already in memory. `name` stands in errors, and its extension helps to tell the
/// format.
///
/// # Errors
/// As [`read`].
pub fn read_bytes(bytes: Vec<u8>, name: impl AsRef<Path>) -> Result<Clip> {
    Ok(decode(bytes, None, name.as_ref())?.downmix())
}

/// As [`read`], with each channel apart: (channel) clips of one length.
///
/// # Errors
/// As [`read`].
pub fn read_channels(path: impl AsRef<Path>) -> Result<Vec<Clip>> {
    let path = path.as_ref();
    Ok(decode(bytes_of(path)?, None, path)?.split())
}

fn bytes_of(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| Error::io(path, source))
}

/// Interleaved samples.
pub(super) struct Decoded {
    pub(super) samples: Vec<f32>,
    pub(super) channels: usize,
    pub(super) rate: SampleRate,
}

impl Decoded {
    fn downmix(self) -> Clip {
        if self.channels == 1 {
            return Clip::new(self.samples, self.rate);
        }
        let share = 1.0 / self.channels as f32;
        let mix = |frame: &[f32]| frame.iter().sum::<f32>() * share;
        Clip::new(self.samples.chunks_exact(self.channels).map(mix).collect(), self.rate)
    }

    fn split(self) -> Vec<Clip> {
        let channel = |at: usize| self.samples.iter().skip(at).step_by(self.channels).copied().collect();
        (0..self.channels).map(|at| Clip::new(channel(at), self.rate)).collect()
    }
}

pub(super) fn decode(mut bytes: Vec<u8>, wanted: Option<SampleRate>, name: &Path) -> Result<Decoded> {
    if bytes.is_empty() {
        return Err(Error::audio(name, "the file is empty (0 bytes)"));
    }
    if ends_within_ogg_page(&bytes) {
        return Err(Error::audio(name, "truncated: the file ends within an Ogg page"));
    }
    if sphere::is_sphere(&bytes) {
        return sphere::decode(&bytes, name);
    }
    count_unfinished(&mut bytes);
    let mut format = open(Box::new(Cursor::new(bytes)), name)?;
    let track = format.default_track(TrackType::Audio).cloned().ok_or_else(|| no_track(name))?;
    let mut decoder = PacketDecoder::new(&track, wanted, name)?;
    let mut samples = Vec::new();
    while let Some(packet) = next_packet(format.as_mut(), name)? {
        if packet.track_id == track.id {
            decoder.decode(&packet, &mut samples, name)?;
        }
    }
    finish(decoder, samples, &track, name)
}

/// A program that was killed while it recorded WAV left lengths in the header that it meant to mend at the end: 0 for the
/// sound, and less than the file's for the whole. They become those that mean "up to the end".
fn count_unfinished(bytes: &mut [u8]) {
    if let Some(at) = unfinished(bytes, bytes.len() as u64) {
        bytes[4..8].fill(0xff);
        bytes[at + 4..at + 8].fill(0xff);
    }
}

/// Where in the head of a WAV file of this length the chunk of its sound begins, if it counts nothing although more follows.
pub(super) fn unfinished(head: &[u8], length: u64) -> Option<usize> {
    const HEADER: usize = 12;
    let length_at = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
    if !head.starts_with(b"RIFF") || head.get(8..HEADER) != Some(b"WAVE") {
        return None;
    }
    let (whole, mut at) = (u64::from(length_at(4)?), HEADER);
    loop {
        let sound = length_at(at + 4)?;
        if head[at..].starts_with(b"data") {
            let follows = at as u64 + 8 < length;
            return (sound == 0 && follows && whole + 8 < length).then_some(at);
        }
        at = at.saturating_add(8).saturating_add((sound as usize).next_multiple_of(2));
    }
}

/// Whether the last page of an Ogg file (RFC 3533, section 6) is longer than what is left of the file.
fn ends_within_ogg_page(bytes: &[u8]) -> bool {
    const MARK: &[u8] = b"OggS";
    const HEADER: usize = 27;
    let last = bytes.windows(MARK.len()).rposition(|window| window == MARK);
    let Some(page) = last.map(|at| &bytes[at..]).filter(|_| bytes.starts_with(MARK)) else { return false };
    let Some(&segments) = page.get(HEADER - 1) else { return true };
    let Some(lengths) = page.get(HEADER..HEADER + usize::from(segments)) else { return true };
    let content: usize = lengths.iter().map(|&length| usize::from(length)).sum();
    page.len() < HEADER + lengths.len() + content
}

pub(super) fn no_track(name: &Path) -> Error {
    Error::audio(name, format!("it has no audio track; {SUPPORTED}"))
}

pub(super) fn open(source: Box<dyn MediaSource>, name: &Path) -> Result<Box<dyn FormatReader>> {
    let mut hint = Hint::new();
    if let Some(extension) = name.extension().and_then(|extension| extension.to_str()) {
        hint.with_extension(extension);
    }
    let source = MediaSourceStream::new(source, Default::default());
    symphonia::default::get_probe()
        .probe(&hint, source, FormatOptions::default(), MetadataOptions::default())
        .map_err(|error| Error::audio(name, unopened(&error)))
}

fn unopened(error: &MediaError) -> String {
    match error {
        MediaError::Unsupported(_) => format!("not audio that can be read; {SUPPORTED}"),
        MediaError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            "truncated: the file ends within its header".to_owned()
        }
        error => format!("its header is damaged ({error})"),
    }
}

pub(super) fn next_packet(format: &mut dyn FormatReader, name: &Path) -> Result<Option<Packet>> {
    match format.next_packet() {
        Ok(packet) => Ok(packet),
        Err(MediaError::IoError(error)) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(MediaError::ResetRequired) => {
            Err(Error::audio(name, "several streams one after another in one file; expected a single stream"))
        }
        Err(error) => Err(Error::audio(name, format!("damaged: {error}"))),
    }
}

/// Refuses what is shorter than its header promises, or has no sample at all.
fn finish(decoder: PacketDecoder, mut samples: Vec<f32>, track: &Track, name: &Path) -> Result<Decoded> {
    let (channels, rate) = decoder.shape();
    let frames = samples.len() / channels.max(1);
    if let Some(promised) = decoder.promised(track).filter(|&promised| promised > frames as u64) {
        let reason = format!(
            "truncated: the header promises {promised} samples a channel ({:.3} s), the file holds {frames} ({:.3} s)",
            promised as f64 / f64::from(rate),
            frames as f64 / f64::from(rate)
        );
        return Err(Error::audio(name, reason));
    }
    if let PacketDecoder::Opus(decoder) = &decoder {
        decoder.trim(&mut samples, u64::from(track.delay.unwrap_or(0)));
    }
    if samples.is_empty() {
        return Err(Error::audio(name, "it holds no samples"));
    }
    Ok(Decoded { samples, channels, rate: SampleRate::hz(rate) })
}

fn rate_of(params: &AudioCodecParameters, name: &Path) -> Result<u32> {
    check_rate(params.sample_rate.unwrap_or(0), name)
}

/// The rate in hertz that a file tells, where resampling it cannot fill the memory.
pub(super) fn check_rate(rate: u32, name: &Path) -> Result<u32> {
    let (low, high) = RATES.into_inner();
    let wrong = || Error::audio(name, format!("its sample rate is {rate} Hz; expected {low} to {high} Hz"));
    RATES.contains(&rate).then_some(rate).ok_or_else(wrong)
}

pub(super) enum PacketDecoder {
    Opus(OpusDecoder),
    Other {
        decoder: Box<dyn AudioDecoder>,
        channels: usize,
        rate: u32,
        /// Bytes of a sample of all channels, as the container counts; 0 where it does not say.
        frame_bytes: u64,
        /// Whether the first packets may refer to ones that are not there.
        lossy_start: bool,
        scratch: Vec<f32>,
    },
}

impl PacketDecoder {
    pub(super) fn new(track: &Track, wanted: Option<SampleRate>, name: &Path) -> Result<Self> {
        let params = track
            .codec_params
            .as_ref()
            .and_then(|params| params.audio())
            .ok_or_else(|| Error::audio(name, format!("its codec is not known; {SUPPORTED}")))?;
        if params.codec == CODEC_ID_OPUS {
            let head = params.extra_data.as_deref().unwrap_or_default();
            return Ok(Self::Opus(OpusDecoder::new(head, wanted, name)?));
        }
        Self::other(params, name)
    }

    fn other(params: &AudioCodecParameters, name: &Path) -> Result<Self> {
        let decoder = symphonia::default::get_codecs()
            .make_audio_decoder(params, &AudioDecoderOptions::default())
            .map_err(|error| Error::audio(name, format!("its codec cannot be decoded ({error}); {SUPPORTED}")))?;
        let channels = params.channels.as_ref().map_or(0, |channels| channels.count());
        Ok(Self::Other {
            decoder,
            channels,
            rate: rate_of(params, name)?,
            frame_bytes: sample_bytes(params) * channels as u64,
            lossy_start: params.codec == CODEC_ID_MP3,
            scratch: Vec::new(),
        })
    }

    /// Appends the packet's interleaved samples.
    pub(super) fn decode(&mut self, packet: &Packet, samples: &mut Vec<f32>, name: &Path) -> Result<()> {
        match self {
            Self::Opus(decoder) => {
                samples.extend_from_slice(decoder.decode(&packet.data, packet.trim_end.get(), name)?);
            }
            Self::Other { decoder, channels, rate, lossy_start, scratch, .. } => match decoder.decode(packet) {
                Ok(buffer) => {
                    let (found, found_rate) = (buffer.spec().channels().count(), buffer.spec().rate());
                    if !samples.is_empty() && (found, found_rate) != (*channels, *rate) {
                        let reason = format!(
                            "changes from {channels} channels at {rate} Hz to {found} channels at {found_rate} Hz midway"
                        );
                        return Err(Error::audio(name, reason));
                    }
                    (*channels, *rate) = (found, found_rate);
                    buffer.copy_to_vec_interleaved(scratch);
                    if let Some(at) = scratch.iter().position(|sample| !is_sound(*sample)) {
                        let (second, found) = ((samples.len() + at) / *channels, scratch[at]);
                        let second = second as f64 / f64::from(*rate);
                        let reason = format!("damaged: at {second:.3} s it holds {found}; expected samples");
                        return Err(Error::audio(name, reason));
                    }
                    samples.append(scratch);
                }
                // A cut MP3 stream begins with frames that refer to bits which are not there.
                Err(MediaError::DecodeError(_)) if *lossy_start && samples.is_empty() => {}
                Err(error) => return Err(Error::audio(name, format!("damaged: {error}"))),
            },
        }
        Ok(())
    }

    /// Channels and rate of what was decoded.
    pub(super) fn shape(&self) -> (usize, u32) {
        match self {
            Self::Opus(decoder) => (decoder.channels(), decoder.rate().get()),
            Self::Other { channels, rate, .. } => (*channels, *rate),
        }
    }

    /// The samples a channel that the container counts, where it counts what is decoded.
    fn promised(&self, track: &Track) -> Option<u64> {
        match self {
            Self::Other { lossy_start: false, frame_bytes, .. } => {
                track.num_frames.filter(|frames| frames.saturating_mul(*frame_bytes) < UNKNOWN_LENGTH)
            }
            _ => None,
        }
    }
}

/// Bytes of a coded sample; 0 where they vary. WAV files say nothing of it for floats and companded samples.
fn sample_bytes(params: &AudioCodecParameters) -> u64 {
    let bits = params.bits_per_coded_sample.unwrap_or(match params.codec {
        CODEC_ID_PCM_F64LE => 64,
        CODEC_ID_PCM_F32LE => 32,
        CODEC_ID_PCM_ALAW | CODEC_ID_PCM_MULAW => 8,
        _ => 0,
    });
    u64::from(bits).div_ceil(8)
}
