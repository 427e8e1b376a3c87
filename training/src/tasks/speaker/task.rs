use burn::tensor::{Device, Tensor, TensorData};
use rejoinder_models::card::Bundle;
use rejoinder_models::speaker::{DetectionCost, Embedding, equal_error_rate, min_detection_cost};

use super::batches::{Loader, SpeakerBatch};
use super::bundle::FAMILY;
use super::recipe::LossConfig;
use super::speechbrain;
use crate::import;
use crate::import::speechbrain::Names;
use crate::losses::aam_softmax;
use crate::nets::speaker::{EncoderConfig, SpeakerNet};
use crate::trainer::{Batches, Figure, Loss, Metric, Task};
use crate::{Error, Result};

/// Clips that are embedded at a time to validate.
const EMBEDDED: usize = 16;
/// As much of a clip validates.
const LONGEST_S: f64 = 6.0;

/// A speaker net and its data.
pub struct SpeakerTask {
    pub(super) net: EncoderConfig,
    pub(super) loss: LossConfig,
    pub(super) train: Loader,
    pub(super) valid: Loader,
}

impl SpeakerTask {
    /// The net's speakers: those of the data at each speed.
    pub(super) fn speakers(&self) -> usize {
        self.train.dataset.speakers().len() * self.train.config.speeds.len()
    }

    /// The embedding of each clip of a batch.
    pub(super) fn embed(net: &SpeakerNet, batch: &SpeakerBatch, device: &Device) -> Vec<Embedding> {
        let cells = batch.frames * batch.bins;
        let mut embeddings = Vec::with_capacity(batch.lengths.len());
        for (features, lengths) in batch.features.chunks(EMBEDDED * cells).zip(batch.lengths.chunks(EMBEDDED)) {
            let data = TensorData::new(features.to_vec(), [lengths.len(), batch.frames, batch.bins]);
            let values: Vec<f32> =
                net.embed(Tensor::from_data(data, device), Some(lengths)).into_data().iter().collect();
            embeddings.extend(values.chunks(values.len() / lengths.len()).map(|row| Embedding::new(row.to_vec())));
        }
        embeddings
    }
}

/// The cosines of all pairs of clips of one voice, and of two.
pub(super) fn pair_scores(embeddings: &[Embedding], speakers: &[usize]) -> [Vec<f32>; 2] {
    let mut scores = [Vec::new(), Vec::new()];
    for (number, (one, speaker)) in embeddings.iter().zip(speakers).enumerate() {
        for (other, other_speaker) in embeddings[number + 1..].iter().zip(&speakers[number + 1..]) {
            scores[usize::from(speaker != other_speaker)].push(one.cosine(other));
        }
    }
    scores
}

impl Task for SpeakerTask {
    type Net = SpeakerNet;
    type Batch = SpeakerBatch;

    fn net(&self, device: &Device) -> SpeakerNet {
        self.net.init(self.speakers(), device)
    }

    fn weights_in(&self, bundle: &Bundle) -> Result<Vec<(&'static str, &'static str)>> {
        import::single_file(bundle, FAMILY, self.train.fbank.config())
    }

    fn speechbrain_names(&self) -> Option<Names> {
        Some(match self.net {
            EncoderConfig::Ecapa(_) => speechbrain::ecapa,
            EncoderConfig::Xvector(_) => speechbrain::xvector,
        })
    }

    fn heads(&self) -> &'static [&'static str] {
        &["speakers"]
    }

    fn metric(&self) -> Metric {
        Metric::lowest("eer")
    }

    fn seconds(&self, batch: &SpeakerBatch) -> f64 {
        self.train.fbank.config().seconds(batch.features.len())
    }

    fn train_batches(&self, epoch: usize, seed: u64, done: usize) -> Result<Batches<SpeakerBatch>> {
        self.train.train(epoch, seed, done)
    }

    fn valid_batches(&self) -> Result<Batches<SpeakerBatch>> {
        Ok(Box::new(std::iter::once(self.valid.whole(LONGEST_S))))
    }

    fn loss(&self, net: &SpeakerNet, batch: SpeakerBatch, _step: usize, device: &Device) -> Result<Loss> {
        let shape = [batch.lengths.len(), batch.frames, batch.bins];
        let features = Tensor::from_data(TensorData::new(batch.features, shape), device);
        let cosines = net.cosines(net.embed(features, None));
        let best = cosines.clone().inner().argmax(1).into_data();
        let wrong = best.iter::<i64>().zip(&batch.speakers).filter(|(best, own)| *best != **own as i64).count();
        let total = aam_softmax(cosines, &batch.speakers, self.loss.margin, self.loss.scale);
        let value = f64::from(total.clone().into_scalar::<f32>());
        let error = wrong as f64 / batch.speakers.len().max(1) as f64;
        Ok(Loss { total, parts: vec![("loss", value), ("error", error)] })
    }

    fn evaluate(&self, net: &SpeakerNet, batch: SpeakerBatch, device: &Device) -> Result<Vec<Figure>> {
        let [same, different] = pair_scores(&Self::embed(net, &batch, device), &batch.speakers);
        let figure = |name, value| Figure { name, value, weight: 1.0 };
        let rate = equal_error_rate(&same, &different);
        let cost = min_detection_cost(&same, &different, &DetectionCost::default());
        let (Some(rate), Some(cost)) = (rate, cost) else {
            let reason = "expected clips of at least two speakers, and two of one of them";
            return Err(Error::data("validation speakers", reason));
        };
        Ok(vec![
            figure("eer", 100.0 * rate.value),
            figure("threshold", f64::from(rate.threshold)),
            figure("min_dcf", cost.value),
        ])
    }
}
