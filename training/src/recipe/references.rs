//! Values that a recipe says once and names elsewhere, as `!ref <key>` does in SpeechBrain's hyperparameters.
//!
//! `${key}` in a text stands for the value of that key, a dotted path; the keys of the table `[vars]` are there for nothing
//! else. `"!PLACEHOLDER"` stands for a value that whoever runs the recipe has to give.

use toml::{Table, Value};

/// The table of values that are only referred to.
const VARS: &str = "vars";
/// A value that is to be given.
const PLACEHOLDER: &str = "!PLACEHOLDER";
/// Values may refer to others, so deep at the most.
const DEPTH: usize = 16;

/// Puts values in the place of what refers to them, and takes `[vars]` out.
///
/// # Errors
/// A key that is not there, stands for no text or number, or refers to itself; a value that is still to be given.
pub(super) fn resolve(table: &mut Table) -> Result<(), String> {
    for _ in 0..DEPTH {
        let known = table.clone();
        let mut left = false;
        each_text(table, "", &mut |_, text| {
            left |= substitute(&known, text)?;
            Ok(())
        })?;
        if !left {
            break;
        }
    }
    each_text(table, "", &mut |key, text| match text.as_str() {
        PLACEHOLDER => Err(format!("`{key}` is to be given: `--set {key}=...`")),
        text if text.contains("${") => Err(format!("`{key}` refers to itself: {text}")),
        _ => Ok(()),
    })?;
    table.remove(VARS);
    Ok(())
}

/// Whether something was substituted that may refer on.
fn substitute(known: &Table, text: &mut String) -> Result<bool, String> {
    let (mut out, mut rest, mut found) = (String::new(), text.as_str(), false);
    while let Some((before, after)) = rest.split_once("${") {
        let (key, after) = after.split_once('}').ok_or_else(|| format!("`${{{after}`: expected `}}` at its end"))?;
        let value = key.split('.').try_fold(None::<&Value>, |place, part| {
            let table = place.map_or(Some(known), Value::as_table)?;
            table.get(part).map(Some)
        });
        let value = value.flatten().ok_or_else(|| format!("`${{{key}}}` names no key of the recipe"))?;
        out.push_str(before);
        match value {
            Value::String(value) => out.push_str(value),
            Value::Table(_) | Value::Array(_) => return Err(format!("`${{{key}}}` names a table or a list")),
            other => out.push_str(&other.to_string()),
        }
        (rest, found) = (after, true);
    }
    if found {
        *text = out + rest;
    }
    Ok(found)
}

type Visit<'a> = &'a mut dyn FnMut(&str, &mut String) -> Result<(), String>;

/// Hands every text to `visit`, with its key.
fn each_text(table: &mut Table, above: &str, visit: Visit<'_>) -> Result<(), String> {
    table.iter_mut().try_for_each(|(name, inner)| {
        let key = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        texts_of(inner, &key, visit)
    })
}

fn texts_of(value: &mut Value, key: &str, visit: Visit<'_>) -> Result<(), String> {
    match value {
        Value::String(text) => visit(key, text),
        Value::Array(values) => values.iter_mut().try_for_each(|one| texts_of(one, key, visit)),
        Value::Table(table) => each_text(table, key, visit),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> Result<Table, String> {
        let mut table: Table = text.parse().unwrap();
        resolve(&mut table).map(|()| table)
    }

    #[test]
    fn what_is_said_once_is_named_elsewhere() {
        let found = resolved(
            "run = \"${vars.output}/asr-${train.seed}\"\n[vars]\noutput = \"${vars.disk}/runs\"\ndisk = \"/data\"\n\
             [train]\nseed = 7\n[data]\ntrain = [{ folder = \"${run}/train\" }]\nwav = \"$data_root/{x}\"\n",
        );
        let expected = "run = \"/data/runs/asr-7\"\n[train]\nseed = 7\n[data]\n\
                        train = [{ folder = \"/data/runs/asr-7/train\" }]\nwav = \"$data_root/{x}\"\n";
        assert_eq!(found.unwrap(), expected.parse::<Table>().unwrap());
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        let message = |text: &str| resolved(text).unwrap_err();
        assert_eq!(message("run = \"${vars.x}\""), "`${vars.x}` names no key of the recipe");
        assert_eq!(message("run = \"${data}\"\n[data]\nx = 1"), "`${data}` names a table or a list");
        assert!(message("a = \"${b}\"\nb = \"${a}\"").contains("refers to itself"));
        assert!(message("a = \"${b\"\nb = 1").contains("expected `}` at its end"));
        assert_eq!(message("[vars]\ndisk = \"!PLACEHOLDER\""), "`vars.disk` is to be given: `--set vars.disk=...`");
    }
}
