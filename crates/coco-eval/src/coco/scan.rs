//! A validating reader of JSON on a slice of bytes, with Python's dialect: NaN and the infinities are numbers.
//!
//! Knows nothing of files or of COCO. What lies beyond the end of the slice is asked for with [`Stop::Short`].

use super::number;

/// Lists and objects nested deeper than this are refused; Python stops near a thousand.
pub(super) const DEPTH: usize = 900;

/// Why a value was not read.
#[derive(Debug)]
pub(super) enum Stop {
    /// The slice ends inside the value.
    Short,
    /// Valid so far, but not in the plain form that a typed reader takes: read it again as a [`super::value::JsonValue`].
    Odd,
    /// No JSON.
    Bad(Box<Bad>),
}

/// The byte where JSON ends to be JSON, and why.
#[derive(Debug)]
pub(super) struct Bad {
    pub(super) at: usize,
    pub(super) what: String,
}

pub(super) type Scan<T> = Result<T, Stop>;

/// A number as the file spells it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum NumberText {
    /// Without fraction and exponent, and small enough.
    Int(i64),
    /// Without fraction and exponent, beyond 64 bits; the digits are the cursor's last token.
    Big(f64),
    /// Anything else.
    Float(f64),
}

impl NumberText {
    /// The nearest double.
    pub(super) fn double(self) -> f64 {
        match self {
            NumberText::Int(value) => value as f64,
            NumberText::Big(value) | NumberText::Float(value) => value,
        }
    }
}

/// A place in a slice of JSON.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    pub(super) data: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(data: &'a [u8], at: usize) -> Cursor<'a> {
        Cursor { data, at }
    }

    pub(super) fn bad<T>(&self, at: usize, what: impl Into<String>) -> Scan<T> {
        Err(Stop::Bad(Box::new(Bad { at, what: what.into() })))
    }

    /// Steps over white space; the next byte, or `None` at the end of the slice.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some(&byte) = self.data.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    /// The next byte that is not white space.
    #[inline]
    pub(super) fn next_byte(&mut self) -> Scan<u8> {
        self.peek().ok_or(Stop::Short)
    }

    /// Steps over one expected byte.
    #[inline]
    pub(super) fn expect(&mut self, byte: u8, what: &str) -> Scan<()> {
        if self.next_byte()? == byte {
            self.at += 1;
            return Ok(());
        }
        self.bad(self.at, format!("expected {what}"))
    }

    /// Steps over `,` (true) or over the closing byte (false).
    #[inline]
    pub(super) fn more(&mut self, close: u8) -> Scan<bool> {
        let byte = self.next_byte()?;
        if byte == b',' {
            self.at += 1;
            return Ok(true);
        }
        if byte == close {
            self.at += 1;
            return Ok(false);
        }
        self.bad(self.at, format!("expected `,` or `{}`", close as char))
    }

    /// A string's bytes between the quotes, checked, escapes not yet resolved; and whether it has any.
    #[inline]
    pub(super) fn raw_string(&mut self) -> Scan<(&'a [u8], bool)> {
        if self.next_byte()? != b'"' {
            return self.bad(self.at, "expected a string in double quotes");
        }
        let start = self.at + 1;
        let mut at = start;
        let mut plain = true;
        let mut ascii = true;
        loop {
            at += usual(&self.data[at..]);
            match self.data.get(at) {
                None => return Err(Stop::Short),
                Some(b'"') => break,
                Some(b'\\') => {
                    plain = false;
                    at = self.escape(at)?;
                }
                Some(&byte) if byte < 0x20 => return self.bad(at, "a control character inside a string"),
                Some(&byte) => {
                    ascii &= byte < 0x80;
                    at += 1;
                }
            }
        }
        let text = &self.data[start..at];
        if !ascii && let Err(error) = std::str::from_utf8(text) {
            return self.bad(start + error.valid_up_to(), "bytes that are not UTF-8");
        }
        self.at = at + 1;
        Ok((text, !plain))
    }

    /// Steps over a key and its colon if they stand here in just these bytes.
    #[inline(always)]
    pub(super) fn literal<const N: usize>(&mut self, text: &[u8; N]) -> bool {
        let found = self.data[self.at..].first_chunk::<N>().is_some_and(|here| here == text);
        self.at += if found { N } else { 0 };
        found
    }

    /// Steps over a key of an object and its colon. The key's bytes, if it has no escapes; else [`Stop::Odd`].
    pub(super) fn key(&mut self) -> Scan<&'a [u8]> {
        let (key, escaped) = self.raw_string()?;
        self.expect(b':', "`:`")?;
        if escaped { Err(Stop::Odd) } else { Ok(key) }
    }

    /// Checks the escape at `at`; the place behind it.
    fn escape(&self, at: usize) -> Scan<usize> {
        match self.data.get(at + 1) {
            None => Err(Stop::Short),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
            Some(b'u') => {
                for k in 2..6 {
                    match self.data.get(at + k) {
                        None => return Err(Stop::Short),
                        Some(byte) if byte.is_ascii_hexdigit() => {}
                        Some(_) => return self.bad(at, "`\\u` without four hexadecimal digits"),
                    }
                }
                Ok(at + 6)
            }
            Some(_) => self.bad(at, "an unknown escape in a string"),
        }
    }

    /// A number, NaN and the infinities included.
    #[inline]
    pub(super) fn number(&mut self) -> Scan<NumberText> {
        self.next_byte()?;
        match number::read(self.data, self.at) {
            number::NumberRead::Number(value, end) => {
                self.at = end;
                Ok(value)
            }
            number::NumberRead::Short => Err(Stop::Short),
            number::NumberRead::Bad(at, what) => self.bad(at, what),
        }
    }

    /// Steps over one of the bare words.
    pub(super) fn word(&mut self, word: &str) -> Scan<()> {
        let rest = &self.data[self.at..];
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        if word.as_bytes().starts_with(rest) {
            return Err(Stop::Short);
        }
        self.bad(self.at, "expected a value")
    }

    /// Steps over any value, checking it.
    pub(super) fn skip(&mut self) -> Scan<()> {
        // One bit a level: whether it is an object.
        let mut levels: Vec<bool> = Vec::new();
        loop {
            match self.next_byte()? {
                open @ (b'{' | b'[') => {
                    if levels.len() == DEPTH {
                        return self.bad(self.at, format!("nested more than {DEPTH} deep"));
                    }
                    self.at += 1;
                    let object = open == b'{';
                    let close = if object { b'}' } else { b']' };
                    if self.next_byte()? == close {
                        self.at += 1;
                    } else {
                        levels.push(object);
                        if object {
                            self.skip_key()?;
                        }
                        continue;
                    }
                }
                b'"' => {
                    self.raw_string()?;
                }
                b't' => self.word("true")?,
                b'f' => self.word("false")?,
                b'n' => self.word("null")?,
                _ => self.skip_number()?,
            }
            loop {
                let Some(&object) = levels.last() else { return Ok(()) };
                if self.more(if object { b'}' } else { b']' })? {
                    if object {
                        self.skip_key()?;
                    }
                    break;
                }
                levels.pop();
            }
        }
    }

    fn skip_key(&mut self) -> Scan<()> {
        self.raw_string()?;
        self.expect(b':', "`:`")
    }

    /// Numbers that nobody wants: their form is checked, their value is not computed.
    #[inline]
    fn skip_number(&mut self) -> Scan<()> {
        match number::end(self.data, self.at) {
            number::NumberEnd::Plain(end) => {
                self.at = end;
                Ok(())
            }
            number::NumberEnd::Other => self.number().map(|_| ()),
        }
    }
}

/// How many of the first bytes of a string are neither a quote nor a backslash, a control character or part of a longer one; it
/// may be more than this says. Eight are looked at at once.
#[inline]
fn usual(text: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    // The top bit of each byte that is 0, and perhaps of bytes behind one.
    let zeros = |bytes: u64| bytes.wrapping_sub(ONES) & !bytes & TOPS;
    let mut count = 0;
    for eight in text.chunks_exact(8) {
        let Some(&eight) = eight.first_chunk::<8>() else { break };
        let bytes = u64::from_le_bytes(eight);
        let quotes = zeros(bytes ^ (ONES * u64::from(b'"')));
        let escapes = zeros(bytes ^ (ONES * u64::from(b'\\')));
        let controls = bytes.wrapping_sub(ONES * 0x20) & !bytes & TOPS;
        let others = quotes | escapes | controls | bytes & TOPS;
        if others != 0 {
            return count + others.trailing_zeros() as usize / 8;
        }
        count += 8;
    }
    count
}

/// The text of a checked string with its escapes resolved. Half a surrogate pair becomes U+FFFD.
pub(super) fn unescape(raw: &[u8]) -> String {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, tail)) = rest.split_first() {
        if byte != b'\\' {
            out.push(byte);
            rest = tail;
            continue;
        }
        let (&kind, tail) = tail.split_first().unwrap_or((&b'\\', &[]));
        rest = tail;
        let simple = match kind {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let (letter, used) = surrogates(tail);
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                rest = tail.get(used..).unwrap_or(&[]);
                continue;
            }
            other => other,
        };
        out.push(simple);
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The letter of `XXXX` or `XXXX\uXXXX` behind a `\u`, and how many bytes spell it.
fn surrogates(tail: &[u8]) -> (char, usize) {
    let unit = |at: usize| {
        let digits = tail.get(at..at + 4)?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let first = unit(0).unwrap_or(0xfffd);
    if (0xd800..0xdc00).contains(&first)
        && tail.get(4..6) == Some(b"\\u")
        && let Some(second @ 0xdc00..0xe000) = unit(6)
    {
        let joined = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return (char::from_u32(joined).unwrap_or('\u{fffd}'), 10);
    }
    (char::from_u32(first).unwrap_or('\u{fffd}'), 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skipped(text: &str) -> Result<usize, String> {
        let mut cursor = Cursor::new(text.as_bytes(), 0);
        match cursor.skip() {
            Ok(()) => Ok(cursor.at),
            Err(Stop::Bad(bad)) => Err(format!("{} at {}", bad.what, bad.at)),
            Err(stop) => Err(format!("{stop:?}")),
        }
    }

    #[test]
    fn values_are_checked_while_they_are_skipped() {
        let good = r#" {"a": [1, -0.5e+3, NaN, -Infinity, true, null], "b\u00e9\"": {"c": [] , "d": {}}} "#;
        assert_eq!(skipped(good), Ok(good.len() - 1));
        for (text, why) in [
            ("[1,]", "expected a value"),
            ("[01]", "expected `,` or `]`"),
            ("{1: 2}", "double quotes"),
            ("{\"a\" 1}", "expected `:`"),
            ("[\"\\x\"]", "escape"),
            ("[\"\n\"]", "control"),
            ("[1.]", "digit"),
            ("[-]", "digit"),
            ("[nul]", "expected a value"),
            ("[1 2]", "expected `,`"),
            ("[1, 2", "Short"),
            ("[\"\\u12", "Short"),
        ] {
            let got = skipped(text);
            assert!(got.as_ref().is_err_and(|error| error.contains(why)), "{text}: {got:?}");
        }
        assert!(skipped(&"[".repeat(DEPTH + 1)).is_err_and(|error| error.contains("nested")));
    }

    #[test]
    fn escapes_are_resolved() {
        assert_eq!(unescape(br#"b\u0062ox \ud83d\ude00 \ud83d \n\/"#), "bbox \u{1f600} \u{fffd} \n/");
    }
}
