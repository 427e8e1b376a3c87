use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How an attention decoder is searched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AttentionConfig {
    /// How many hypotheses are followed; 0 for no search at all, where CTC has found something. Default: 8.
    pub beam: usize,
    /// Tokens of a hypothesis about which CTC and n-grams are asked, beside the end: the likeliest by all that is known
    /// before. Default: 16.
    pub candidates: usize,
    /// What CTC's log probability is multiplied by, from 0 to below 1; the decoder's is by the rest. Default: 0.4.
    pub ctc_weight: f32,
    /// What the Transformer language model's log probability is multiplied by. Default: 0.3.
    pub lm_weight: f32,
    /// What the decoder's logits are divided by: above 1 it is less sure of itself. Default: 1.
    pub temperature: f32,
    /// The same for the Transformer language model. Default: 1.
    pub lm_temperature: f32,
    /// What n-grams, bonuses and hotwords are multiplied by, on top of the weights of the first search. Default: 1.
    pub fusion_weight: f32,
    /// What each token adds, the end too, in nats. Default: 0.
    pub token_bonus: f32,
    /// Whether hypotheses are compared by their score for a token. Default: false.
    pub normalize_length: bool,
    /// A sentence may only end where the decoder's log probability of the end is above this times that of its best token
    /// (Hannun et al., "Sequence-to-sequence speech recognition with time-depth separable convolutions", Interspeech
    /// 2019). Default: it may end everywhere.
    pub end_threshold: Option<f32>,
    /// What frames cost that were looked at more than enough (Chorowski and Jaitly, "Towards better decoding and language
    /// model integration in sequence to sequence models", Interspeech 2017). Default: 0.
    pub coverage_weight: f32,
    /// The attention, summed over the tokens, that is enough for a frame. Default: 0.5.
    pub coverage_threshold: f32,
    /// The fewest tokens, as a share of the encoder frames. Default: 0.
    pub min_ratio: f32,
    /// The most tokens, likewise. Default: 1.
    pub max_ratio: f32,
    /// With more encoder frames than this nothing is searched: what CTC has found is the text. Default: 400.
    pub max_frames: usize,
}

impl Default for AttentionConfig {
    fn default() -> Self {
        Self {
            beam: 8,
            candidates: 16,
            ctc_weight: 0.4,
            lm_weight: 0.3,
            temperature: 1.0,
            lm_temperature: 1.0,
            fusion_weight: 1.0,
            token_bonus: 0.0,
            normalize_length: false,
            end_threshold: None,
            coverage_weight: 0.0,
            coverage_threshold: 0.5,
            min_ratio: 0.0,
            max_ratio: 1.0,
            max_frames: 400,
        }
    }
}

impl AttentionConfig {
    /// No search: what CTC finds is the text.
    pub fn none() -> Self {
        Self { beam: 0, ..Self::default() }
    }

    /// Whether all is in range.
    ///
    /// # Errors
    /// [`Error::Invalid`], naming the first that is not.
    pub fn check(&self) -> Result<()> {
        let wrong = |what: &str, expected: &str, found: String| Err(Error::invalid(what, expected, found));
        if self.beam > 1_000 {
            return wrong("beam", "0 to 1000", self.beam.to_string());
        }
        if self.candidates == 0 {
            return wrong("candidates", "at least 1", self.candidates.to_string());
        }
        if !(0.0..1.0).contains(&self.ctc_weight) {
            return wrong("ctc_weight", "0 to below 1", self.ctc_weight.to_string());
        }
        if !(0.0..=self.max_ratio).contains(&self.min_ratio) {
            return wrong("min_ratio", "0 to max_ratio", self.min_ratio.to_string());
        }
        if self.normalize_length && self.token_bonus != 0.0 {
            return wrong("token_bonus", "0 with normalize_length", self.token_bonus.to_string());
        }
        if self.coverage_weight < 0.0 {
            return wrong("coverage_weight", "0 or more", self.coverage_weight.to_string());
        }
        for (what, value) in [("temperature", self.temperature), ("lm_temperature", self.lm_temperature)] {
            if value.is_nan() || value <= 0.0 {
                return wrong(what, "more than 0", value.to_string());
            }
        }
        let numbers = [
            ("lm_weight", self.lm_weight),
            ("fusion_weight", self.fusion_weight),
            ("token_bonus", self.token_bonus),
            ("end_threshold", self.end_threshold.unwrap_or_default()),
            ("coverage_weight", self.coverage_weight),
            ("coverage_threshold", self.coverage_threshold),
            ("max_ratio", self.max_ratio),
        ];
        match numbers.into_iter().find(|(_, value)| !value.is_finite()) {
            Some((what, value)) => wrong(what, "a finite number", value.to_string()),
            None => Ok(()),
        }
    }
}
