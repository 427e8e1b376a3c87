//! Which devices there are, and which is meant.

use cpal::traits::{DeviceTrait, HostTrait};
use cpal::{Device, Host, SupportedStreamConfig};

use super::host::with_host;
use crate::{Error, Result};

/// A device that can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// What chooses it in a config or an option.
    pub id: String,
    /// What a person calls it.
    pub name: String,
    /// Its usual input format, where it can record.
    pub input: Option<String>,
    /// Its usual output format, where it can play.
    pub output: Option<String>,
    /// Whether it is used for input where none is chosen.
    pub is_default_input: bool,
    /// Whether it is used for output where none is chosen.
    pub is_default_output: bool,
}

#[derive(Clone, Copy)]
pub(super) enum Direction {
    Input,
    Output,
}

/// All devices of the machine's usual sound system.
///
/// # Errors
/// [`Error::Device`] when the sound system does not answer.
pub fn devices() -> Result<Vec<DeviceInfo>> {
    with_host(None, listed)
}

fn listed(host: &Host) -> Result<Vec<DeviceInfo>> {
    let ids = (host.default_input_device().map(|d| id_of(&d)), host.default_output_device().map(|d| id_of(&d)));
    let describe = |config: Result<SupportedStreamConfig, cpal::Error>| config.ok().map(|config| summary(&config));
    let devices = host.devices().map_err(|error| failed("the list of devices", &error))?;
    let info = devices.map(|device| {
        let id = id_of(&device);
        DeviceInfo {
            name: name_of(&device),
            input: describe(device.default_input_config()),
            output: describe(device.default_output_config()),
            is_default_input: ids.0.as_ref() == Some(&id),
            is_default_output: ids.1.as_ref() == Some(&id),
            id,
        }
    });
    Ok(info.filter(|info| info.input.is_some() || info.output.is_some()).collect())
}

pub(super) fn find(host: &Host, choice: &str, direction: Direction) -> Result<Device> {
    let devices: Vec<Device> = match direction {
        Direction::Input => host.input_devices().map(Iterator::collect),
        Direction::Output => host.output_devices().map(Iterator::collect),
    }
    .map_err(|error| failed("the list of devices", &error))?;
    let wanted = choice.to_lowercase();
    let by_id = devices.iter().find(|device| id_of(device) == choice);
    let by_name = || devices.iter().find(|device| name_of(device).to_lowercase().contains(&wanted));
    by_id.or_else(by_name).cloned().ok_or_else(|| {
        let known: Vec<_> = devices.iter().map(id_of).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Error::Device(format!("no {} named {choice}; there are: {known}", kind(direction)))
    })
}

pub(super) fn usual(host: &Host, direction: Direction) -> Result<Device> {
    let device = match direction {
        Direction::Input => host.default_input_device(),
        Direction::Output => host.default_output_device(),
    };
    device.ok_or_else(|| none_found(direction))
}

pub(super) fn none_found(direction: Direction) -> Error {
    let kind = kind(direction);
    Error::Device(format!("no {kind} found: connect one, start the sound server, or use a file with `converse`"))
}

fn kind(direction: Direction) -> &'static str {
    match direction {
        Direction::Input => "microphone",
        Direction::Output => "loudspeaker",
    }
}

pub(super) fn id_of(device: &Device) -> String {
    device.id().map_or_else(|_| name_of(device), |id| id.id().to_owned())
}

pub(super) fn name_of(device: &Device) -> String {
    device.description().map_or_else(|_| "a nameless device".to_owned(), |about| about.name().to_owned())
}

fn summary(config: &SupportedStreamConfig) -> String {
    let plural = if config.channels() == 1 { "" } else { "s" };
    format!("{} Hz, {} channel{plural}, {}", config.sample_rate(), config.channels(), config.sample_format())
}

pub(super) fn failed(what: &str, error: &cpal::Error) -> Error {
    Error::Device(format!("{what}: {error}"))
}
