//! Text files as people have them: UTF-8 with or without a byte order mark, and UTF-16, which `>` of Windows PowerShell
//! writes. Names what stands in a file's place. A leaf: knows nothing of what the text means.

use std::io::{self, Read};
use std::path::Path;

/// Reads a whole text file.
///
/// # Errors
/// When the file cannot be read, is no text, or something else was saved in its place.
pub fn read(path: &Path) -> io::Result<String> {
    decode(std::fs::read(path)?)
}

/// The text that bytes are.
///
/// # Errors
/// When they are neither UTF-8 nor UTF-16, or a web page or a git-lfs pointer.
pub fn decode(bytes: Vec<u8>) -> io::Result<String> {
    let mut text = Vec::with_capacity(bytes.len());
    reader(io::Cursor::new(bytes))?.0.read_to_end(&mut text)?;
    if let Some(what) = stand_in(&text) {
        return Err(damaged(what));
    }
    String::from_utf8(text).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        damaged(format!("byte {} is not UTF-8: save the file as UTF-8", at + 1))
    })
}

/// What a file is that others put in the place of the one that is asked for, and what to do, by its first bytes.
pub fn stand_in(head: &[u8]) -> Option<&'static str> {
    let start = head.trim_ascii_start();
    let begins =
        |with: &str| start.get(..with.len()).is_some_and(|own| own.eq_ignore_ascii_case(with.as_bytes()));
    if begins("<!doctype html") || begins("<html") {
        return Some("it is a web page (HTML): download the file itself, not the page about it");
    }
    if begins("version https://git-lfs.github.com/") {
        return Some("it is a git-lfs pointer in place of the file: `git lfs pull` brings the file");
    }
    None
}

/// A sentence that holds words of a file's, safe to print: control characters are escaped, and it ends after 1,000
/// characters.
pub fn sentence(text: &str) -> String {
    let plain = |c: char| matches!(c, '\'' | '"' | '\\');
    let escaped = text.chars().take(1000).flat_map(|c| {
        let (same, other) = if plain(c) { (Some(c), None) } else { (None, Some(c.escape_debug())) };
        same.into_iter().chain(other.into_iter().flatten())
    });
    let more = text.chars().nth(1000).map(|_| '…');
    escaped.chain(more).collect()
}

/// A reader of UTF-8 without a mark over a reader of UTF-8 or UTF-16, and how the text is written if otherwise.
///
/// # Errors
/// When the first bytes cannot be read; later, when what is read is no UTF-16.
pub fn reader(mut inner: impl Read + Send + 'static) -> io::Result<(Reader, Option<&'static str>)> {
    let mut head = Vec::new();
    (&mut inner).take(LONGEST_HEAD).read_to_end(&mut head)?;
    let Encoding { mark, unit } = Encoding::of(&head);
    let whole = io::Cursor::new(head.split_off(mark)).chain(inner);
    Ok(match unit {
        None => (Box::new(whole), (mark > 0).then_some("UTF-8 with a byte order mark")),
        Some(unit) => {
            let inner = Utf16 { inner: whole, unit, half: None, pair: None, text: Vec::new(), at: 0 };
            (Box::new(inner), Some("UTF-16"))
        }
    })
}

/// What gives the text.
pub type Reader = Box<dyn Read + Send>;

/// Bytes that tell the encoding.
const LONGEST_HEAD: u64 = 3;

/// How two bytes are a unit of UTF-16.
type Unit = fn([u8; 2]) -> u16;

/// How a text is written.
struct Encoding {
    /// Bytes of the mark.
    mark: usize,
    /// Nothing for UTF-8.
    unit: Option<Unit>,
}

impl Encoding {
    /// By a mark; without one, a letter beside a zero is a unit of UTF-16, as no text holds a zero.
    fn of(head: &[u8]) -> Encoding {
        let (mark, unit): (_, Option<Unit>) = match head {
            [0xef, 0xbb, 0xbf, ..] => (3, None),
            [0xff, 0xfe, ..] => (2, Some(u16::from_le_bytes)),
            [0xfe, 0xff, ..] => (2, Some(u16::from_be_bytes)),
            [1..0x80, 0, ..] => (0, Some(u16::from_le_bytes)),
            [0, 1..0x80, ..] => (0, Some(u16::from_be_bytes)),
            _ => (0, None),
        };
        Encoding { mark, unit }
    }
}

/// Reads UTF-16 and gives UTF-8.
struct Utf16<R> {
    inner: R,
    unit: Unit,
    /// The first byte of a unit whose second is not read yet.
    half: Option<u8>,
    /// The first unit of a pair whose second is not read yet.
    pair: Option<u16>,
    /// What has been read and not given.
    text: Vec<u8>,
    at: usize,
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.text.len() {
            if !self.refill()? {
                return Ok(0);
            }
        }
        let count = (&self.text[self.at..]).read(out)?;
        self.at += count;
        Ok(count)
    }
}

impl<R: Read> Utf16<R> {
    /// Reads some more; false at the end.
    fn refill(&mut self) -> io::Result<bool> {
        let mut block = [0; 1 << 14];
        let count = self.inner.read(&mut block)?;
        if count == 0 {
            return match (self.half, self.pair) {
                (None, None) => Ok(false),
                _ => Err(damaged("it ends inside a character of UTF-16: copy or save it anew")),
            };
        }
        let bytes: Vec<u8> = self.half.take().into_iter().chain(block[..count].iter().copied()).collect();
        let (pairs, rest) = bytes.as_chunks::<2>();
        self.half = rest.first().copied();
        let mut units: Vec<u16> =
            self.pair.take().into_iter().chain(pairs.iter().map(|&pair| (self.unit)(pair))).collect();
        self.pair = units.pop_if(|last| (0xd800..0xdc00).contains(last));
        let text: Result<String, _> = char::decode_utf16(units).collect();
        let text = text.map_err(|_| damaged("it is UTF-16 with half a character: save it as UTF-8"))?;
        (self.text, self.at) = (text.into_bytes(), 0);
        Ok(true)
    }
}

fn damaged(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a byte at a time, so that units and pairs are cut everywhere.
    struct Dripping(io::Cursor<Vec<u8>>);

    impl Read for Dripping {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.0.read(&mut out[..1])
        }
    }

    #[test]
    fn every_encoding_is_the_same_text() {
        let text = "{\"name\": \"Müller \u{1f600}\"}\r\n";
        let units = |of: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(of).collect::<Vec<u8>>();
        let (little, big) = (units(u16::to_le_bytes), units(u16::to_be_bytes));
        for bytes in [
            text.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            [b"\xff\xfe", &little[..]].concat(),
            [b"\xfe\xff", &big[..]].concat(),
            little,
            big,
        ] {
            let mut slowly = String::new();
            reader(Dripping(io::Cursor::new(bytes.clone()))).unwrap().0.read_to_string(&mut slowly).unwrap();
            assert_eq!(slowly, text);
            assert_eq!(decode(bytes).unwrap(), text);
        }
        assert_eq!(decode(Vec::new()).unwrap(), "");
    }

    #[test]
    fn sentences_cannot_speak_to_a_terminal() {
        assert_eq!(
            sentence("unknown field `\x1b[31m\n`, \"a\" expected"),
            "unknown field `\\u{1b}[31m\\n`, \"a\" expected"
        );
        assert_eq!(sentence("Größe \u{202e}"), "Größe \\u{202e}");
        assert_eq!(sentence(&"x".repeat(5000)).chars().count(), 1001);
    }

    #[test]
    fn what_is_no_text_is_told() {
        for (bytes, words) in [
            (&b"\xff\xfe{\0}"[..], "ends inside"),
            (b"\xff\xfe\x00\xd8", "ends inside"),
            (b"\xff\xfe\x00\xdc\x20\x00", "half a character"),
            (b"{\"a\": \"\xe9\"}", "byte 8 is not UTF-8"),
            (b"\n<!DOCTYPE html><html>", "web page"),
            (b"\xef\xbb\xbf<HTML>", "web page"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git lfs pull"),
        ] {
            let error = decode(bytes.to_vec()).unwrap_err().to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
        assert_eq!(decode(b"<annotation></annotation>".to_vec()).unwrap(), "<annotation></annotation>");
    }
}
