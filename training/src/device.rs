//! Where tensors live.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The backend that trains a net. Every net runs on each of them without a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// The fastest that this program was built with: CUDA, then libtorch, then flex.
    #[default]
    Auto,
    /// Pure Rust on the CPU, always there.
    Flex,
    /// libtorch on the CPU (feature `tch`).
    Tch,
    /// libtorch on an NVIDIA GPU (feature `tch`, with a libtorch that was built for CUDA).
    #[serde(rename = "tch-cuda")]
    TchCuda,
    /// An NVIDIA GPU (feature `cuda`).
    Cuda,
}

impl Backend {
    /// The device of this backend, without gradients; call `.autodiff()` on it to train.
    ///
    /// # Errors
    /// [`Error::Config`] when this program was built without the backend.
    pub fn device(self) -> Result<Device> {
        match self {
            Self::Auto if cfg!(feature = "cuda") => Self::Cuda.device(),
            Self::Auto if cfg!(feature = "tch") => Self::Tch.device(),
            Self::Auto | Self::Flex => Ok(Device::flex()),
            #[cfg(feature = "tch")]
            Self::Tch => Ok(Device::libtorch()),
            #[cfg(feature = "tch")]
            Self::TchCuda => Ok(Device::libtorch_cuda(0)),
            #[cfg(feature = "cuda")]
            Self::Cuda => Ok(Device::cuda(0)),
            #[allow(unreachable_patterns, reason = "reached in builds that lack one of the features")]
            missing => Err(Error::config(
                "backend",
                format!("this program was built without {missing:?}; build with --features tch or cuda, or use flex"),
            )),
        }
    }
}
