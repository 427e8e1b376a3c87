//! Where sound can be heard.

use std::ops::Range;

use rejoinder_models::units::{Position, Samples};

use crate::message::AUDIBLE;

/// Silence that is shorter than this, 50 ms, belongs to the words around it.
const GAP: Samples = Samples(800);

/// Adds what can be heard of some sound to the spans of what came before. `at` is the moment of a sample.
pub(crate) fn audible(sound: &[f32], at: impl Fn(u64) -> Position, spans: &mut Vec<Range<Position>>) {
    above(AUDIBLE, sound, at, spans);
}

/// The same for sound of another level.
pub(crate) fn above(level: f32, sound: &[f32], at: impl Fn(u64) -> Position, spans: &mut Vec<Range<Position>>) {
    for (i, _) in sound.iter().enumerate().filter(|(_, x)| x.abs() >= level) {
        let at = at(i as u64);
        let next = at + Samples(1);
        match spans.last_mut() {
            Some(span) if at.since(span.end) < GAP => span.end = next,
            _ => spans.push(at..next),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_grow_over_pieces_and_part_at_gaps() {
        let mut sound = vec![0.0; 4_000];
        sound[100..300].fill(0.1);
        sound[700..900].fill(-0.1);
        sound[2_000..2_001].fill(0.1);
        sound[3_000..3_100].fill(1e-3);
        let mut spans = Vec::new();
        for (i, piece) in sound.chunks(77).enumerate() {
            audible(piece, |at| Position(i as u64 * 77 + at), &mut spans);
        }
        assert_eq!(spans, [Position(100)..Position(900), Position(2_000)..Position(2_001)]);
    }
}
