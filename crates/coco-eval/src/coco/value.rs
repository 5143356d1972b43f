//! One JSON value as Python would hold it: the general form of a record that is not written in the usual way.
//!
//! Knows nothing of COCO. Whole files are never read like this, only single records.

use super::scan::{Cursor, DEPTH, NumberText, Scan, unescape};

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum JsonValue {
    Null,
    Bool(bool),
    Int(i64),
    /// An integer beyond 64 bits, by its digits.
    Big(String),
    Float(f64),
    Text(String),
    List(Vec<JsonValue>),
    Object(Object),
}

/// Keys and values in the file's order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Object(Vec<(String, JsonValue)>);

impl Object {
    /// The value of a key; of a repeated key the last, as in Python.
    pub(super) fn get(&self, key: &str) -> Option<&JsonValue> {
        self.0.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// All keys and values.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &JsonValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl JsonValue {
    /// Reads the value at the cursor.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Scan<JsonValue> {
        JsonValue::nested(cursor, 0)
    }

    fn nested(cursor: &mut Cursor<'_>, depth: usize) -> Scan<JsonValue> {
        if depth > DEPTH {
            return cursor.bad(cursor.at, format!("nested more than {DEPTH} deep"));
        }
        match cursor.next_byte()? {
            b'{' => JsonValue::object(cursor, depth),
            b'[' => {
                cursor.at += 1;
                let mut list = Vec::new();
                if cursor.next_byte()? == b']' {
                    cursor.at += 1;
                    return Ok(JsonValue::List(list));
                }
                loop {
                    list.push(JsonValue::nested(cursor, depth + 1)?);
                    if !cursor.more(b']')? {
                        return Ok(JsonValue::List(list));
                    }
                }
            }
            b'"' => Ok(JsonValue::Text(text(cursor)?)),
            b't' => cursor.word("true").map(|()| JsonValue::Bool(true)),
            b'f' => cursor.word("false").map(|()| JsonValue::Bool(false)),
            b'n' => cursor.word("null").map(|()| JsonValue::Null),
            _ => {
                let start = cursor.at;
                Ok(match cursor.number()? {
                    NumberText::Int(value) => JsonValue::Int(value),
                    NumberText::Float(value) => JsonValue::Float(value),
                    NumberText::Big(_) => {
                        JsonValue::Big(String::from_utf8_lossy(&cursor.data[start..cursor.at]).into())
                    }
                })
            }
        }
    }

    fn object(cursor: &mut Cursor<'_>, depth: usize) -> Scan<JsonValue> {
        cursor.at += 1;
        let mut object = Object::default();
        if cursor.next_byte()? == b'}' {
            cursor.at += 1;
            return Ok(JsonValue::Object(object));
        }
        loop {
            let key = text(cursor)?;
            cursor.expect(b':', "`:`")?;
            object.0.push((key, JsonValue::nested(cursor, depth + 1)?));
            if !cursor.more(b'}')? {
                return Ok(JsonValue::Object(object));
            }
        }
    }

    /// The double that arithmetic would use: numbers, and true and false as 1 and 0.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            JsonValue::Bool(value) => Some(f64::from(u8::from(*value))),
            JsonValue::Int(value) => Some(*value as f64),
            JsonValue::Big(digits) => digits.parse().ok(),
            JsonValue::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// What `float(value)` gives in Python for numbers, strings of numbers and, as numpy does, null.
    pub(super) fn converted(&self) -> Option<f64> {
        match self {
            JsonValue::Null => Some(f64::NAN),
            JsonValue::Text(text) => python_float(text),
            other => other.number(),
        }
    }

    /// Whether Python takes the value for true.
    pub(super) fn truthy(&self) -> bool {
        match self {
            JsonValue::Null => false,
            JsonValue::Text(text) => !text.is_empty(),
            JsonValue::List(list) => !list.is_empty(),
            JsonValue::Object(object) => !object.0.is_empty(),
            JsonValue::Big(_) => true,
            number => number.number() != Some(0.0),
        }
    }

    /// The text of a string.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            JsonValue::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A string with its escapes resolved.
pub(super) fn text(cursor: &mut Cursor<'_>) -> Scan<String> {
    let (raw, escaped) = cursor.raw_string()?;
    Ok(if escaped { unescape(raw) } else { String::from_utf8_lossy(raw).into_owned() })
}

/// `float(text)`: blanks around, underscores between digits, words for NaN and infinity.
fn python_float(text: &str) -> Option<f64> {
    let text = text.trim();
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let lone = |at: usize| bytes[at] == b'_' && !(at > 0 && digit(at - 1) && digit(at + 1));
    if (0..bytes.len()).any(lone) {
        return None;
    }
    text.replace('_', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_python_reads_them() {
        let text = br#"{"a": 1, "b\u0062": [true, null, 1.5, "x"], "a": 2, "c": 123456789012345678901} "#;
        let Ok(JsonValue::Object(object)) = JsonValue::read(&mut Cursor::new(text, 0)) else { panic!() };
        assert_eq!(object.get("a"), Some(&JsonValue::Int(2)));
        assert_eq!(object.get("c"), Some(&JsonValue::Big("123456789012345678901".into())));
        assert!(matches!(object.get("bb"), Some(JsonValue::List(list)) if list.len() == 4));
    }

    #[test]
    fn strings_become_numbers_as_in_python() {
        assert_eq!(python_float(" 1_000.5 "), Some(1000.5));
        assert_eq!(python_float("_1"), None);
        assert_eq!(python_float("-inf"), Some(f64::NEG_INFINITY));
        assert_eq!(python_float("a1"), None);
    }
}
