//! The literal part of Python: assignments of numbers, texts, lists, tuples, dicts and `dict(…)`. Names stand for
//! earlier assignments. Nothing else is understood, and nothing is evaluated.

use serde_json::{Map, Number, Value as Json};

use super::ConfigError;
use crate::checkpoint::EscapedText;

/// How deep values may lie in each other.
const DEEPEST: usize = 64;

/// Values that names may copy, all in all: a list named twice in a list named twice … must not grow without bound.
const MOST_COPIES: usize = 1 << 20;

/// One value.
pub(super) fn literal(text: &str) -> Result<Json, ConfigError> {
    let mut parser = Parser::new(text);
    parser.space(true);
    let value = parser.value(0).map_err(|wrong| wrong.into_error(text))?;
    parser.space(true);
    if parser.rest().is_empty() {
        Ok(value)
    } else {
        Err(parser.wrong("something stands behind the value").into_error(text))
    }
}

/// All assignments of a file, by name. What is no assignment of a literal is left out, and so is its name.
///
/// # Errors
/// When one of the names in `needed` is assigned something else.
pub(super) fn assignments(text: &str, needed: &[&str]) -> Result<Json, ConfigError> {
    read(text, needed, |_, later| later)
}

/// The same of several files in one text: a dict that is assigned again is laid over the earlier one, key by key,
/// unless it says `_delete_=True`.
pub(super) fn assignments_of_all(text: &str, needed: &[&str]) -> Result<Json, ConfigError> {
    read(text, needed, lay_over)
}

fn lay_over(earlier: Json, later: Json) -> Json {
    match (earlier, later) {
        (Json::Object(mut earlier), Json::Object(mut later)) => {
            if later.remove("_delete_") == Some(Json::Bool(true)) {
                return Json::Object(later);
            }
            for (key, value) in later {
                let under = earlier.remove(&key).unwrap_or(Json::Null);
                earlier.insert(key, lay_over(under, value));
            }
            Json::Object(earlier)
        }
        (_, later) => later,
    }
}

fn read(text: &str, needed: &[&str], again: fn(Json, Json) -> Json) -> Result<Json, ConfigError> {
    let mut parser = Parser::new(text);
    loop {
        parser.space(true);
        if parser.rest().is_empty() {
            return Ok(Json::Object(parser.names));
        }
        let start = parser.at;
        let name = parser.name().to_owned();
        match parser.assignment(&name) {
            Ok(value) => {
                let earlier = parser.names.remove(&name).unwrap_or(Json::Null);
                parser.names.insert(name, again(earlier, value));
            }
            Err(wrong) if needed.contains(&name.as_str()) => return Err(wrong.into_error(text)),
            Err(_) => {
                parser.names.remove(&name);
                parser.at = start;
                parser.skip_statement();
            }
        }
    }
}

/// What is no literal, and where. Most are passed over, so that lines are counted only for those that are told.
struct Wrong {
    at: usize,
    what: String,
}

impl Wrong {
    fn into_error(self, text: &str) -> ConfigError {
        let line = 1 + text.get(..self.at).unwrap_or_default().matches('\n').count();
        ConfigError::Unreadable(format!("line {line} of the Python text is no literal: {}", self.what))
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    names: Map<String, Json>,
    copies: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Parser<'a> {
        Parser { text, at: 0, names: Map::new(), copies: MOST_COPIES }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, expected: char) -> bool {
        let found = self.peek() == Some(expected);
        if found {
            self.at += expected.len_utf8();
        }
        found
    }

    fn wrong(&self, what: impl Into<String>) -> Wrong {
        Wrong { at: self.at, what: what.into() }
    }

    /// Passes over blanks and comments, and over line ends where `lines` says so.
    fn space(&mut self, lines: bool) {
        loop {
            let rest = self.rest();
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\u{c}']).len();
            self.at += blanks;
            match self.peek() {
                Some('#') => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                Some('\n') if lines => self.at += 1,
                Some('\\') if self.rest().starts_with("\\\n") => self.at += 2,
                _ => return,
            }
        }
    }

    fn name(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn assignment(&mut self, name: &str) -> Result<Json, Wrong> {
        self.space(false);
        if name.is_empty() || !self.take('=') || self.peek() == Some('=') {
            return Err(self.wrong("no assignment"));
        }
        self.space(false);
        let value = self.value(0)?;
        self.space(false);
        match self.peek() {
            None | Some('\n') => Ok(value),
            Some(_) => Err(self.wrong("something stands behind the value")),
        }
    }

    /// To the next line that begins without a blank.
    fn skip_statement(&mut self) {
        loop {
            match self.rest().find('\n') {
                None => self.at = self.text.len(),
                Some(end) => self.at += end + 1,
            }
            if self.peek().is_none_or(|c| c.is_alphabetic() || c == '_') {
                return;
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json, Wrong> {
        if depth > DEEPEST {
            return Err(self.wrong("values lie too deep in each other"));
        }
        match self.peek() {
            Some('[') => self.sequence(']', depth),
            Some('(') => self.sequence(')', depth),
            Some('{') => self.braces(depth),
            Some('\'' | '"') => self.texts(),
            Some(c) if c.is_ascii_digit() || matches!(c, '-' | '+' | '.') => self.number(),
            Some(c) if c.is_alphabetic() || c == '_' => self.word(depth),
            _ => Err(self.wrong("a value is missing")),
        }
    }

    /// A list or tuple; brackets around a single value are only brackets.
    fn sequence(&mut self, close: char, depth: usize) -> Result<Json, Wrong> {
        self.at += 1;
        let (mut items, mut commas) = (Vec::new(), 0);
        loop {
            self.space(true);
            if self.take(close) {
                break;
            }
            if items.len() > commas {
                return Err(self.wrong("a comma is missing"));
            }
            items.push(self.value(depth + 1)?);
            self.space(true);
            commas += usize::from(self.take(','));
        }
        match (close, items.len(), commas) {
            (')', 1, 0) => Ok(items.remove(0)),
            _ => Ok(Json::Array(items)),
        }
    }

    /// A dict; a set is no part of any config.
    fn braces(&mut self, depth: usize) -> Result<Json, Wrong> {
        self.at += 1;
        let mut entries = Map::new();
        loop {
            self.space(true);
            if self.take('}') {
                return Ok(Json::Object(entries));
            }
            if self.rest().starts_with("**") {
                self.spread(&mut entries, depth)?;
            } else {
                let key = match self.value(depth + 1)? {
                    Json::String(text) => text,
                    other => other.to_string(),
                };
                self.space(true);
                if !self.take(':') {
                    return Err(self.wrong("a key without a value"));
                }
                self.space(true);
                entries.insert(key, self.value(depth + 1)?);
            }
            self.space(true);
            if !self.take(',') && self.peek() != Some('}') {
                return Err(self.wrong("a comma is missing"));
            }
        }
    }

    /// `**name` inside a dict.
    fn spread(&mut self, entries: &mut Map<String, Json>, depth: usize) -> Result<(), Wrong> {
        self.at += 2;
        match self.value(depth + 1)? {
            Json::Object(others) => entries.extend(others),
            _ => return Err(self.wrong("only a dict can be spread")),
        }
        Ok(())
    }

    /// `dict(key=value, …)`, a constant, or an earlier assignment.
    fn word(&mut self, depth: usize) -> Result<Json, Wrong> {
        let start = self.at;
        let name = self.name();
        match name {
            "True" => return Ok(Json::Bool(true)),
            "False" => return Ok(Json::Bool(false)),
            "None" => return Ok(Json::Null),
            _ => {}
        }
        if self.peek().is_some_and(|c| c == '\'' || c == '"') {
            self.at = start;
            return self.texts();
        }
        if name == "dict" && self.take('(') {
            return self.keywords(depth);
        }
        if matches!(self.peek(), Some('(' | '.' | '[')) {
            return Err(self.wrong(format!("`{}` is called or looked into", EscapedText::new(name))));
        }
        let Some(value) = self.names.get(name) else {
            return Err(self.wrong(format!("`{}` is not assigned before", EscapedText::new(name))));
        };
        let (value, size) = (value.clone(), count(value));
        self.copies = self.copies.checked_sub(size).ok_or_else(|| self.wrong("names copy too much"))?;
        Ok(value)
    }

    fn keywords(&mut self, depth: usize) -> Result<Json, Wrong> {
        let mut entries = Map::new();
        loop {
            self.space(true);
            if self.take(')') {
                return Ok(Json::Object(entries));
            }
            if self.rest().starts_with("**") {
                self.spread(&mut entries, depth)?;
            } else {
                let key = self.name().to_owned();
                self.space(true);
                if key.is_empty() || !self.take('=') {
                    return Err(self.wrong("a keyword is missing"));
                }
                self.space(true);
                entries.insert(key, self.value(depth + 1)?);
            }
            self.space(true);
            if !self.take(',') && self.peek() != Some(')') {
                return Err(self.wrong("a comma is missing"));
            }
        }
    }

    fn number(&mut self) -> Result<Json, Wrong> {
        let rest = self.rest();
        let mut end = 0;
        for (i, c) in rest.char_indices() {
            let sign = matches!(c, '+' | '-') && (i == 0 || rest[..i].ends_with(['e', 'E']));
            if !(c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '_') || sign) {
                break;
            }
            end = i + c.len_utf8();
        }
        let digits = rest[..end].replace('_', "");
        let number = match digits.parse::<i64>() {
            Ok(whole) => Some(Number::from(whole)),
            Err(_) => digits.parse().ok().and_then(Number::from_f64),
        };
        let number = number.ok_or_else(|| self.wrong("a number is not one"))?;
        self.at += end;
        Ok(Json::Number(number))
    }

    /// One or more texts, which stand for one.
    fn texts(&mut self) -> Result<Json, Wrong> {
        let mut all = String::new();
        loop {
            let (raw, prefix) = match self.peek() {
                Some('r' | 'R') => (true, 1),
                Some('u' | 'U') => (false, 1),
                _ => (false, 0),
            };
            let quoted = self.rest().get(prefix..).unwrap_or_default();
            let Some(quote) = quoted.chars().next().filter(|c| matches!(c, '\'' | '"')) else {
                return Err(self.wrong("a text of another kind"));
            };
            let triple = [quote; 3].iter().collect::<String>();
            let quote = if quoted.starts_with(&triple) { triple } else { quote.to_string() };
            self.at += prefix + quote.len();
            self.text_to(&quote, raw, &mut all)?;
            let before = self.at;
            self.space(true);
            let next = self.rest().trim_start_matches(['r', 'R', 'u', 'U']);
            if !next.starts_with(['\'', '"']) {
                self.at = before;
                return Ok(Json::String(all));
            }
        }
    }

    fn text_to(&mut self, quote: &str, raw: bool, out: &mut String) -> Result<(), Wrong> {
        loop {
            if self.rest().starts_with(quote) {
                self.at += quote.len();
                return Ok(());
            }
            let c = self.peek().filter(|&c| c != '\n' || quote.len() == 3);
            let c = c.ok_or_else(|| self.wrong("a text has no end"))?;
            self.at += c.len_utf8();
            if c != '\\' {
                out.push(c);
                continue;
            }
            let escaped = self.peek().ok_or_else(|| self.wrong("a text has no end"))?;
            self.at += escaped.len_utf8();
            match escaped {
                _ if raw => out.extend(['\\', escaped]),
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                '\n' => {}
                '\\' | '\'' | '"' => out.push(escaped),
                'x' => self.code(2, out)?,
                'u' => self.code(4, out)?,
                _ => out.extend(['\\', escaped]),
            }
        }
    }

    fn code(&mut self, digits: usize, out: &mut String) -> Result<(), Wrong> {
        let hex = self.rest().get(..digits).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        let c = hex.and_then(char::from_u32).ok_or_else(|| self.wrong("an escape is no character"))?;
        self.at += digits;
        out.push(c);
        Ok(())
    }
}

fn count(value: &Json) -> usize {
    match value {
        Json::Array(items) => 1 + items.iter().map(count).sum::<usize>(),
        Json::Object(entries) => 1 + entries.values().map(count).sum::<usize>(),
        Json::String(text) => 1 + text.len() / 64,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn literals() {
        for (text, expected) in [
            ("(640, 800)", json!([640, 800])),
            ("(3,)", json!([3])),
            ("(3)", json!(3)),
            ("-1.5e-3", json!(-0.0015)),
            ("dict(a=1, b=[True, None], )", json!({"a": 1, "b": [true, null]})),
            ("{'a': {1: 'x'}}", json!({"a": {"1": "x"}})),
            ("'a' \"b\\n\" r'\\d'", json!("ab\n\\d")),
            ("[ # a remark\n 1,\n 2]", json!([1, 2])),
        ] {
            assert_eq!(literal(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn names_stand_for_earlier_assignments() {
        let text = "norm = dict(mean=[1.0], to_rgb=True)\npipeline = [dict(type='Normalize', **norm)]\n";
        let found = assignments(text, &[]).unwrap();
        assert_eq!(found["pipeline"][0], json!({"type": "Normalize", "mean": [1.0], "to_rgb": true}));
    }

    #[test]
    fn what_is_no_literal_is_left_out_or_told() {
        let text = "import os\nx = os.system('true')\nfor i in range(3):\n    y = 1\nz = 2\nmodel = f(1)\n";
        assert_eq!(assignments(text, &[]).unwrap(), json!({"z": 2}));
        let error = assignments(text, &["model"]).unwrap_err().to_string();
        assert!(error.contains("line 6") && error.contains("`f`"), "{error}");
    }

    #[test]
    fn depth_and_growth_are_bounded() {
        assert!(literal(&"[".repeat(100_000)).is_err());
        let mut text = "a0 = [1, 2, 3, 4]\n".to_owned();
        for i in 0..40 {
            text += &format!("a{} = [a{i}, a{i}, a{i}]\n", i + 1);
        }
        assert!(assignments(&text, &["a40"]).is_err());
        // A long text is named again and again.
        let text = format!("a = '{}'\nb = [{}]\n", "x".repeat(1 << 20), "a, ".repeat(1000));
        assert!(assignments(&text, &["b"]).is_err());
    }

    /// Counting the lines before each of them would take half a minute.
    #[test]
    fn many_lines_that_are_no_assignment_are_passed_over_in_no_time() {
        let text = "a\n".repeat(200_000);
        let started = std::time::Instant::now();
        assert_eq!(assignments(&text, &[]).unwrap(), json!({}));
        assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
        let error = assignments(&(text + "model = f(1)\n"), &["model"]).unwrap_err().to_string();
        assert!(error.contains("line 200001 "), "{error}");
        let error = assignments(&format!("model = {}(1)\n", "f".repeat(1 << 20)), &["model"]).unwrap_err();
        assert!(error.to_string().len() < 1000);
    }
}
