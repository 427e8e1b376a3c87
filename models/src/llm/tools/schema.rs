use serde_json::Value;

/// Checks the arguments of a call against the part of JSON Schema that tools use: objects with `properties`,
/// `required` and `additionalProperties: false`; strings with `enum`; integers and numbers with `minimum` and
/// `maximum`; arrays with `items`.
///
/// # Errors
/// A sentence that names the argument and what is wrong with it.
pub fn check_arguments(schema: &Value, arguments: &Value) -> Result<(), String> {
    let fields = arguments.as_object().ok_or("the arguments are not an object")?;
    let properties = schema.get("properties").and_then(Value::as_object);
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            return Err(format!("the {} is missing", in_words(name)));
        }
    }
    for (name, value) in fields {
        match properties.and_then(|properties| properties.get(name)) {
            Some(schema) => check(name, schema, value)?,
            None if schema.get("additionalProperties") == Some(&Value::Bool(false)) => {
                return Err(format!("{} is not something I know", in_words(name)));
            }
            None => {}
        }
    }
    Ok(())
}

/// The arguments of a call without those that are null, as many models write for what is not given.
///
/// # Errors
/// As [`check_arguments`].
pub fn given_arguments(schema: &Value, arguments: &Value) -> Result<Value, String> {
    let mut given = arguments.clone();
    if let Some(fields) = given.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    check_arguments(schema, &given)?;
    Ok(given)
}

fn check(name: &str, schema: &Value, value: &Value) -> Result<(), String> {
    let fits = match schema.get("type").and_then(Value::as_str) {
        Some("string") => value.is_string(),
        Some("integer") => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => return check_arguments(schema, value),
        _ => true,
    };
    let listed = schema.get("enum").and_then(Value::as_array).is_none_or(|allowed| allowed.contains(value));
    let bound = |key| schema.get(key).and_then(Value::as_f64);
    let within = value.as_f64().is_none_or(|number| {
        bound("minimum").is_none_or(|least| number >= least) && bound("maximum").is_none_or(|most| number <= most)
    });
    if !(fits && listed && within) {
        let found = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        return Err(format!("{found} is not a {} that I know", in_words(name)));
    }
    match (schema.get("items"), value.as_array()) {
        (Some(schema), Some(items)) => items.iter().try_for_each(|item| check(name, schema, item)),
        _ => Ok(()),
    }
}

/// `numberOfShots` as "number of shots".
fn in_words(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        match c {
            '_' => out.push(' '),
            c if c.is_uppercase() => {
                out.push(' ');
                out.extend(c.to_lowercase());
            }
            c => out.push(c),
        }
    }
    out
}
