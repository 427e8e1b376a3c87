//! The joining of neighbours that byte-pair encoding rests on.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

/// Cuts `text` into pieces: beginning with single characters, joins the two neighbours whose union has the lowest
/// rank, leftmost first, until no union has a rank (SentencePiece `bpe_model.cc`, `Model::SampleEncode` without
/// dropout). Takes time in n log n.
pub(crate) fn merge_pieces(text: &str, rank: impl Fn(&str) -> Option<u32>) -> Vec<&str> {
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let mut pieces: Vec<Range<usize>> = starts.windows(2).map(|w| w[0]..w[1]).collect();
    let mut previous: Vec<Option<usize>> = (0..pieces.len()).map(|i| i.checked_sub(1)).collect();
    let mut next: Vec<Option<usize>> = (0..pieces.len()).map(|i| (i + 1 < starts.len() - 1).then_some(i + 1)).collect();

    let mut agenda = BinaryHeap::new();
    let propose = |agenda: &mut BinaryHeap<_>, pieces: &[Range<usize>], left: usize, right: usize| {
        let union = pieces[left].start..pieces[right].end;
        if let Some(rank) = rank(&text[union.clone()]) {
            agenda.push(Reverse((rank, left, right, union.len())));
        }
    };
    for right in 1..pieces.len() {
        propose(&mut agenda, &pieces, right - 1, right);
    }
    while let Some(Reverse((_, left, right, length))) = agenda.pop() {
        // A union is stale when one of its sides has been joined to another since.
        if pieces[left].is_empty() || pieces[right].is_empty() || pieces[left].len() + pieces[right].len() != length {
            continue;
        }
        pieces[left].end = pieces[right].end;
        pieces[right] = 0..0;
        next[left] = next[right];
        if let Some(after) = next[left] {
            previous[after] = Some(left);
            propose(&mut agenda, &pieces, left, after);
        }
        if let Some(before) = previous[left] {
            propose(&mut agenda, &pieces, before, left);
        }
    }
    pieces.into_iter().filter(|piece| !piece.is_empty()).map(|piece| &text[piece]).collect()
}
