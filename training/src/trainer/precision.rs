//! Mixed precision (Micikevicius et al., "Mixed precision training", ICLR 2018): a step's products are computed of 16-bit
//! weights and inputs, and all that is kept from step to step has 32 bits.

use std::borrow::Cow;
use std::fmt;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// In what a step computes, by the names of SpeechBrain's run option `precision`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Precision {
    /// In 32-bit floats.
    #[default]
    Fp32,
    /// Linear layers, convolutions over two dimensions and the products of attention in bfloat16, which has the range of a
    /// 32-bit float, so that no loss is scaled. Weights, their average, the optimizer, normalisations, softmaxes, losses,
    /// validation and what is exported have 32 bits.
    Bf16,
}

impl Precision {
    fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
        }
    }

    /// Whether a device computes so.
    ///
    /// # Errors
    /// [`Error::Config`] where it does not.
    pub(super) fn check(self, device: &Device) -> Result<()> {
        self.check_support(device.supports_dtype(FloatDType::BF16), device)
    }

    fn check_support(self, has_bf16: bool, device: &impl fmt::Debug) -> Result<()> {
        if self == Self::Bf16 && !has_bf16 {
            let reason = format!("{device:?} does not compute in bf16; expected fp32, or another train.backend");
            return Err(Error::config("train.precision", reason));
        }
        Ok(())
    }

    /// The net that a step runs on: itself, or a copy with the weights of its products in 16 bits.
    pub(super) fn of_step<M: Module>(self, net: &M) -> Cow<'_, M> {
        match self {
            Self::Fp32 => Cow::Borrowed(net),
            // Running statistics are shared with the copy, so that a step changes those of the net.
            Self::Bf16 => Cow::Owned(net.clone().map(&mut Round::default())),
        }
    }

    /// The gradients of a loss of the net that [`of_step`](Self::of_step) gave, in 32 bits, by the numbers of the weights.
    pub(super) fn gradients<M: Module>(self, loss: &Tensor<1>, of_step: &M) -> GradientsParams {
        let mut grads = GradientsParams::from_grads(loss.backward(), of_step);
        if self != Self::Fp32 {
            of_step.visit(&mut Widen { grads: &mut grads });
        }
        grads
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Precision> for String {
    fn from(precision: Precision) -> Self {
        precision.name().to_owned()
    }
}

impl TryFrom<String> for Precision {
    type Error = String;

    fn try_from(name: String) -> std::result::Result<Self, String> {
        let known = [Self::Fp32, Self::Bf16].into_iter().find(|precision| precision.name() == name);
        known.ok_or_else(|| match name.as_str() {
            "fp16" => {
                "expected fp32 or bf16, found fp16, whose small gradients would be lost: no loss is scaled here".into()
            }
            _ => format!("expected fp32 or bf16, found {name}"),
        })
    }
}

/// Layers whose products are computed in 16 bits, and the additions to their weights.
const ROUNDED: [&str; 3] = ["Linear", "Conv2d", "LoraAdapter"];

/// Rounds the weights of [`ROUNDED`] layers; they are leaves of a graph of their own.
#[derive(Default)]
struct Round {
    /// What each parameter above stands in.
    containers: Vec<String>,
}

impl ModuleMapper for Round {
    fn enter_module(&mut self, _name: &str, container: &str) {
        self.containers.push(container.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.containers.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let rounded = self.containers.last().is_some_and(|layer| ROUNDED.iter().any(|name| layer.ends_with(name)));
        if !rounded {
            return param;
        }
        let trained = param.is_require_grad();
        param.map(|weights| Tensor::from_inner(weights.inner().cast(DType::BF16)).set_require_grad(trained))
    }
}

/// Brings gradients to 32 bits.
struct Widen<'a> {
    grads: &'a mut GradientsParams,
}

impl ModuleVisitor for Widen<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.remove::<D>(param.id) {
            self.grads.register::<D>(param.id, grad.cast(DType::F32));
        }
    }
}

#[cfg(test)]
mod tests;
