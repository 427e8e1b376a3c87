//! The machine's sound system, to which the process is connected once.
//!
//! cpal's client of a PulseAudio server has a thread that ends with the server only, and a server takes 64 clients.

use std::sync::{Mutex, PoisonError};

#[cfg(target_os = "linux")]
use cpal::traits::HostTrait;
use cpal::{Host, HostId};

use super::choice::failed;
use crate::Result;

static KEPT: Mutex<Option<Host>> = Mutex::new(None);

/// Does something with this sound system, or with the one that is usual now.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device) when there is none, and what `act` gives.
pub(super) fn with_host<T>(id: Option<HostId>, act: impl FnOnce(&Host) -> Result<T>) -> Result<T> {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let usable = |host: &Host| id.is_none_or(|id| id == host.id()) && is_connected(host);
    let host = match (kept.take().filter(usable), id) {
        (Some(host), _) => host,
        (None, Some(id)) => cpal::host_from_id(id).map_err(|error| failed(id.name(), &error))?,
        (None, None) => cpal::default_host(),
    };
    act(kept.insert(host))
}

/// Whether there is a connection, and a server that answers.
#[cfg(target_os = "linux")]
fn is_connected(host: &Host) -> bool {
    host.id() == HostId::PulseAudio && host.devices().is_ok()
}

#[cfg(not(target_os = "linux"))]
fn is_connected(_: &Host) -> bool {
    false
}
