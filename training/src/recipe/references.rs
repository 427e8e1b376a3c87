//! Values that a recipe says once and names elsewhere, as `!ref <key>` does in SpeechBrain's hyperparameters.
//!
//! `${key}` in a text stands for the value of that key, a dotted path; the keys of the table `[vars]` are there for nothing
//! else. `"!PLACEHOLDER"` stands for a value that whoever runs the recipe has to give, `"!none"` for one that is not there.

use toml::{Table, Value};

/// A value that takes out what an included recipe says.
const NONE: &str = "!none";
/// The table of values that are only referred to.
const VARS: &str = "vars";
/// A value that is to be given.
const PLACEHOLDER: &str = "!PLACEHOLDER";
/// Values may refer to others, so deep at the most.
const DEPTH: usize = 16;

/// Takes out each key whose value is `"!none"`, as though no recipe had said it.
pub(super) fn take_out(table: &mut Table) {
    table.retain(|_, value| value.as_str() != Some(NONE));
    table.iter_mut().filter_map(|(_, value)| value.as_table_mut()).for_each(take_out);
}

/// Puts values in the place of what refers to them, and takes `[vars]` out.
///
/// # Errors
/// A key that is not there, stands for no text or number, or refers to itself; a value that is still to be given.
pub(super) fn resolve(table: &mut Table) -> Result<(), String> {
    each_text(table, "", &mut |key, value| match value.as_str() {
        Some(PLACEHOLDER) => Err(format!("`{key}` is to be given: `--set {key}=...`")),
        Some(text) if text.contains("!ref <") => {
            Err(format!("`{key}`: expected `${{key}}` in the place of SpeechBrain's `!ref <key>`, found {text}"))
        }
        _ => Ok(()),
    })?;
    for _ in 0..DEPTH {
        let known = table.clone();
        let mut left = false;
        each_text(table, "", &mut |_, value| {
            left |= substitute(&known, value)?;
            Ok(())
        })?;
        if !left {
            break;
        }
    }
    each_text(table, "", &mut |key, value| match value.as_str() {
        Some(text) if text.contains("${") => Err(format!("`{key}` refers to itself: {text}")),
        _ => Ok(()),
    })?;
    table.remove(VARS);
    Ok(())
}

/// Refuses to give a value that is only referred to where the recipe has no such: nothing can refer to it.
///
/// # Errors
/// Those that there are.
pub(super) fn check_named(table: &Table, key: &str) -> Result<(), String> {
    let Some(name) = key.strip_prefix(VARS).and_then(|rest| rest.strip_prefix('.')) else { return Ok(()) };
    let there = table.get(VARS).and_then(Value::as_table);
    if there.is_some_and(|vars| vars.contains_key(name.split('.').next().unwrap_or(name))) {
        return Ok(());
    }
    if there.is_none() {
        return Err(format!("`{key}`: the recipe has no [{VARS}], so that nothing refers to it"));
    }
    let names: Vec<_> = there.into_iter().flat_map(Table::keys).map(String::as_str).collect();
    Err(format!("`{key}`: expected one of {} in [{VARS}], found {name}", names.join(", ")))
}

/// Whether something was substituted that may refer on. A text that is nothing but a reference becomes the value itself, a
/// number or a switch as it is.
fn substitute(known: &Table, value: &mut Value) -> Result<bool, String> {
    let Value::String(text) = value else { return Ok(false) };
    let (mut out, mut rest, mut found) = (String::new(), text.as_str(), false);
    while let Some((before, after)) = rest.split_once("${") {
        let (key, after) = after.split_once('}').ok_or_else(|| format!("`${{{after}`: expected `}}` at its end"))?;
        let named = look_up(known, key)?;
        if before.is_empty() && after.is_empty() && !found {
            *value = named.clone();
            return Ok(true);
        }
        out.push_str(before);
        match named {
            Value::String(named) => out.push_str(named),
            other => out.push_str(&other.to_string()),
        }
        (rest, found) = (after, true);
    }
    if found {
        *value = Value::String(out + rest);
    }
    Ok(found)
}

/// The text, number or switch of a dotted path.
fn look_up<'a>(known: &'a Table, key: &str) -> Result<&'a Value, String> {
    let value = key.split('.').try_fold(None::<&Value>, |place, part| {
        let table = place.map_or(Some(known), Value::as_table)?;
        table.get(part).map(Some)
    });
    match value.flatten() {
        None => Err(format!("`${{{key}}}` names no key of the recipe")),
        Some(Value::Table(_) | Value::Array(_)) => Err(format!("`${{{key}}}` names a table or a list")),
        Some(value) => Ok(value),
    }
}

type Visit<'a> = &'a mut dyn FnMut(&str, &mut Value) -> Result<(), String>;

/// Hands every text to `visit`, with its key.
fn each_text(table: &mut Table, above: &str, visit: Visit<'_>) -> Result<(), String> {
    table.iter_mut().try_for_each(|(name, inner)| {
        let key = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        texts_of(inner, &key, visit)
    })
}

fn texts_of(value: &mut Value, key: &str, visit: Visit<'_>) -> Result<(), String> {
    match value {
        Value::String(_) => visit(key, value),
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
    fn numbers_and_switches_stay_what_they_are() {
        let found = resolved(
            "[train]\nseed = \"${vars.seed}\"\ndebug = \"${vars.quick}\"\nrate = \"${train.other}\"\nother = \"${vars.rate}\"\n\
             [vars]\nseed = 7\nquick = true\nrate = 1e-3\n",
        );
        let expected = "[train]\nseed = 7\ndebug = true\nrate = 1e-3\nother = 1e-3\n";
        assert_eq!(found.unwrap(), expected.parse::<Table>().unwrap());
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        let message = |text: &str| resolved(text).unwrap_err();
        assert_eq!(message("run = \"${vars.x}\""), "`${vars.x}` names no key of the recipe");
        assert_eq!(message("run = \"${data}\"\n[data]\nx = 1"), "`${data}` names a table or a list");
        assert!(message("a = \"${b}\"\nb = \"${a}\"").contains("refers to itself"));
        assert!(message("a = \"${b\"\nb = 1").contains("expected `}` at its end"));
        let given = "run = \"${vars.disk}/x\"\n[vars]\ndisk = \"!PLACEHOLDER\"";
        assert_eq!(message(given), "`vars.disk` is to be given: `--set vars.disk=...`");
        let vars: Table = "[vars]\ndisk = 1".parse().unwrap();
        assert_eq!(check_named(&vars, "vars.disk"), Ok(()));
        let expected = "`vars.disc`: expected one of disk in [vars], found disc";
        assert_eq!(check_named(&vars, "vars.disc"), Err(expected.to_owned()));
        assert!(message("run = \"!ref <output>/x\"").starts_with("`run`: expected `${key}`"));
    }
}
