//! The only user of Opus: libopus 1.3.1, translated to Rust.

use std::path::Path;
use std::ptr::NonNull;

use unsafe_libopus::{
    OPUS_APPLICATION_VOIP, OPUS_GET_LOOKAHEAD_REQUEST, OPUS_SET_BITRATE_REQUEST, OPUS_SET_COMPLEXITY_REQUEST,
    OpusDecoder as RawDecoder, OpusEncoder as RawEncoder, opus_decode_float, opus_decoder_create, opus_decoder_destroy,
    opus_encode_float, opus_encoder_create, opus_encoder_ctl, opus_encoder_destroy, opus_strerror,
};

use crate::units::{SampleRate, Samples};
use crate::{Error, Result};

/// The rate that the container counts in (RFC 7845, section 4), and the one of [`super::read`].
const FULL_RATE: SampleRate = SampleRate::hz(48_000);

/// The rates at which the decoder can put out sound (RFC 6716, section 4).
const RATES_HZ: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];

/// The bit rates of the encoder, in kilobits a second (RFC 6716, section 2.1.1).
const KBPS: std::ops::RangeInclusive<f32> = 6.0..=510.0;

/// How hard the encoder tries, of 10: little, as it does where power is dear.
const COMPLEXITY: i32 = 2;

/// Packets a second of sound that is encoded: one for each 20 ms.
const PACKETS: u32 = 50;

/// More bytes than any packet of 20 ms has.
const MAX_PACKET_BYTES: usize = 1_500;

/// The longest packet, at 48 kHz: 120 ms (RFC 6716, section 3.2.5).
const MAX_PACKET_FRAMES: usize = 5_760;

/// A decoder of the packets of one Ogg/Opus stream.
pub(super) struct OpusDecoder {
    raw: NonNull<RawDecoder>,
    channels: usize,
    rate: SampleRate,
    gain: f32,
    pcm: Vec<f32>,
    /// Samples a channel so far, less those that the container marks as padding, at [`FULL_RATE`].
    counted: u64,
}

impl OpusDecoder {
    /// Takes the identification header of RFC 7845, section 5.1, and decodes at `wanted` where Opus can.
    pub(super) fn new(head: &[u8], wanted: Option<SampleRate>, name: &Path) -> Result<Self> {
        let &[_, _, _, _, _, _, _, _, _, channels, _, _, _, _, _, _, low, high, family] =
            head.first_chunk::<19>().ok_or_else(|| Error::audio(name, "its Opus header is shorter than 19 bytes"))?;
        let channels = usize::from(channels);
        if family != 0 || !(1..=2).contains(&channels) {
            let reason = format!(
                "Opus with {channels} channels in mapping family {family} is not supported; convert it to mono or stereo"
            );
            return Err(Error::audio(name, reason));
        }
        let rate = wanted.filter(|rate| RATES_HZ.contains(&rate.get())).unwrap_or(FULL_RATE);
        let gain_db = f32::from(i16::from_le_bytes([low, high])) / 256.0;
        let mut decoder = Self::open(rate, channels).map_err(|reason| Error::audio(name, reason))?;
        decoder.gain = 10f32.powf(gain_db / 20.0);
        Ok(decoder)
    }

    /// A decoder of one or two channels at one of [`RATES_HZ`].
    fn open(rate: SampleRate, channels: usize) -> std::result::Result<Self, String> {
        let mut status = 0;
        // SAFETY: the rate and the number of channels are among those that the function accepts, and `status` lives
        // for the call.
        let raw = unsafe { opus_decoder_create(rate.get() as i32, channels as i32, &mut status) };
        let raw = NonNull::new(raw).ok_or_else(|| reason(status))?;
        Ok(Self { raw, channels, rate, gain: 1.0, pcm: vec![0.0; MAX_PACKET_FRAMES * channels], counted: 0 })
    }

    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    pub(super) fn rate(&self) -> SampleRate {
        self.rate
    }

    /// Cuts what is not part of the sound: `pre_skip` samples a channel at 48 kHz before it, and the padding after it.
    pub(super) fn trim(&self, samples: &mut Vec<f32>, pre_skip: u64) {
        let at_rate = |samples: u64| Samples(samples).convert(FULL_RATE, self.rate).0 as usize * self.channels;
        samples.drain(..at_rate(pre_skip).min(samples.len()));
        samples.truncate(at_rate(self.counted.saturating_sub(pre_skip)));
    }

    /// Decodes a packet, of which the last `padding` samples a channel at 48 kHz are not part of the sound, to
    /// interleaved samples.
    pub(super) fn decode(&mut self, packet: &[u8], padding: u64, name: &Path) -> Result<&[f32]> {
        // SAFETY: `raw` came from `opus_decoder_create` and is owned by `self`; `packet` is as long as said; `pcm`
        // holds `MAX_PACKET_FRAMES` samples of each channel, which is what the function may write.
        let frames = unsafe {
            opus_decode_float(
                self.raw.as_ptr(),
                packet.as_ptr(),
                packet.len() as i32,
                self.pcm.as_mut_ptr(),
                MAX_PACKET_FRAMES as i32,
                0,
            )
        };
        let frames = usize::try_from(frames).map_err(|_| Error::audio(name, reason(frames)))?;
        self.counted += (Samples(frames as u64).convert(self.rate, FULL_RATE).0).saturating_sub(padding);
        let samples = &mut self.pcm[..frames * self.channels];
        if self.gain != 1.0 {
            samples.iter_mut().for_each(|sample| *sample *= self.gain);
        }
        Ok(samples)
    }
}

impl Drop for OpusDecoder {
    fn drop(&mut self) {
        // SAFETY: `raw` came from `opus_decoder_create` and is not used again.
        unsafe { opus_decoder_destroy(self.raw.as_ptr()) }
    }
}

/// An encoder of mono speech.
struct OpusEncoder {
    raw: NonNull<RawEncoder>,
    packet: Vec<u8>,
}

impl OpusEncoder {
    fn new(rate: SampleRate, kbps: f32) -> Result<Self> {
        if !RATES_HZ.contains(&rate.get()) {
            return Err(Error::invalid("the rate of sound for Opus", format!("one of {RATES_HZ:?}"), rate.get()));
        }
        if !KBPS.contains(&kbps) {
            return Err(Error::invalid("kilobits a second of Opus", format!("{KBPS:?}"), kbps));
        }
        let mut status = 0;
        // SAFETY: the rate, the number of channels and the application are among those that the function accepts, and
        // `status` lives for the call.
        let raw = unsafe { opus_encoder_create(rate.get() as i32, 1, OPUS_APPLICATION_VOIP, &mut status) };
        let raw = NonNull::new(raw).ok_or_else(|| failed(status))?;
        let encoder = Self { raw, packet: vec![0; MAX_PACKET_BYTES] };
        let settings = [(OPUS_SET_BITRATE_REQUEST, (kbps * 1e3) as i32), (OPUS_SET_COMPLEXITY_REQUEST, COMPLEXITY)];
        for (request, value) in settings {
            // SAFETY: `raw` came from `opus_encoder_create`, and each request takes one whole number.
            let status = unsafe { opus_encoder_ctl!(encoder.raw.as_ptr(), request, value) };
            if status != 0 {
                return Err(failed(status));
            }
        }
        Ok(encoder)
    }

    /// By how many samples the decoded sound comes late.
    fn delay(&self) -> usize {
        let mut samples = 0_i32;
        // SAFETY: `raw` came from `opus_encoder_create`, and the request takes the place of one whole number.
        unsafe { opus_encoder_ctl!(self.raw.as_ptr(), OPUS_GET_LOOKAHEAD_REQUEST, &mut samples) };
        usize::try_from(samples).unwrap_or_default()
    }

    /// Encodes 20 ms.
    fn encode(&mut self, frame: &[f32]) -> Result<&[u8]> {
        // SAFETY: `raw` came from `opus_encoder_create` for mono sound and is owned by `self`; `frame` and `packet` are as
        // long as said.
        let bytes = unsafe {
            opus_encode_float(
                self.raw.as_ptr(),
                frame.as_ptr(),
                frame.len() as i32,
                self.packet.as_mut_ptr(),
                self.packet.len() as i32,
            )
        };
        let bytes = usize::try_from(bytes).map_err(|_| failed(bytes))?;
        Ok(&self.packet[..bytes])
    }
}

impl Drop for OpusEncoder {
    fn drop(&mut self) {
        // SAFETY: `raw` came from `opus_encoder_create` and is not used again.
        unsafe { opus_encoder_destroy(self.raw.as_ptr()) }
    }
}

/// What is left of mono sound, in [-1, 1], after Opus at `kbps` kilobits a second, in packets of 20 ms (RFC 6716): as long
/// as it was, and in its place.
///
/// # Errors
/// [`Error::Invalid`] for a rate but 8, 12, 16, 24 and 48 kHz, or a bit rate that is none of 6 to 510.
pub fn through_opus(samples: &[f32], rate: SampleRate, kbps: f32) -> Result<Vec<f32>> {
    let mut encoder = OpusEncoder::new(rate, kbps)?;
    let decoder = OpusDecoder::open(rate, 1);
    let mut decoder = decoder.map_err(|reason| Error::invalid("a decoder of Opus", "one", reason))?;
    let (delay, size) = (encoder.delay(), (rate.get() / PACKETS) as usize);
    let mut sound = samples.to_vec();
    sound.resize((samples.len() + delay).next_multiple_of(size), 0.0);
    let mut heard = Vec::with_capacity(sound.len());
    for frame in sound.chunks_exact(size) {
        heard.extend_from_slice(decoder.decode(encoder.encode(frame)?, 0, Path::new("Opus"))?);
    }
    heard.drain(..delay);
    heard.truncate(samples.len());
    Ok(heard)
}

fn reason(status: i32) -> String {
    format!("damaged Opus stream: {}", opus_strerror(status))
}

fn failed(status: i32) -> Error {
    Error::invalid("sound for Opus", "what it can encode", opus_strerror(status))
}
