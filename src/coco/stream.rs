//! A JSON file read in blocks: single values one after the other, long lists of records on all threads.
//!
//! Knows nothing of what the records mean. A list is cut where `}, {` stands, which need not be between two of its
//! records. So each piece must begin where the one before it ended between two records; the first piece for which
//! this does not hold is dropped together with all behind it, and reading goes on from the last sure place.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use rayon::prelude::*;

use super::error::Error;
use super::scan::{Bad, Cursor, Scan, Stop};

/// The longest single record or value; longer ones are refused rather than held in memory.
pub(super) const LONGEST: usize = 64 << 20;
/// What is parsed at once by one thread, and how many pieces each thread gets before all wait for each other.
const PIECE: usize = 128 << 10;
const PIECES: usize = 4;

/// An open file.
pub(super) struct Stream {
    path: PathBuf,
    reader: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// The buffer of the wave before, to be filled again.
    spare: Vec<u8>,
    at: usize,
    /// Offset in the file of the buffer's first byte.
    base: u64,
    finished: bool,
}

/// How the parsing of a piece ended; all places are places in the buffer.
enum End {
    /// Behind a comma, at the piece's own end.
    Comma,
    /// Behind the list's closing bracket.
    Closed(usize),
    /// The record that begins here is not complete.
    Short(usize),
    Bad(Box<Bad>),
}

impl Stream {
    /// Opens a file, packed with gzip or not.
    pub(super) fn open(path: &Path) -> Result<Stream, Error> {
        let reader = open(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
        let mut stream = Stream {
            path: path.to_owned(),
            reader,
            buffer: Vec::new(),
            spare: Vec::new(),
            at: 0,
            base: 0,
            finished: false,
        };
        stream.top_up(1 << 16)?;
        if stream.buffer.starts_with(b"\xef\xbb\xbf") {
            return Err(
                stream.bad(&Bad { at: 0, what: "it starts with a byte order mark, save it without".into() })
            );
        }
        if stream.buffer.iter().all(u8::is_ascii_whitespace) && stream.finished {
            return Err(Error::shape(path, "the file is empty"));
        }
        Ok(stream)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads on until so many bytes lie ahead or the file ends; forgets what is behind.
    fn top_up(&mut self, want: usize) -> Result<(), Error> {
        if self.buffer.len() - self.at >= want || self.finished {
            return Ok(());
        }
        self.base += self.at as u64;
        self.buffer.drain(..self.at);
        self.at = 0;
        let missing = want - self.buffer.len();
        self.finished = read_on(&mut self.reader, &mut self.buffer, missing)
            .map_err(|source| Error::Io { path: self.path.clone(), source })?;
        Ok(())
    }

    /// Reads one thing, with as much of the file in memory as it takes.
    pub(super) fn one<T>(
        &mut self,
        what: &'static str,
        read: impl Fn(&mut Cursor<'_>) -> Scan<T>,
    ) -> Result<T, Error> {
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

    fn grow(&mut self, what: &'static str) -> Result<(), Error> {
        let ahead = self.buffer.len() - self.at;
        if ahead >= LONGEST {
            return Err(Error::TooLong { path: self.path.clone(), what, at: self.base + self.at as u64 });
        }
        self.top_up((2 * ahead).max(1 << 16))
    }

    /// The next byte that is no white space; `None` at the end of the file.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, Error> {
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

    /// Nothing but white space may follow.
    pub(super) fn end(&mut self) -> Result<(), Error> {
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
        mut sink: impl FnMut(P),
    ) -> Result<(), Error> {
        self.one("a list", |cursor| cursor.expect(b'[', "a list"))?;
        if self.peek()? == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            match self.wave(&parse, &mut sink)? {
                Wave::Closed => return Ok(()),
                Wave::On => {}
                Wave::Single => {
                    if self.singly(&parse, &mut sink)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Where pieces do not help: records one after the other, the first with as much memory as it takes, until the
    /// buffer ends inside one. Whether the list is over.
    fn singly<P: Default + Send>(
        &mut self,
        parse: &(impl Fn(&mut Cursor<'_>, &mut P) -> Scan<()> + Sync),
        sink: &mut impl FnMut(P),
    ) -> Result<bool, Error> {
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

    /// Parses what lies ahead in pieces while the next bytes are read.
    fn wave<P: Default + Send>(
        &mut self,
        parse: &(impl Fn(&mut Cursor<'_>, &mut P) -> Scan<()> + Sync),
        sink: &mut impl FnMut(P),
    ) -> Result<Wave, Error> {
        let pieces_at_once = PIECES * rayon::current_num_threads().max(2);
        let wave = PIECE * pieces_at_once;
        self.top_up(wave)?;
        let data = &self.buffer[..];
        let cut = if self.finished { Some(data.len()) } else { last_boundary(data, self.at) };
        let Some(cut) = cut else { return Ok(Wave::Single) };
        let pieces = pieces(data, self.at, cut, pieces_at_once);
        let mut next = std::mem::take(&mut self.spare);
        next.clear();
        next.extend_from_slice(&data[cut..]);
        let missing = wave.saturating_sub(next.len());
        let (reader, finished) = (&mut self.reader, self.finished);
        let (read, parts) = rayon::join(
            || if finished { Ok(true) } else { read_on(reader, &mut next, missing) },
            || {
                pieces
                    .par_iter()
                    .map(|&(from, to)| piece(&data[..to], from, parse))
                    .collect::<Vec<(P, End)>>()
            },
        );
        let finished = read.map_err(|source| Error::Io { path: self.path.clone(), source })?;
        let mut stop = None;
        for (part, end) in parts {
            let end = match end {
                End::Bad(bad) => return Err(self.bad(&bad)),
                End::Comma => None,
                End::Closed(at) => Some((at, Wave::Closed)),
                End::Short(at) => Some((at, Wave::Single)),
            };
            sink(part);
            stop = end;
            if stop.is_some() {
                break;
            }
        }
        if stop.is_none() && self.finished {
            return Err(self.ends_early());
        }
        let (resume, outcome) = stop.unwrap_or((cut, Wave::On));
        if resume < cut {
            let mut rest = self.buffer[resume..cut].to_vec();
            rest.append(&mut next);
            next = rest;
        }
        self.base += resume as u64;
        self.spare = std::mem::replace(&mut self.buffer, next);
        self.at = 0;
        self.finished = finished;
        Ok(outcome)
    }

    /// The error for a byte of the buffer.
    fn bad(&self, bad: &Bad) -> Error {
        let (line, column) = self.locate(self.base + bad.at as u64);
        Error::NotJson { path: self.path.clone(), what: bad.what.clone(), line, column }
    }

    fn ends_early(&self) -> Error {
        let (line, column) = self.locate(u64::MAX);
        Error::EndsEarly { path: self.path.clone(), line, column }
    }

    /// Line and column of a byte, by reading the file once more; errors are rare.
    fn locate(&self, offset: u64) -> (u64, u64) {
        let (mut line, mut column) = (1, 1);
        let Ok(reader) = open(&self.path) else { return (line, column) };
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

/// What a wave says about the list.
enum Wave {
    On,
    Closed,
    Single,
}

/// Parses records from `from` to the end of `data`.
fn piece<P: Default>(
    data: &[u8],
    from: usize,
    parse: &impl Fn(&mut Cursor<'_>, &mut P) -> Scan<()>,
) -> (P, End) {
    let mut part = P::default();
    let mut cursor = Cursor::new(data, from);
    loop {
        if cursor.peek().is_none() {
            return (part, End::Comma);
        }
        let start = cursor.at;
        match parse(&mut cursor, &mut part) {
            Ok(()) => {}
            Err(Stop::Bad(bad)) => return (part, End::Bad(bad)),
            Err(_) => return (part, End::Short(start)),
        }
        match cursor.more(b']') {
            Ok(true) => {}
            Ok(false) => return (part, End::Closed(cursor.at)),
            Err(Stop::Bad(bad)) => return (part, End::Bad(bad)),
            Err(_) => return (part, End::Short(start)),
        }
    }
}

/// Cuts `data[from..to]` into pieces of about equal length.
fn pieces(data: &[u8], from: usize, to: usize, count: usize) -> Vec<(usize, usize)> {
    let length = (to - from) / count + 1;
    let mut cuts = vec![from];
    while let Some(&last) = cuts.last()
        && last + length < to
        && let Some(cut) = next_boundary(&data[..to], last + length)
    {
        cuts.push(cut);
    }
    let ends = cuts.iter().copied().skip(1).chain([to]);
    cuts.iter().copied().zip(ends).collect()
}

/// The first `{` from `from` on that stands behind `},`.
fn next_boundary(data: &[u8], from: usize) -> Option<usize> {
    (from..data.len()).find(|&at| is_boundary(data, from, at))
}

fn last_boundary(data: &[u8], from: usize) -> Option<usize> {
    (from..data.len()).rev().find(|&at| is_boundary(data, from, at))
}

fn is_boundary(data: &[u8], from: usize, at: usize) -> bool {
    if data[at] != b'{' {
        return false;
    }
    let mut before = data[from..at].iter().rev().filter(|byte| !byte.is_ascii_whitespace());
    before.next() == Some(&b',') && before.next() == Some(&b'}')
}

/// Appends up to `count` bytes; true at the end of the file, where a line break is added: so that every number ends.
fn read_on(reader: &mut (dyn Read + Send), buffer: &mut Vec<u8>, count: usize) -> std::io::Result<bool> {
    // One byte more for the line break; exactly, as a vector that grows by itself doubles.
    buffer.reserve_exact(count + 1);
    let read = reader.take(count as u64).read_to_end(buffer)?;
    let finished = read < count;
    if finished {
        buffer.push(b'\n');
    }
    Ok(finished)
}

fn open(path: &Path) -> std::io::Result<Box<dyn Read + Send>> {
    let mut file = File::open(path)?;
    let mut magic = Vec::new();
    (&mut file).take(2).read_to_end(&mut magic)?;
    let packed = magic == [0x1f, 0x8b];
    let whole = std::io::Cursor::new(magic).chain(file);
    Ok(if packed {
        Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, whole)))
    } else {
        Box::new(whole)
    })
}
