//! NIST SPHERE files of plain PCM or mu-law, such as TIMIT's (`sphere_2.7a/doc`, NIST): a header of text, whose length
//! stands in its second line, then interleaved samples.

use std::path::Path;

use super::read::{Decoded, check_rate};
use crate::units::SampleRate;
use crate::{Error, Result};

const MAGIC: &[u8] = b"NIST_1A\n";

/// Whether a file begins as SPHERE files do.
pub(super) fn is_sphere(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// The fields of a header, `NAME -TYPE VALUE` a line.
struct Header<'a> {
    text: &'a str,
    name: &'a Path,
}

impl<'a> Header<'a> {
    fn get(&self, field: &str) -> Option<&'a str> {
        let mut lines = self.text.lines().map(|line| line.splitn(3, ' '));
        lines.find_map(|mut line| (line.next() == Some(field)).then(|| line.nth(1))).flatten().map(str::trim)
    }

    fn number(&self, field: &str) -> Result<usize> {
        let found = self.get(field);
        found.and_then(|value| value.parse().ok()).ok_or_else(|| {
            let found = found.unwrap_or("none");
            Error::audio(self.name, format!("SPHERE header: expected a number `{field}`, found {found}"))
        })
    }
}

/// Decodes a whole file.
pub(super) fn decode(bytes: &[u8], name: &Path) -> Result<Decoded> {
    let damaged = || Error::audio(name, "damaged: the SPHERE header is cut off or is not text");
    let start: usize = bytes
        .get(MAGIC.len()..MAGIC.len() + 8)
        .and_then(|line| std::str::from_utf8(line).ok()?.trim().parse().ok())
        .ok_or_else(damaged)?;
    let text = bytes.get(..start).and_then(|header| std::str::from_utf8(header).ok()).ok_or_else(damaged)?;
    let header = Header { text: text.split("end_head").next().unwrap_or(text), name };
    let (channels, rate) = (header.number("channel_count")?.max(1), header.number("sample_rate")?);
    let promised = header.number("sample_count")?.checked_mul(channels).ok_or_else(damaged)?;
    let coding = header.get("sample_coding").unwrap_or("pcm");
    let order = header.get("sample_byte_format").unwrap_or("01");
    let sound = &bytes[start..];
    let samples: Vec<f32> = match (coding, header.number("sample_n_bytes")?, order) {
        ("pcm", 2, "01") => linear(sound, i16::from_le_bytes),
        ("pcm", 2, "10") => linear(sound, i16::from_be_bytes),
        ("ulaw", 1, _) => sound.iter().map(|&code| mu_law(code)).collect(),
        (coding, bytes, order) => {
            let reason = format!(
                "SPHERE with coding {coding}, {bytes} bytes a sample in order {order}; supported are pcm of 2 bytes and \
                 ulaw: convert it with `sph2pipe -p -f wav`"
            );
            return Err(Error::audio(name, reason));
        }
    };
    if samples.len() < promised {
        let reason = format!("truncated: the header promises {promised} samples, the file holds {}", samples.len());
        return Err(Error::audio(name, reason));
    }
    if promised == 0 {
        return Err(Error::audio(name, "it holds no samples"));
    }
    let rate = check_rate(u32::try_from(rate).unwrap_or(u32::MAX), name)?;
    Ok(Decoded { samples: samples[..promised].to_vec(), channels, rate: SampleRate::hz(rate) })
}

fn linear(sound: &[u8], sample: fn([u8; 2]) -> i16) -> Vec<f32> {
    sound.chunks_exact(2).map(|pair| f32::from(sample([pair[0], pair[1]])) / 32_768.0).collect()
}

/// Mu-law of ITU-T G.711.
fn mu_law(code: u8) -> f32 {
    let code = !code;
    let magnitude = ((i32::from(code & 0x0f) << 3) + 0x84) << ((code & 0x70) >> 4);
    let sample = magnitude - 0x84;
    (if code & 0x80 == 0 { sample } else { -sample }) as f32 / 32_768.0
}

#[cfg(test)]
mod tests {
    use super::super::{read, read_at};
    use super::*;

    fn file(fields: &str, sound: &[u8]) -> Vec<u8> {
        let mut bytes = format!("NIST_1A\n   1024\ndatabase_id -s5 TIMIT\n{fields}end_head\n").into_bytes();
        bytes.resize(1024, b' ');
        bytes.extend_from_slice(sound);
        bytes
    }

    #[test]
    fn pcm_of_either_order_and_mu_law_are_read_as_wave_files_are() {
        let samples: Vec<i16> = (0..400).map(|n| (n * 97 % 4_001 - 2_000) as i16).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("SA1.WAV");
        let fields = |bytes: u8, rest: &str| {
            format!("channel_count -i 1\nsample_count -i 400\nsample_rate -i 16000\nsample_n_bytes -i {bytes}\n{rest}")
        };
        let expected: Vec<f32> = samples.iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
        let little: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let big: Vec<u8> = samples.iter().flat_map(|sample| sample.to_be_bytes()).collect();
        for (order, sound) in [("01", &little), ("10", &big)] {
            std::fs::write(&path, file(&fields(2, &format!("sample_byte_format -s2 {order}\n")), sound)).unwrap();
            let clip = read(&path).unwrap();
            assert_eq!((clip.samples.as_slice(), clip.rate.get()), (expected.as_slice(), 16_000));
        }
        // By CPython's `audioop.ulaw2lin`.
        for (code, value) in [(0x80, 32_124), (0x00, -32_124), (0xff, 0), (0x9f, 8_316), (0xce, 988)] {
            assert_eq!(mu_law(code), value as f32 / 32_768.0, "{code:#x}");
        }
        std::fs::write(&path, file(&fields(1, "sample_coding -s4 ulaw\n"), &[0x9f; 400])).unwrap();
        assert_eq!(read_at(&path, SampleRate::hz(16_000)).unwrap().samples, [8_316.0 / 32_768.0; 400]);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let message = |fields: &str, sound: &[u8]| {
            decode(&file(fields, sound), Path::new("a.sph")).map(drop).unwrap_err().to_string()
        };
        let shape = "channel_count -i 1\nsample_count -i 10\nsample_rate -i 16000\n";
        let packed =
            message(&format!("{shape}sample_n_bytes -i 2\nsample_coding -s26 pcm,embedded-shorten-v2.00\n"), &[]);
        assert!(packed.contains("shorten") && packed.contains("sph2pipe"), "{packed}");
        let short = message(&format!("{shape}sample_n_bytes -i 2\n"), &[0; 10]);
        assert!(short.contains("promises 10 samples") && short.contains("holds 5"), "{short}");
        let slow = message(&format!("{}sample_n_bytes -i 2\n", shape.replace("16000", "1")), &[0; 20]);
        assert!(slow.ends_with("its sample rate is 1 Hz; expected 1000 to 1000000 Hz"), "{slow}");
        let none = message("channel_count -i 1\n", &[]);
        assert!(none.contains("`sample_rate`"), "{none}");
    }
}
