//! Spectrograms as PNG files, to look at.

use std::io::Write;
use std::path::Path;

use flate2::Crc;
use flate2::write::ZlibEncoder;

use super::mel::MelConfig;
use crate::{Error, Result};

/// The quietest and the loudest level that is drawn, as natural logarithms of magnitudes.
const RANGE: [f32; 2] = [-9.0, -1.5];
/// Pixels a frame is wide, a band high, and between two spectrograms.
const WIDE: usize = 2;
const HIGH: usize = 2;
const GAP: usize = 6;

/// Draws log mel spectrograms of sounds below each other, from the first on top, louder is darker.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn draw(path: &Path, sounds: &[&[f32]], rate_hz: u32) -> Result<()> {
    let hop = rate_hz as usize / 100;
    let mel = MelConfig { rate_hz, window: 4 * hop, hop, bands: 96 };
    let spectra: Vec<Vec<f32>> = sounds.iter().map(|s| mel.compute(s, s.len() / hop)).collect();
    let width = spectra.iter().map(|s| s.len() / mel.bands).max().unwrap_or(0) * WIDE;
    let mut pixels = Vec::new();
    for spectrum in &spectra {
        for row in 0..mel.bands * HIGH {
            let band = mel.bands - 1 - row / HIGH;
            let at = |x: usize| spectrum.get(x / WIDE * mel.bands + band).copied().unwrap_or(RANGE[0]);
            pixels.extend((0..width).map(|x| shade(at(x))));
        }
        pixels.extend(vec![128; GAP * width]);
    }
    let height = pixels.len() / width.max(1);
    std::fs::write(path, png(&pixels, width, height).map_err(|e| Error::io(path, e))?).map_err(|e| Error::io(path, e))
}

fn shade(level: f32) -> u8 {
    (255.0 * (1.0 - ((level - RANGE[0]) / (RANGE[1] - RANGE[0])).clamp(0.0, 1.0))) as u8
}

/// Eight bits of grey (Portable Network Graphics, W3C, sections 5 and 11).
fn png(pixels: &[u8], width: usize, height: usize) -> std::io::Result<Vec<u8>> {
    let mut header = Vec::new();
    header.extend((width as u32).to_be_bytes());
    header.extend((height as u32).to_be_bytes());
    header.extend([8, 0, 0, 0, 0]);
    let mut packed = ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    for row in pixels.chunks(width.max(1)) {
        packed.write_all(&[0])?;
        packed.write_all(row)?;
    }
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in [(b"IHDR", header), (b"IDAT", packed.finish()?), (b"IEND", Vec::new())] {
        out.extend((data.len() as u32).to_be_bytes());
        let mut crc = Crc::new();
        crc.update(kind);
        crc.update(&data);
        out.extend(kind);
        out.extend(&data);
        out.extend(crc.sum().to_be_bytes());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_the_signature_and_the_size_of_its_pixels() {
        let bytes = png(&[0, 128, 255, 1, 2, 3], 3, 2).unwrap();
        assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
        assert_eq!(&bytes[12..24], b"IHDR\0\0\0\x03\0\0\0\x02");
        // The checksum of an empty IEND chunk, as every PNG file ends.
        assert_eq!(&bytes[bytes.len() - 4..], [0xAE, 0x42, 0x60, 0x82]);
    }
}
