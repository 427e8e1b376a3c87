use serde::{Deserialize, Serialize};

/// A vector of length 1 that stands for a voice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Embedding(Vec<f32>);

impl Embedding {
    /// The direction of `values`.
    pub fn new(mut values: Vec<f32>) -> Self {
        let length = values.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        values.iter_mut().for_each(|x| *x /= length);
        Self(values)
    }

    /// The direction of the sum of `embeddings`; none when there is none, or when they differ in size.
    pub fn mean<'a>(embeddings: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let mut embeddings = embeddings.into_iter();
        let mut sum = embeddings.next()?.0.clone();
        for embedding in embeddings {
            if embedding.0.len() != sum.len() {
                return None;
            }
            sum.iter_mut().zip(&embedding.0).for_each(|(sum, x)| *sum += x);
        }
        Some(Self::new(sum))
    }

    /// The cosine of the angle between the two.
    pub fn cosine(&self, other: &Self) -> f32 {
        self.0.iter().zip(&other.0).map(|(a, b)| a * b).sum()
    }

    /// The values.
    pub fn values(&self) -> &[f32] {
        &self.0
    }
}
