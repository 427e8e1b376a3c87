use std::collections::VecDeque;

use rejoinder_models::units::Position;

use super::BLOCK;

/// Over how many blocks power is taken: 100 ms.
const BLOCKS: usize = 10;
/// By how much somebody who speaks over a noise exceeds it, in power: 6 dB.
const LOUDER: f32 = 4.0;

/// Noise over a reply that goes on without a gap, so that the detector tells of no speech that begins over it.
pub(super) struct Drone {
    /// When it was taken for noise.
    pub(super) judged: Position,
    /// The power of the loudest 100 ms of the noise.
    loudest: f32,
    /// The power of the last blocks.
    powers: VecDeque<f32>,
}

impl Drone {
    /// Noise that has sounded like this up to now.
    pub(super) fn new(sound: &[f32], now: Position) -> Self {
        let whole = sound.rchunks_exact(BLOCKS * BLOCK).map(power).reduce(f32::max);
        let loudest = whole.unwrap_or_else(|| power(sound));
        Self { judged: now, loudest, powers: VecDeque::with_capacity(BLOCKS) }
    }

    /// Takes a block, and tells whether something has begun over the noise.
    pub(super) fn is_exceeded(&mut self, block: &[f32]) -> bool {
        if self.powers.len() == BLOCKS {
            self.powers.pop_front();
        }
        self.powers.push_back(power(block));
        let mean = self.powers.iter().sum::<f32>() / BLOCKS as f32;
        mean > LOUDER * self.loudest
    }
}

fn power(sound: &[f32]) -> f32 {
    sound.iter().map(|sample| sample * sample).sum::<f32>() / sound.len().max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drone_is_exceeded_by_what_is_twice_as_loud_for_a_tenth_of_a_second() {
        let exceeded =
            |drone: &mut Drone, level: f32| (0..BLOCKS).filter(|_| drone.is_exceeded(&[level; BLOCK])).count();
        let of = |sound: &[f32]| Drone::new(sound, Position(0));
        let mut drone = of(&[0.1; 20 * BLOCK]);
        assert_eq!((exceeded(&mut drone, 0.1), exceeded(&mut drone, 0.19)), (0, 0));
        let mut drone = of(&[0.1; 20 * BLOCK]);
        assert_eq!(exceeded(&mut drone, 0.1), 0);
        // Nine blocks of ten are enough.
        assert_eq!((exceeded(&mut drone, 0.21), exceeded(&mut drone, 0.21)), (2, BLOCKS));
        // A peak that is shorter than that counts by its share.
        let mut knocked = vec![0.1; 20 * BLOCK];
        knocked.extend([1.0; BLOCK]);
        assert!(of(&knocked).loudest < 0.12 && of(&[0.1; BLOCK]).loudest > 0.009);
    }
}
