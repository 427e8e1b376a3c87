//! The checks that both engines make before a run, so that their messages are the same.

use super::{Port, Tensor};
use crate::{Error, Result};

/// Puts `inputs` into the order of `ports`, and checks names, element types and shapes.
pub(super) fn order_inputs(engine: &'static str, ports: &[Port], inputs: Vec<(&str, Tensor)>) -> Result<Vec<Tensor>> {
    let mut slots: Vec<Option<Tensor>> = ports.iter().map(|_| None).collect();
    for (name, tensor) in inputs {
        let Some(index) = ports.iter().position(|port| port.name == name) else {
            return Err(Error::engine(engine, format!("no input named `{name}`: the model has {}", names(ports))));
        };
        check(engine, &ports[index], &tensor)?;
        if slots[index].replace(tensor).is_some() {
            return Err(Error::engine(engine, format!("input `{name}` was given twice")));
        }
    }
    let ordered = slots.into_iter().zip(ports).map(|(slot, port)| {
        slot.ok_or_else(|| {
            Error::engine(engine, format!("input `{}` is missing: the model has {}", port.name, names(ports)))
        })
    });
    ordered.collect()
}

/// The positions of the outputs `wanted`; of all of them when it is empty.
pub(super) fn wanted_outputs(engine: &'static str, ports: &[Port], wanted: &[&str]) -> Result<Vec<usize>> {
    if wanted.is_empty() {
        return Ok((0..ports.len()).collect());
    }
    let position = |name: &&str| {
        let found = ports.iter().position(|port| port.name == *name);
        found.ok_or_else(|| Error::engine(engine, format!("no output named `{name}`: the model has {}", names(ports))))
    };
    wanted.iter().map(position).collect()
}

fn check(engine: &'static str, port: &Port, tensor: &Tensor) -> Result<()> {
    let fits = port.shape.len() == tensor.shape().len()
        && port.shape.iter().zip(tensor.shape()).all(|(want, have)| want.is_none_or(|want| want == *have));
    if fits && port.element == tensor.element() {
        return Ok(());
    }
    Err(Error::engine(
        engine,
        format!(
            "input `{}`: expected {} of shape {}, found {} of shape {:?}",
            port.name,
            port.element,
            shape_text(&port.shape),
            tensor.element(),
            tensor.shape()
        ),
    ))
}

fn shape_text(shape: &[Option<usize>]) -> String {
    let axes: Vec<String> = shape.iter().map(|axis| axis.map_or_else(|| "?".to_owned(), |n| n.to_string())).collect();
    format!("[{}]", axes.join(", "))
}

fn names(ports: &[Port]) -> String {
    ports.iter().map(|port| format!("`{}`", port.name)).collect::<Vec<_>>().join(", ")
}
