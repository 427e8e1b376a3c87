//! Rooms: convolution with measured or synthetic impulse responses.

use std::fmt;
use std::sync::Arc;

use rand::Rng;
use rejoinder_models::fourier::{Complex32, ComplexToReal, RealToComplex, forward, inverse};

/// The transform's length: half of it is a block of sound, the other half a part of a response.
const FFT: usize = 16_384;
const BLOCK: usize = FFT / 2;
/// Parts that a response has at most: 4 s at 16 kHz, after which halls are silent too.
const MOST_PARTS: usize = 8;

/// The spectra of the parts of one response, aligned to its direct sound.
#[derive(Clone, Debug)]
pub struct Room {
    parts: Vec<Vec<Complex32>>,
}

/// Responses to draw from, with the transforms to apply them.
#[derive(Clone)]
pub struct Rooms {
    rooms: Vec<Room>,
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
}

impl fmt::Debug for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rooms({})", self.rooms.len())
    }
}

impl Default for Rooms {
    fn default() -> Self {
        Self { rooms: Vec::new(), forward: forward(FFT), inverse: inverse(FFT) }
    }
}

impl Rooms {
    /// `count` rooms of exponentially decaying noise: reverberation times of 0.15 to 0.7 s, direct sound 3 dB below to
    /// 12 dB above the reverberation (Polack's model of the late tail, with the early reflections left out).
    pub fn synthetic(count: usize, sample_rate_hz: u32, rng: &mut impl Rng) -> Self {
        let mut rooms = Self::default();
        let rate = sample_rate_hz as f32;
        for _ in 0..count {
            let rt60_s: f32 = rng.random_range(0.15..0.7);
            let direct_db: f32 = rng.random_range(-3.0..12.0);
            // 60 dB is a factor of 1000 in amplitude.
            let decay = (-(1000.0_f32.ln()) / (rt60_s * rate)).exp();
            let delay = rng.random_range(0.001..0.01) * rate;
            let mut response = vec![0.0; (rt60_s * rate) as usize];
            let mut amplitude = 1.0;
            for value in response.iter_mut().skip(delay as usize) {
                *value = amplitude * rng.random_range(-1.0..1.0_f32);
                amplitude *= decay;
            }
            let tail: f32 = response.iter().map(|x| x * x).sum::<f32>().sqrt();
            response[0] = tail * 10.0_f32.powf(direct_db / 20.0);
            rooms.push(&response);
        }
        rooms
    }

    /// Adds a response. What comes before its peak goes, so that a clip keeps its timing, and its energy becomes 1.
    pub fn push(&mut self, response: &[f32]) {
        let (mut at, mut peak) = (0, 0.0);
        for (i, x) in response.iter().enumerate() {
            if x.abs() > peak {
                (at, peak) = (i, x.abs());
            }
        }
        let kept = &response[at..response.len().min(at + MOST_PARTS * BLOCK)];
        let energy = kept.iter().map(|x| x * x).sum::<f32>();
        if energy <= 0.0 {
            return;
        }
        // realfft's inverse is not scaled: the length is taken out here, once.
        let scale = 1.0 / (energy.sqrt() * FFT as f32);
        let transform = |part: &[f32]| {
            let mut padded = vec![0.0; FFT];
            padded.iter_mut().zip(part).for_each(|(p, x)| *p = x * scale);
            let mut spectrum = self.forward.make_output_vec();
            self.forward.process(&mut padded, &mut spectrum).ok().map(|()| spectrum)
        };
        if let Some(parts) = kept.chunks(BLOCK).map(transform).collect() {
            self.rooms.push(Room { parts });
        }
    }

    /// The number of responses.
    pub fn len(&self) -> usize {
        self.rooms.len()
    }

    /// Whether there is no response.
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    /// Puts a clip into a random room. `wet` is the reverberated share, the rest stays dry; the length is kept.
    pub fn apply(&self, samples: &mut [f32], wet: f32, rng: &mut impl Rng) {
        if self.rooms.is_empty() {
            return;
        }
        let room = &self.rooms[rng.random_range(0..self.rooms.len())];
        let reverberated = self.convolve(samples, room);
        samples.iter_mut().zip(reverberated).for_each(|(s, r)| *s += wet * (r - *s));
    }

    /// Overlap-add of each block of sound with each part of the response.
    fn convolve(&self, samples: &[f32], room: &Room) -> Vec<f32> {
        let mut output = vec![0.0; samples.len()];
        let mut block = vec![0.0; FFT];
        let (mut spectrum, mut product) = (self.forward.make_output_vec(), self.forward.make_output_vec());
        for (start, piece) in samples.chunks(BLOCK).enumerate().map(|(i, piece)| (i * BLOCK, piece)) {
            block[..piece.len()].copy_from_slice(piece);
            block[piece.len()..].fill(0.0);
            if self.forward.process(&mut block, &mut spectrum).is_err() {
                continue;
            }
            let places = room.parts.iter().enumerate().map(|(i, part)| (start + i * BLOCK, part));
            for (place, part) in places.take_while(|(place, _)| *place < samples.len()) {
                product.iter_mut().zip(spectrum.iter().zip(part)).for_each(|(y, (x, h))| *y = x * h);
                let last = product.len() - 1;
                (product[0].im, product[last].im) = (0.0, 0.0);
                if self.inverse.process(&mut product, &mut block).is_ok() {
                    output[place..].iter_mut().zip(&block).for_each(|(y, x)| *y += x);
                }
            }
        }
        output
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn fast_convolution_is_convolution() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut response: Vec<f32> = (0..700).map(|_| rng.random_range(-0.5..0.5)).collect();
        response[20] = 1.0;
        // A tail that reaches into the second part, and past it.
        response.resize(2 * BLOCK, 0.0);
        response[BLOCK + 777] = 0.9;
        let clip: Vec<f32> = (0..20_000).map(|_| rng.random_range(-0.5..0.5)).collect();
        let mut rooms = Rooms::default();
        rooms.push(&response);
        let mut found = clip.clone();
        rooms.apply(&mut found, 1.0, &mut rng);
        let kept = &response[20..];
        let energy: f32 = kept.iter().map(|x| x * x).sum();
        for at in [0, 1, 500, BLOCK - 1, BLOCK, BLOCK + 300, 19_999] {
            let direct: f32 = (0..kept.len().min(at + 1)).map(|k| kept[k] * clip[at - k]).sum();
            let expected = direct / energy.sqrt();
            assert!((found[at] - expected).abs() < 1e-4, "at {at}: {} and {expected}", found[at]);
        }
    }

    #[test]
    fn a_dry_room_and_an_empty_bank_change_nothing() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let clip: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.1).sin()).collect();
        let mut samples = clip.clone();
        Rooms::default().apply(&mut samples, 1.0, &mut rng);
        assert_eq!(samples, clip);
        let mut rooms = Rooms::default();
        rooms.push(&[0.0, 0.0, 2.0]);
        rooms.push(&[0.0; 5]);
        assert_eq!(rooms.len(), 1);
        rooms.apply(&mut samples, 1.0, &mut rng);
        assert!(samples.iter().zip(&clip).all(|(a, b)| (a - b).abs() < 1e-5));
    }
}
