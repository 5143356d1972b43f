//! A config as a tree of plain values, and typed looks into it.

use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::{ConfigError, python};

/// The value at a dotted path.
pub(super) fn find<'a>(tree: &'a Json, path: &str) -> Option<&'a Json> {
    path.split('.').try_fold(tree, |tree, key| tree.get(key)).filter(|value| !value.is_null())
}

/// The value at a dotted path as a type of ours.
pub(super) fn get<T: DeserializeOwned>(tree: &Json, path: &str) -> Result<Option<T>, ConfigError> {
    find(tree, path).map(|value| as_type(value, path)).transpose()
}

/// A value as a type of ours. YAML of the model zoo writes tuples as text: `"(640, 800)"`.
pub(super) fn as_type<T: DeserializeOwned>(value: &Json, path: &str) -> Result<T, ConfigError> {
    let wrong = |error: serde_json::Error| {
        let text: String = value.to_string().chars().take(80).collect();
        ConfigError::Unreadable(format!("`{path}` is {text}: {error}"))
    };
    match value {
        Json::String(text) if text.trim_start().starts_with(['(', '[']) => {
            serde_json::from_value(python::literal(text)?).map_err(wrong)
        }
        // Whole numbers may be written with a point, and counts are whole numbers.
        Json::Number(number) => serde_json::from_value(value.clone()).or_else(|error| {
            let whole = number.as_f64().filter(|value| value.fract() == 0.0 && (0.0..1e15).contains(value));
            whole.map_or(Err(error), |whole| serde_json::from_value(Json::from(whole as u64))).map_err(wrong)
        }),
        value => serde_json::from_value(value.clone()).map_err(wrong),
    }
}

/// Parses YAML.
pub(super) fn yaml(text: &str) -> Result<Json, ConfigError> {
    let tree: Json = serde_saphyr::from_str(text).map_err(|error| {
        ConfigError::Unreadable(format!("it is no YAML: {}", first_line(&error.to_string())))
    })?;
    if tree.is_object() {
        Ok(tree)
    } else {
        Err(ConfigError::Unreadable("it is no mapping of keys to values".into()))
    }
}

/// `upper` laid over `lower`, key by key.
pub(super) fn merge(lower: Json, upper: Json) -> Json {
    match (lower, upper) {
        (Json::Object(mut lower), Json::Object(upper)) => {
            for (key, value) in upper {
                let under = lower.remove(&key).unwrap_or(Json::Null);
                lower.insert(key, merge(under, value));
            }
            Json::Object(lower)
        }
        (_, upper) => upper,
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
