//! Tasks with the tables of the `asr` task and one of their own, whose nets learn beside its encoder and its CTC losses.

use burn::module::Module;
use burn::tensor::Tensor;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::recipe::AsrRecipe;
use super::tables::{EvaluateConfig, TuneConfig};
use crate::nets::conformer::Conformer;
use crate::trainer::Loss;
use crate::{Error, Result};

/// Parts such a recipe; `name` is that of its own table.
pub(in crate::tasks) fn split<T: DeserializeOwned>(
    mut table: toml::Table,
    name: &str,
) -> Result<(AsrRecipe, T), String> {
    let own = table.remove(name).ok_or_else(|| format!("missing table `[{name}]`"))?;
    let own = own.try_into().map_err(|e: toml::de::Error| format!("[{name}] {e}"))?;
    let asr: AsrRecipe = table.try_into().map_err(|e: toml::de::Error| e.to_string())?;
    let distill = asr.distill.is_some().then(|| "[distill]".to_owned());
    match distill.or_else(|| unheeded(&asr.evaluate).map(|key| format!("evaluate.{key}"))) {
        Some(key) => Err(format!("{key} is for `task = \"asr\"`; take it out beside `[{name}]`")),
        None => Ok((asr, own)),
    }
}

/// The first key that is set of those that only the `asr` task heeds.
fn unheeded(evaluate: &EvaluateConfig) -> Option<&'static str> {
    let set = [
        ("tune", evaluate.tune),
        ("grid", evaluate.grid != TuneConfig::default()),
        ("card", evaluate.card),
        ("hotwords", !evaluate.hotwords.is_empty()),
        ("lexicon", evaluate.lexicon.is_some()),
    ];
    set.into_iter().find(|(_, is_set)| *is_set).map(|(key, _)| key)
}

/// Refuses a weight of the CTC losses that leaves less than nothing to the other loss; `name` is that of the table.
pub(in crate::tasks) fn check_ctc_weight(weight: f64, name: &str) -> Result<(), String> {
    match (0.0..=1.0).contains(&weight) {
        true => Ok(()),
        false => Err(format!("[{name}] ctc_weight: expected a weight from 0 to 1, found {weight}")),
    }
}

/// The whole recipe as one table, defaults written out.
pub(in crate::tasks) fn join(asr: &AsrRecipe, name: &str, own: &impl Serialize) -> Result<toml::Table> {
    let mistake = |e: toml::ser::Error| Error::config("recipe", e);
    let mut table = toml::Table::try_from(asr).map_err(mistake)?;
    table.insert(name.to_owned(), toml::Value::try_from(own).map_err(mistake)?);
    Ok(table)
}

/// The encoder for one step. A graph that is never gone back through would stay in memory, so that of an encoder that
/// stays as it is must not come to be.
pub(in crate::tasks) fn encoder(encoder: &Conformer, frozen: bool) -> Conformer {
    if frozen { encoder.clone().no_grad() } else { encoder.clone() }
}

/// The loss of what learns beside the encoder, (1), and those of CTC with their weight, of which it has the rest. There are
/// none while the encoder stays as it is.
pub(in crate::tasks) fn beside_ctc(own: Tensor<1>, ctc: Option<(Loss, f64)>) -> Loss {
    let mut parts = vec![("loss", f64::from(own.clone().into_scalar::<f32>()))];
    let Some((ctc, weight)) = ctc else { return Loss { total: own, parts } };
    parts.extend(ctc.parts.into_iter().map(|(name, value)| (if name == "loss" { "ctc" } else { name }, value)));
    Loss { total: own.mul_scalar(1.0 - weight) + ctc.total.mul_scalar(weight), parts }
}
