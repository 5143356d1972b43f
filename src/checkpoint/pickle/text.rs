//! Texts of protocol 0, as Python writes them on a line.

/// Latin-1 with `\\uXXXX` and `\\UXXXXXXXX` for what it has not, and for what would end the line.
pub(super) fn raw_unicode(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((&byte, after)) = rest.split_first() {
        let digits = match after.first() {
            Some(b'u') if byte == b'\\' => after.get(1..5),
            Some(b'U') if byte == b'\\' => after.get(1..9),
            _ => None,
        };
        let escaped = digits.and_then(|digits| Some((digits.len(), char::from_u32(hexadecimal(digits)?)?)));
        let (length, letter) = escaped.map_or((0, char::from(byte)), |(length, letter)| (length + 1, letter));
        text.push(letter);
        rest = &after[length..];
    }
    text
}

/// The bytes of Python 2's `repr` of a str; nothing where there are no quotes around it.
pub(super) fn unquoted(line: &[u8]) -> Option<Vec<u8>> {
    let line = line.trim_ascii_end();
    let quote = *line.first().filter(|quote| matches!(quote, b'\'' | b'"'))?;
    let mut rest = line.strip_prefix(&[quote])?.strip_suffix(&[quote])?;
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'\\' {
            bytes.push(byte);
            rest = after;
            continue;
        }
        let (&sign, after) = after.split_first()?;
        let (value, length) = match sign {
            b'x' => (hexadecimal(after.get(..2)?).and_then(|value| u8::try_from(value).ok())?, 2),
            b'0'..=b'7' => {
                let count = after.iter().take(2).take_while(|digit| matches!(digit, b'0'..=b'7')).count();
                let octal = |value: u32, digit: &u8| 8 * value + u32::from(digit - b'0');
                (after[..count].iter().fold(u32::from(sign - b'0'), octal) as u8, count)
            }
            b'n' => (b'\n', 0),
            b'r' => (b'\r', 0),
            b't' => (b'\t', 0),
            b'a' => (7, 0),
            b'b' => (8, 0),
            b'f' => (12, 0),
            b'v' => (11, 0),
            other => (other, 0),
        };
        bytes.push(value);
        rest = &after[length..];
    }
    Some(bytes)
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |value, &digit| Some((value << 4) | char::from(digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Python 3's and Python 2's `pickle.dumps(…, protocol=0)` write.
    #[test]
    fn texts_of_a_line() {
        assert_eq!(
            raw_unicode(b"a\\u000ab\xe9\\u20ac\\U0001f600\\x\\u12"),
            "a\nb\u{e9}\u{20ac}\u{1f600}\\x\\u12"
        );
        assert_eq!(unquoted(b"'a\\n\\x00\\xff\\\\\\'\"'").unwrap(), b"a\n\x00\xff\\'\"");
        assert_eq!(unquoted(b"\"it's\"").unwrap(), b"it's");
        assert_eq!(unquoted(b"'\\0\\101'").unwrap(), b"\0A");
        assert_eq!((unquoted(b"plain"), unquoted(b"'"), unquoted(b"'\\x0'")), (None, None, None));
    }
}
