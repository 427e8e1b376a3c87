//! What the clips of a data set become, as items of a [`Pipeline`]: text on one side, sound on the other.

use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::AsrDataset;
use crate::Result;
use crate::augment::Placement;
use crate::data::loader::Front;
use crate::data::pipeline::{Key, Pipeline, PipelineBuilder};

/// Given: what is said, as written.
pub const WORDS: Key<String> = Key::new("words");
/// What is said, as a recogniser learns it.
pub const TEXT: Key<String> = Key::new("text");
/// Token numbers of the text.
pub const TOKENS: Key<Vec<u32>> = Key::new("tokens");
/// Phone numbers of the text.
pub const PHONES: Key<Vec<u32>> = Key::new("phones");

/// Given: the number of a clip in its data set.
pub const CLIP: Key<usize> = Key::new("clip");
/// Given: the seed of what happens to it.
pub const SEED: Key<u64> = Key::new("seed");
/// Given: which of the copies that augmentation makes of it.
pub const COPY: Key<usize> = Key::new("copy");
/// Its samples as recorded, mono in [-1, 1].
pub const SIGNAL: Key<Vec<f32>> = Key::new("signal");
/// Its samples after augmentation.
pub const AUGMENTED: Key<Vec<f32>> = Key::new("augmented");
/// Where the sound of the clip stands among them.
pub const PLACEMENT: Key<Placement> = Key::new("placement");
/// What draws on for the features.
const RNG: Key<ChaCha8Rng> = Key::new("rng");
/// Its features, shape (frames, bins), row by row.
pub const FEATURES: Key<Vec<f32>> = Key::new("features");
/// The phone that sounds in each frame of the features, 0 for none.
pub const LABELS: Key<Vec<u8>> = Key::new("labels");

/// From [`WORDS`] to [`TEXT`]. A recipe adds [`TOKENS`], and [`PHONES`] where it has such.
pub fn transcript(normalise: impl Fn(&str) -> String + Send + 'static) -> PipelineBuilder {
    PipelineBuilder::new().given(WORDS).item(TEXT, WORDS, move |words| Ok(normalise(words)))
}

/// From [`CLIP`], [`SEED`] and [`COPY`] to `outputs`, among [`SIGNAL`], [`FEATURES`] and [`LABELS`].
///
/// # Errors
/// When the recordings cannot be opened.
pub(crate) fn sound(dataset: &Arc<AsrDataset>, front: &Arc<Front>, outputs: &[&'static str]) -> Result<Pipeline> {
    let (mut readers, clips) = (dataset.readers()?, dataset.clone());
    let builder = PipelineBuilder::new().given(CLIP).given(SEED).given(COPY);
    let builder = builder.item(SIGNAL, CLIP, move |clip| clips.read(&mut readers, *clip));
    let (fbank, clips, hop) = (front.clone(), dataset.clone(), front.fbank.hop().0 as usize);
    let label = move |clip: usize, features: &[f32], placement: Placement| {
        let labels = &clips.clips()[clip].labels;
        let at = |frame: usize| labels.get(placement.source(frame * hop)? / hop).copied();
        Ok((0..features.len() / fbank.fbank.bins()).map(|frame| at(frame).unwrap_or(0)).collect())
    };
    let front = front.clone();
    let builder = match &front.augmenter {
        None => builder
            .item(LABELS, (CLIP, FEATURES), move |(clip, features)| label(*clip, features, Placement::default()))
            .item(FEATURES, SIGNAL, move |signal| Ok(front.fbank.compute(signal)?)),
        Some(augmenter) => {
            let (waveform, spectrum) = (augmenter.clone(), augmenter.clone());
            builder
                .item((AUGMENTED, PLACEMENT, RNG), (SIGNAL, SEED, COPY), move |(signal, seed, copy)| {
                    let (mut samples, mut rng) = (signal.clone(), ChaCha8Rng::seed_from_u64(*seed));
                    let courses = waveform.courses(&mut rng);
                    // Copies of a clip are not alike.
                    rng.set_stream(*copy as u64);
                    let course = courses.get(*copy).map_or(&[][..], Vec::as_slice);
                    let placement = waveform.apply(course, &mut samples, &mut rng);
                    Ok((samples, placement, rng))
                })
                .item(FEATURES, (AUGMENTED, RNG), move |(samples, rng)| {
                    let mut features = front.fbank.compute(samples)?;
                    spectrum.features(&mut features, front.fbank.bins(), &mut rng.clone());
                    Ok(features)
                })
                .item(LABELS, (CLIP, FEATURES, PLACEMENT), move |(clip, features, placement)| {
                    label(*clip, features, *placement)
                })
        }
    };
    builder.build(outputs)
}
