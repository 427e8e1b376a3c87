//! The only user of the Opus decoder: libopus 1.3.1, translated to Rust.

use std::path::Path;

use unsafe_libopus::{
    OpusDecoder as RawDecoder, opus_decode_float, opus_decoder_create, opus_decoder_destroy, opus_strerror,
};

use crate::{Error, Result};

/// The rate at which Opus is always decoded (RFC 7845, section 5.1).
pub(super) const RATE_HZ: u32 = 48_000;

/// The longest packet: 120 ms (RFC 6716, section 3.2.5).
const MAX_PACKET_FRAMES: usize = 5_760;

/// A decoder of the packets of one Ogg/Opus stream.
pub(super) struct OpusDecoder {
    raw: std::ptr::NonNull<RawDecoder>,
    channels: usize,
    gain: f32,
    pcm: Vec<f32>,
}

impl OpusDecoder {
    /// Takes the identification header of RFC 7845, section 5.1.
    pub(super) fn new(head: &[u8], name: &Path) -> Result<Self> {
        let &[_, _, _, _, _, _, _, _, _, channels, _, _, _, _, _, _, low, high, family] =
            head.first_chunk::<19>().ok_or_else(|| Error::audio(name, "its Opus header is shorter than 19 bytes"))?;
        let channels = usize::from(channels);
        if family != 0 || !(1..=2).contains(&channels) {
            let reason = format!(
                "Opus with {channels} channels in mapping family {family} is not supported; convert it to mono or stereo"
            );
            return Err(Error::audio(name, reason));
        }
        let mut status = 0;
        // SAFETY: the rate and the number of channels are among those that the function accepts, and `status` lives
        // for the call.
        let raw = unsafe { opus_decoder_create(RATE_HZ as i32, channels as i32, &mut status) };
        let raw = std::ptr::NonNull::new(raw).ok_or_else(|| Error::audio(name, reason(status)))?;
        let gain_db = f32::from(i16::from_le_bytes([low, high])) / 256.0;
        let gain = 10f32.powf(gain_db / 20.0);
        Ok(Self { raw, channels, gain, pcm: vec![0.0; MAX_PACKET_FRAMES * channels] })
    }

    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    /// Decodes a packet to interleaved samples.
    pub(super) fn decode(&mut self, packet: &[u8], name: &Path) -> Result<&[f32]> {
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
