//! The machine's sound systems, each of which the process is connected to once.
//!
//! cpal's client of a PulseAudio server has a thread that ends with the server only, and a server takes 64 clients.

use std::sync::{Mutex, OnceLock, PoisonError};

use cpal::traits::HostTrait;
use cpal::{Host, HostId};

use super::choice::failed;
use crate::Result;

static HOSTS: Mutex<Vec<Host>> = Mutex::new(Vec::new());

/// The sound system that is used where none is chosen.
pub(super) fn usual_host() -> HostId {
    static USUAL: OnceLock<HostId> = OnceLock::new();
    *USUAL.get_or_init(|| {
        let host = cpal::default_host();
        let id = host.id();
        HOSTS.lock().unwrap_or_else(PoisonError::into_inner).push(host);
        id
    })
}

/// Does something with a sound system; one that does not answer any more is asked anew.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device) when there is none, and what `act` gives.
pub(super) fn with_host<T>(id: HostId, act: impl FnOnce(&Host) -> Result<T>) -> Result<T> {
    let mut hosts = HOSTS.lock().unwrap_or_else(PoisonError::into_inner);
    hosts.retain(|host| host.id() != id || host.devices().is_ok());
    if hosts.iter().all(|host| host.id() != id) {
        hosts.push(cpal::host_from_id(id).map_err(|error| failed(id.name(), &error))?);
    }
    match hosts.iter().find(|host| host.id() == id) {
        Some(host) => act(host),
        None => act(&cpal::default_host()),
    }
}
