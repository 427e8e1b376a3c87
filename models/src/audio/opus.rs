//! The only user of the Opus decoder: libopus 1.3.1, translated to Rust.

use std::path::Path;

use unsafe_libopus::{
    OpusDecoder as RawDecoder, opus_decode_float, opus_decoder_create, opus_decoder_destroy, opus_strerror,
};

use crate::units::{SampleRate, Samples};
use crate::{Error, Result};

/// The rate that the container counts in (RFC 7845, section 4), and the one of [`super::read`].
const FULL_RATE: SampleRate = SampleRate::hz(48_000);

/// The rates at which the decoder can put out sound (RFC 6716, section 4).
const RATES_HZ: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];

/// The longest packet, at 48 kHz: 120 ms (RFC 6716, section 3.2.5).
const MAX_PACKET_FRAMES: usize = 5_760;

/// A decoder of the packets of one Ogg/Opus stream.
pub(super) struct OpusDecoder {
    raw: std::ptr::NonNull<RawDecoder>,
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
        let mut status = 0;
        // SAFETY: the rate and the number of channels are among those that the function accepts, and `status` lives
        // for the call.
        let raw = unsafe { opus_decoder_create(rate.get() as i32, channels as i32, &mut status) };
        let raw = std::ptr::NonNull::new(raw).ok_or_else(|| Error::audio(name, reason(status)))?;
        let gain_db = f32::from(i16::from_le_bytes([low, high])) / 256.0;
        let gain = 10f32.powf(gain_db / 20.0);
        Ok(Self { raw, channels, rate, gain, pcm: vec![0.0; MAX_PACKET_FRAMES * channels], counted: 0 })
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

fn reason(status: i32) -> String {
    format!("damaged Opus stream: {}", opus_strerror(status))
}
