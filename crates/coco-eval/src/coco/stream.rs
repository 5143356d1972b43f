//! A JSON file read in blocks: single values one after the other, long lists of records on all threads.
//!
//! Knows nothing of what the records mean.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::blocks::{self, BlocksEnd, Feed, read_on};
use super::error::ReadError;
use super::scan::{Bad, Cursor, Scan, Stop};
use super::value;
use crate::{source, text};

/// The longest single record or value; longer ones are refused rather than held in memory.
pub(super) const LONGEST: usize = 64 << 20;

/// An open file.
pub(super) struct JsonStream {
    path: PathBuf,
    reader: text::Reader,
    encoding: Option<&'static str>,
    buffer: Vec<u8>,
    at: usize,
    /// Offset in the file of the buffer's first byte.
    base: u64,
    finished: bool,
}

impl JsonStream {
    /// Opens a file, packed with gzip or not.
    pub(super) fn open(path: &Path) -> Result<JsonStream, ReadError> {
        let (reader, encoding) =
            open(path).map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
        let mut stream = JsonStream {
            path: path.to_owned(),
            reader,
            encoding,
            buffer: Vec::new(),
            at: 0,
            base: 0,
            finished: false,
        };
        stream.top_up(1 << 16)?;
        if let Some(what) = text::stand_in(&stream.buffer) {
            return Err(ReadError::shape(path, what));
        }
        if stream.buffer.iter().all(u8::is_ascii_whitespace) && stream.finished {
            return Err(ReadError::shape(path, "the file is empty"));
        }
        Ok(stream)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How the file is written, if not in UTF-8 without a mark.
    pub(super) fn encoding(&self) -> Option<&'static str> {
        self.encoding
    }

    /// Reads on until so many bytes lie ahead or the file ends; forgets what is behind.
    fn top_up(&mut self, want: usize) -> Result<(), ReadError> {
        if self.buffer.len() - self.at >= want || self.finished {
            return Ok(());
        }
        self.base += self.at as u64;
        self.buffer.drain(..self.at);
        self.at = 0;
        let missing = want - self.buffer.len();
        self.finished = read_on(&mut self.reader, &mut self.buffer, missing)
            .map_err(|source| ReadError::Io { path: self.path.clone(), source })?;
        Ok(())
    }

    /// Reads one thing, with as much of the file in memory as it takes.
    pub(super) fn one<T>(
        &mut self,
        what: &'static str,
        read: impl Fn(&mut Cursor<'_>) -> Scan<T>,
    ) -> Result<T, ReadError> {
        loop {
            let mut cursor = Cursor::new(&self.buffer, self.at);
            match read(&mut cursor) {
                Ok(value) => {
                    self.at = cursor.at;
                    return Ok(value);
                }
                Err(Stop::Short | Stop::Odd) if !self.finished => self.grow(what)?,
                Err(Stop::Short | Stop::Odd) => return Err(self.ends_early()),
                Err(Stop::Bad(bad)) => return Err(self.bad(&bad)),
            }
        }
    }

    fn grow(&mut self, what: &'static str) -> Result<(), ReadError> {
        let ahead = self.buffer.len() - self.at;
        if ahead >= LONGEST {
            return Err(ReadError::TooLong { path: self.path.clone(), what, at: self.base + self.at as u64 });
        }
        self.top_up((2 * ahead).max(1 << 16))
    }

    /// The next byte that is no white space; `None` at the end of the file.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        loop {
            let mut cursor = Cursor::new(&self.buffer, self.at);
            let byte = cursor.peek();
            self.at = cursor.at;
            if byte.is_some() || self.finished {
                return Ok(byte);
            }
            self.top_up(1 << 16)?;
        }
    }

    /// Opens a file that holds a data set, an object and no list.
    pub(super) fn open_set(path: &Path) -> Result<JsonStream, ReadError> {
        let mut stream = JsonStream::open(path)?;
        match stream.peek()? {
            Some(b'{') => Ok(stream),
            Some(b'[') => Err(ReadError::shape(
                path,
                "the file holds a list, as results do: an object with `images`, `annotations` and `categories` expected",
            )),
            _ => {
                stream.one("a value", |cursor| cursor.skip())?;
                Err(ReadError::shape(
                    path,
                    "an object with `images`, `annotations` and `categories` expected",
                ))
            }
        }
    }

    /// Reads an object: `member` reads the value behind each key.
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(&mut JsonStream, &str) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        self.one("the file", |cursor| cursor.expect(b'{', "`{`"))?;
        if self.peek()? == Some(b'}') {
            return self.one("the file", |cursor| cursor.expect(b'}', "`}`"));
        }
        loop {
            let key = self.one("a key", |cursor| {
                let key = value::text(cursor)?;
                cursor.expect(b':', "`:`")?;
                cursor.next_byte()?;
                Ok(key)
            })?;
            member(self, &key)?;
            if !self.one("the file", |cursor| cursor.more(b'}'))? {
                return Ok(());
            }
        }
    }

    /// Nothing but white space may follow.
    pub(super) fn end(&mut self) -> Result<(), ReadError> {
        match self.peek()? {
            None => Ok(()),
            Some(_) => {
                Err(self.bad(&Bad { at: self.at, what: "more text behind the end of the value".into() }))
            }
        }
    }

    /// Reads a list: `parse` reads one record into a part, `sink` gets the parts in order.
    ///
    /// `parse` must leave the part as it was when it fails.
    pub(super) fn list<P: Default + Send>(
        &mut self,
        parse: impl Fn(&mut Cursor<'_>, &mut P) -> Scan<()> + Sync,
        mut sink: impl FnMut(P) + Send,
    ) -> Result<(), ReadError> {
        self.one("a list", |cursor| cursor.expect(b'[', "a list"))?;
        if self.peek()? == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            if matches!(self.blocks(&parse, &mut sink)?, BlocksEnd::Closed)
                || self.singly(&parse, &mut sink)?
            {
                return Ok(());
            }
        }
    }

    /// Where pieces do not help: records one after the other, the first with as much memory as it takes, until the
    /// buffer ends inside one. Whether the list is over.
    fn singly<P: Default + Send>(
        &mut self,
        parse: &(impl Fn(&mut Cursor<'_>, &mut P) -> Scan<()> + Sync),
        sink: &mut (impl FnMut(P) + Send),
    ) -> Result<bool, ReadError> {
        let mut part = P::default();
        let mut any = false;
        loop {
            let mut cursor = Cursor::new(&self.buffer, self.at);
            match parse(&mut cursor, &mut part) {
                Ok(()) => self.at = cursor.at,
                Err(Stop::Bad(bad)) => return Err(self.bad(&bad)),
                Err(_) if self.finished => return Err(self.ends_early()),
                Err(_) if any => {
                    sink(part);
                    return Ok(false);
                }
                Err(_) => {
                    self.grow("a record")?;
                    continue;
                }
            }
            any = true;
            if !self.one("a list", |cursor| cursor.more(b']'))? {
                sink(part);
                return Ok(true);
            }
        }
    }

    /// Parses what lies ahead on all threads, as far as that goes.
    fn blocks<P: Default + Send>(
        &mut self,
        parse: &(impl Fn(&mut Cursor<'_>, &mut P) -> Scan<()> + Sync),
        sink: &mut (impl FnMut(P) + Send),
    ) -> Result<BlocksEnd, ReadError> {
        let mut feed = Feed {
            reader: &mut self.reader,
            ahead: self.buffer.split_off(self.at),
            base: self.base + self.at as u64,
            finished: self.finished,
            error: None,
        };
        let outcome = blocks::run(&mut feed, parse, sink);
        let Feed { ahead, base, finished, error, .. } = feed;
        (self.buffer, self.at, self.base, self.finished) = (ahead, 0, base, finished);
        match (outcome, error) {
            (BlocksEnd::Bad(bad), _) => Err(self.bad(&bad)),
            (BlocksEnd::Ended, _) => Err(self.ends_early()),
            (BlocksEnd::Single, Some(source)) => Err(ReadError::Io { path: self.path.clone(), source }),
            (outcome, _) => Ok(outcome),
        }
    }

    /// The error for a byte of the buffer.
    fn bad(&self, bad: &Bad) -> ReadError {
        let (line, column) = self.locate(self.base + bad.at as u64);
        ReadError::NotJson { path: self.path.clone(), what: bad.what.clone(), line, column }
    }

    fn ends_early(&self) -> ReadError {
        let (line, column) = self.locate(u64::MAX);
        ReadError::EndsEarly { path: self.path.clone(), line, column }
    }

    /// Line and column of a byte, by reading the file once more; errors are rare.
    fn locate(&self, offset: u64) -> (u64, u64) {
        let (mut line, mut column) = (1, 1);
        let Ok((reader, _)) = open(&self.path) else { return (line, column) };
        let mut reader = BufReader::with_capacity(1 << 16, reader).take(offset);
        let mut block = vec![0; 1 << 16];
        while let Ok(count @ 1..) = reader.read(&mut block) {
            for &byte in &block[..count] {
                if byte == b'\n' {
                    (line, column) = (line + 1, 1);
                } else if byte & 0xc0 != 0x80 {
                    column += 1;
                }
            }
        }
        (line, column)
    }
}

fn open(path: &Path) -> std::io::Result<(text::Reader, Option<&'static str>)> {
    let mut file = source::open(path)?;
    let mut magic = Vec::new();
    (&mut file).take(2).read_to_end(&mut magic)?;
    let packed = magic == [0x1f, 0x8b];
    let whole = std::io::Cursor::new(magic).chain(file);
    if packed { unpacked(whole) } else { text::reader(whole) }
}

#[cfg(feature = "gzip")]
fn unpacked(whole: impl Read + Send + 'static) -> std::io::Result<(text::Reader, Option<&'static str>)> {
    text::reader(flate2::read::MultiGzDecoder::new(std::io::BufReader::with_capacity(1 << 16, whole)))
}

#[cfg(not(feature = "gzip"))]
fn unpacked(_: impl Read) -> std::io::Result<(text::Reader, Option<&'static str>)> {
    Err(std::io::Error::other("it is packed with gzip, and coco-eval was built without its feature `gzip`"))
}
