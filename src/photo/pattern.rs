//! Patterns such as `*.jpg` on paths; `*` and `?` do not cross folders. Knows no file system.

use std::ffi::OsStr;
use std::path::Path;

use regex_lite::Regex;

/// Whether a name is meant as a pattern.
pub(super) fn is_pattern(part: &OsStr) -> bool {
    part.to_string_lossy().contains(['*', '?', '[', '{'])
}

/// Why a pattern cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

/// A pattern, ready to be compared with paths.
pub(super) struct Pattern(Regex);

impl Pattern {
    /// `*` and `?` stand for letters of one name, `**` for any folders, `[a-z]` and `[!a-z]` for one letter, `{a,b}` for one of
    /// several; a backslash takes the next letter as it is, where it is none of the system's separators.
    pub(super) fn new(text: &str) -> Result<Pattern, PatternError> {
        let expression = format!("(?s)^{}$", expression(text)?);
        Regex::new(&expression).map(Pattern).map_err(|error| PatternError(error.to_string()))
    }

    pub(super) fn fits(&self, path: &Path) -> bool {
        let text = path.to_string_lossy();
        if cfg!(windows) { self.0.is_match(&text.replace('\\', "/")) } else { self.0.is_match(&text) }
    }
}

/// The pattern as a regular expression.
fn expression(text: &str) -> Result<String, PatternError> {
    let wrong = |why: &str| PatternError(format!("in the pattern `{text}`, {why}"));
    let mut regex = String::new();
    let mut open = 0;
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let before = &text[..text.len() - rest.len()];
        let begins = before.is_empty() || before.ends_with(['/', '{', ',']);
        rest = &rest[letter.len_utf8()..];
        match letter {
            '*' if begins && rest == "*" => {
                regex.push_str(".*");
                rest = "";
            }
            '*' if begins && rest.starts_with("*/") => {
                regex.push_str("(?:.*/)?");
                rest = &rest[2..];
            }
            '*' => regex.push_str("[^/]*"),
            '?' => regex.push_str("[^/]"),
            '[' => {
                let (class, after) = class(rest).ok_or_else(|| wrong("a `[` has no `]`"))?;
                regex.push_str(&class);
                rest = after;
            }
            '{' => {
                open += 1;
                regex.push_str("(?:");
            }
            ',' if open > 0 => regex.push('|'),
            '}' if open > 0 => {
                open -= 1;
                regex.push(')');
            }
            '\\' if cfg!(windows) => regex.push('/'),
            '\\' => {
                let next = rest.chars().next().ok_or_else(|| wrong("nothing follows the last `\\`"))?;
                regex.push_str(&regex_lite::escape(next.encode_utf8(&mut [0; 4])));
                rest = &rest[next.len_utf8()..];
            }
            other => regex.push_str(&regex_lite::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    if open > 0 { Err(wrong("a `{` has no `}`")) } else { Ok(regex) }
}

/// The letters between brackets as a regular expression's, and what follows the brackets.
fn class(text: &str) -> Option<(String, &str)> {
    let (negated, letters) = match text.strip_prefix(['!', '^']) {
        Some(rest) => ("^", rest),
        None => ("", text),
    };
    // A bracket right behind the first one is a letter.
    let first = letters.chars().next()?.len_utf8();
    let end = first + letters[first..].find(']')?;
    let escaped = |letter: char| match letter {
        '-' => "-".to_owned(),
        other => regex_lite::escape(other.encode_utf8(&mut [0; 4])),
    };
    let inside: String = letters[..end].chars().map(escaped).collect();
    Some((format!("[{negated}{inside}]"), &letters[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, path: &str) -> bool {
        Pattern::new(pattern).unwrap().fits(Path::new(path))
    }

    #[test]
    fn patterns_fit_as_in_a_shell() {
        for (pattern, path) in [
            ("*.jpg", "a.jpg"),
            ("a/*.jpg", "a/b.c.jpg"),
            ("a/?.jpg", "a/é.jpg"),
            ("**/*.jpg", "a.jpg"),
            ("**/*.jpg", "a/b/c.jpg"),
            ("a/**/c.png", "a/c.png"),
            ("a/**/c.png", "a/x/y/c.png"),
            ("a/**", "a/b/c"),
            ("[ab]*.png", "b1.png"),
            ("[!a]*.png", "b1.png"),
            ("[0-9][0-9].png", "42.png"),
            ("x[]].png", "x].png"),
            ("[a.]-[b-].png", ".--.png"),
            ("*.{jpg,png}", "a.png"),
            ("{a,b/*}/x", "b/c/x"),
            ("a+(b)^$.|?", "a+(b)^$.|c"),
            ("a,b*", "a,bc"),
        ] {
            assert!(fits(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("*.jpg", "a/b.jpg"),
            ("*.jpg", "a.jpg.png"),
            ("a/?.jpg", "a//.jpg"),
            ("[!a]*.png", "a1.png"),
            ("a/*/c.png", "a/x/y/c.png"),
            ("a.png", "aXpng"),
            ("*.{jpg,png}", "a.gif"),
            ("*.jpg", "a.JPG"),
        ] {
            assert!(!fits(pattern, path), "{pattern} {path}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_backslash_takes_the_next_letter_as_it_is() {
        assert!(fits("a\\*[x]", "a*x") && !fits("a\\*[x]", "abx"));
    }

    #[test]
    fn what_is_not_closed_is_named() {
        for pattern in ["[a", "[", "[!", "{a,b", "[]"] {
            let error = Pattern::new(pattern).map(|_| ()).unwrap_err();
            assert!(error.to_string().contains(pattern), "{error}");
        }
    }
}
