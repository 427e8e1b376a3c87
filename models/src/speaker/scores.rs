use super::Embedding;

/// How near strangers are to a voice: adaptive symmetric normalisation of scores (Matějka et al., "Analysis of Score
/// Normalization in Multilingual Speaker Recognition", Interspeech 2017), as in SpeechBrain's
/// `speaker_verification_cosine.py` with `score_norm: s-norm`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Strangers {
    mean: f32,
    deviation: f32,
}

impl Strangers {
    /// Mean and deviation of the cosines between an utterance and the `nearest` of a `cohort` of at least two strangers.
    pub fn of(utterance: &Embedding, cohort: &[Embedding], nearest: usize) -> Self {
        let mut cosines: Vec<f32> = cohort.iter().map(|stranger| utterance.cosine(stranger)).collect();
        cosines.sort_by(|a, b| b.total_cmp(a));
        cosines.truncate(nearest);
        let count = cosines.len() as f32;
        let mean = cosines.iter().sum::<f32>() / count;
        let variance = cosines.iter().map(|cosine| (cosine - mean).powi(2)).sum::<f32>() / (count - 1.0);
        Self { mean, deviation: variance.sqrt() }
    }

    fn normalise(&self, score: f32) -> f32 {
        (score - self.mean) / self.deviation
    }
}

/// A cosine in standard deviations from those of strangers: the mean over both sides.
pub fn s_norm(cosine: f32, one: &Strangers, other: &Strangers) -> f32 {
    0.5 * (one.normalise(cosine) + other.normalise(cosine))
}
