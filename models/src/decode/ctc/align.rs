//! Where given tokens sound.

use super::CtcToken;

/// Where the tokens of a text lie in the frames: the likeliest of CTC's alignments, found as Viterbi's path through
/// blanks and tokens. With too few frames for them, the tokens lie evenly over all.
///
/// `log_probs` are natural log probabilities, (frames, `vocabulary`) row by row.
///
/// # Panics
/// When `vocabulary` is 0, or the blank or a token is not below it.
pub fn align(log_probs: &[f32], vocabulary: usize, blank: u32, tokens: &[u32]) -> Vec<CtcToken> {
    let frames = log_probs.len() / vocabulary;
    let path = match viterbi(log_probs, vocabulary, blank, tokens) {
        Some(path) => path,
        // State 2 i + 1 is token i.
        None => (0..frames).map(|frame| 2 * (frame * tokens.len() / frames) + 1).collect(),
    };
    let token = |(number, id): (usize, &u32)| {
        let here = |state: &usize| *state == 2 * number + 1;
        let start = path.iter().position(here).unwrap_or(number * frames / tokens.len());
        let end = path.iter().rposition(here).map_or(start + 1, |last| last + 1);
        let heard = (start..end.min(frames)).map(|frame| log_probs[frame * vocabulary + *id as usize]);
        CtcToken { id: *id, start, end, log_prob: heard.fold(f32::NEG_INFINITY, f32::max) }
    };
    tokens.iter().enumerate().map(token).collect()
}

/// The state of each frame: even ones are blanks, odd ones the tokens between.
fn viterbi(log_probs: &[f32], vocabulary: usize, blank: u32, tokens: &[u32]) -> Option<Vec<usize>> {
    let states = 2 * tokens.len() + 1;
    let id = |state: usize| if state.is_multiple_of(2) { blank } else { tokens[state / 2] };
    let frames = log_probs.len() / vocabulary;
    let mut best = vec![f64::NEG_INFINITY; states];
    let mut steps = vec![0_u8; frames * states];
    for (frame, (row, steps)) in log_probs.chunks_exact(vocabulary).zip(steps.chunks_exact_mut(states)).enumerate() {
        let before = best.clone();
        for (state, step) in steps.iter_mut().enumerate() {
            let skips = state % 2 == 1 && state > 2 && id(state) != id(state - 2);
            let most = if skips { 2 } else { state.min(1) };
            let score = |back: &usize| match frame {
                0 if state < 2 && *back == 0 => 0.0,
                0 => f64::NEG_INFINITY,
                _ => before[state - back],
            };
            let back = (0..=most).max_by(|a, b| score(a).total_cmp(&score(b)).then(b.cmp(a))).unwrap_or(0);
            best[state] = score(&back) + f64::from(row[id(state) as usize]);
            *step = back as u8;
        }
    }
    let ends = [states - 1, states.saturating_sub(2)];
    let end = ends.into_iter().max_by(|a, b| best[*a].total_cmp(&best[*b]))?;
    if best[end] == f64::NEG_INFINITY || frames == 0 {
        return None;
    }
    let mut path = vec![end; frames];
    for frame in (1..frames).rev() {
        path[frame - 1] = path[frame] - usize::from(steps[frame * states + path[frame]]);
    }
    Some(path)
}
