//! A long list parsed on all threads: blocks are read in turn, parsed at once and handed on in order.
//!
//! A block ends where `}, {` stands, which need not be between two records of the list. So a block counts only if
//! the one before it ended between two records; the first for which this does not hold is dropped together with all
//! behind it, and what they held is given back.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::scan::{Bad, Cursor, Scan, Stop};

/// What is parsed at once by one thread.
const BLOCK: usize = 128 << 10;

/// Blocks that may wait for one before them; then their threads wait too.
const WAITING: usize = 16;

/// Where the bytes come from, and those read but not yet in a block.
pub(super) struct Feed<'a> {
    pub(super) reader: &'a mut (dyn Read + Send),
    pub(super) ahead: Vec<u8>,
    /// Offset in the file of the first byte ahead.
    pub(super) base: u64,
    /// The reader is at its end.
    pub(super) finished: bool,
    pub(super) error: Option<std::io::Error>,
}

/// Why no more blocks were handed on.
pub(super) enum BlocksEnd {
    /// The list is over.
    Closed,
    /// The next record is longer than a block, or a block did not end between two records.
    Single,
    /// The bytes are over, the list is not.
    Ended,
    /// No JSON, at a place of what lies ahead now.
    Bad(Box<Bad>),
}

/// How the parsing of a block ended; all places are places in the block.
enum BlockEnd {
    /// Behind a comma, at the block's own end.
    Comma,
    /// Behind the list's closing bracket.
    Closed(usize),
    /// The record that begins here is not complete.
    Short(usize),
    Bad(Box<Bad>),
}

struct JsonBlock {
    bytes: Vec<u8>,
    base: u64,
}

/// Blocks still to be read.
struct BlockSource<'f, 'a> {
    feed: &'f mut Feed<'a>,
    next: usize,
    stopped: bool,
    /// Buffers to be filled again.
    spare: Vec<Vec<u8>>,
}

/// Parsed blocks on their way to the sink.
struct BlockQueue<P> {
    next: usize,
    waiting: BTreeMap<usize, (P, BlockEnd, JsonBlock)>,
    /// A thread is handing on.
    busy: bool,
    /// The first block that did not end behind a comma.
    stop: Option<(BlockEnd, JsonBlock)>,
}

/// Parses what lies ahead, up to the end of the list or to where blocks do not help. The feed holds what was not
/// used.
pub(super) fn run<P: Default + Send>(
    feed: &mut Feed<'_>,
    parse: &(impl Fn(&mut Cursor<'_>, &mut P) -> Scan<()> + Sync),
    sink: &mut (impl FnMut(P) + Send),
) -> BlocksEnd {
    let source = Mutex::new(BlockSource { feed, next: 0, stopped: false, spare: Vec::new() });
    let line = Mutex::new(BlockQueue { next: 0, waiting: BTreeMap::new(), busy: false, stop: None });
    let sink = Mutex::new(sink);
    rayon::scope(|scope| {
        for _ in 0..rayon::current_num_threads() {
            scope.spawn(|_| work(&source, &line, &sink, parse));
        }
    });
    let source = source.into_inner().unwrap_or_else(PoisonError::into_inner);
    let line = line.into_inner().unwrap_or_else(PoisonError::into_inner);
    give_back(source.feed, line)
}

/// One thread's part: read a block, parse it, hand on whatever is next.
fn work<P: Default + Send>(
    source: &Mutex<BlockSource<'_, '_>>,
    line: &Mutex<BlockQueue<P>>,
    sink: &Mutex<&mut (impl FnMut(P) + Send)>,
    parse: &(impl Fn(&mut Cursor<'_>, &mut P) -> Scan<()> + Sync),
) {
    loop {
        let Some((number, block)) = lock(source).block() else { return };
        let (part, end) = read(&block.bytes, parse);
        let crowded = {
            let mut line = lock(line);
            line.waiting.insert(number, (part, end, block));
            line.waiting.len() > WAITING
        };
        hand_on(source, line, sink);
        if crowded {
            // Whoever holds the sink is behind.
            drop(lock(sink));
        }
    }
}

/// Hands parts to the sink in order while there are any, unless another thread does.
fn hand_on<P>(
    source: &Mutex<BlockSource<'_, '_>>,
    line: &Mutex<BlockQueue<P>>,
    sink: &Mutex<&mut (impl FnMut(P) + Send)>,
) {
    let mut busy = false;
    loop {
        let (part, block) = {
            let mut line = lock(line);
            if line.stop.is_some() || (line.busy && !busy) {
                return;
            }
            let next = line.next;
            let Some((part, end, block)) = line.waiting.remove(&next) else {
                line.busy = false;
                return;
            };
            (line.busy, busy) = (true, true);
            line.next += 1;
            match end {
                BlockEnd::Comma => (part, Some(block)),
                end => {
                    line.stop = Some((end, block));
                    (part, None)
                }
            }
        };
        if block.is_none() {
            lock(source).stopped = true;
        }
        (lock(sink))(part);
        lock(source).spare.extend(block.map(|block| block.bytes));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts what was read and not used back in front.
fn give_back<P>(feed: &mut Feed<'_>, line: BlockQueue<P>) -> BlocksEnd {
    let Some((end, block)) = line.stop else {
        return if feed.finished && feed.ahead.is_empty() { BlocksEnd::Ended } else { BlocksEnd::Single };
    };
    let from = match end {
        BlockEnd::Closed(at) | BlockEnd::Short(at) => at,
        BlockEnd::Comma | BlockEnd::Bad(_) => 0,
    };
    feed.base = block.base + from as u64;
    let mut bytes = block.bytes;
    bytes.drain(..from);
    for (_, _, later) in line.waiting.into_values() {
        bytes.extend_from_slice(&later.bytes);
    }
    bytes.append(&mut feed.ahead);
    feed.ahead = bytes;
    match end {
        BlockEnd::Closed(_) => BlocksEnd::Closed,
        BlockEnd::Bad(bad) => BlocksEnd::Bad(bad),
        BlockEnd::Comma | BlockEnd::Short(_) => BlocksEnd::Single,
    }
}

impl BlockSource<'_, '_> {
    /// The next block and its number; `None` where there is none or blocks do not help.
    fn block(&mut self) -> Option<(usize, JsonBlock)> {
        if self.stopped {
            return None;
        }
        let feed = &mut *self.feed;
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.clear();
        bytes.append(&mut feed.ahead);
        if !feed.finished && bytes.len() < BLOCK {
            let missing = BLOCK - bytes.len();
            match read_on(feed.reader, &mut bytes, missing) {
                Ok(finished) => feed.finished = finished,
                Err(error) => feed.error = Some(error),
            }
        }
        let cut = match (&feed.error, feed.finished) {
            (Some(_), _) => 0,
            (None, true) => bytes.len(),
            (None, false) => last_boundary(&bytes).unwrap_or(0),
        };
        self.stopped = feed.finished || cut == 0;
        feed.ahead.extend_from_slice(&bytes[cut..]);
        if cut == 0 {
            return None;
        }
        bytes.truncate(cut);
        let block = JsonBlock { bytes, base: feed.base };
        feed.base += cut as u64;
        self.next += 1;
        Some((self.next - 1, block))
    }
}

/// Parses the records of a block.
fn read<P: Default>(data: &[u8], parse: &impl Fn(&mut Cursor<'_>, &mut P) -> Scan<()>) -> (P, BlockEnd) {
    let mut part = P::default();
    let mut cursor = Cursor::new(data, 0);
    loop {
        if cursor.peek().is_none() {
            return (part, BlockEnd::Comma);
        }
        let start = cursor.at;
        match parse(&mut cursor, &mut part) {
            Ok(()) => {}
            Err(Stop::Bad(bad)) => return (part, BlockEnd::Bad(bad)),
            Err(_) => return (part, BlockEnd::Short(start)),
        }
        match cursor.more(b']') {
            Ok(true) => {}
            Ok(false) => return (part, BlockEnd::Closed(cursor.at)),
            Err(Stop::Bad(bad)) => return (part, BlockEnd::Bad(bad)),
            Err(_) => return (part, BlockEnd::Short(start)),
        }
    }
}

/// The last `{` that stands behind `},`.
fn last_boundary(data: &[u8]) -> Option<usize> {
    (0..data.len()).rev().find(|&at| is_boundary(data, at))
}

fn is_boundary(data: &[u8], at: usize) -> bool {
    if data[at] != b'{' {
        return false;
    }
    let mut before = data[..at].iter().rev().filter(|byte| !byte.is_ascii_whitespace());
    before.next() == Some(&b',') && before.next() == Some(&b'}')
}

/// Appends up to `count` bytes; true at the end of the file, where a line break is added: so that every number ends.
pub(super) fn read_on(
    reader: &mut (dyn Read + Send),
    buffer: &mut Vec<u8>,
    count: usize,
) -> std::io::Result<bool> {
    // One byte more for the line break; exactly, as a vector that grows by itself doubles.
    buffer.reserve_exact(count + 1);
    let read = reader.take(count as u64).read_to_end(buffer)?;
    let finished = read < count;
    if finished {
        buffer.push(b'\n');
    }
    Ok(finished)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::error::ReadError;
    use super::super::stream::JsonStream;
    use super::super::value::JsonValue;
    use super::*;

    /// The lengths of a list's records, in order, as read with some threads.
    fn lengths(name: &str, text: &str, threads: usize) -> Result<Vec<usize>, ReadError> {
        let path: PathBuf =
            std::env::temp_dir().join(format!("rcnn-blocks-{name}-{}.json", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let found = pool.install(|| {
            let mut all = Vec::new();
            let mut stream = JsonStream::open(&path)?;
            stream.list(
                |cursor, part: &mut Vec<usize>| {
                    cursor.next_byte()?;
                    let start = cursor.at;
                    JsonValue::read(cursor)?;
                    part.push(cursor.at - start);
                    Ok(())
                },
                |part| all.extend(part),
            )?;
            stream.end()?;
            Ok(all)
        });
        std::fs::remove_file(&path).unwrap();
        found
    }

    /// Records whose strings and lists look like the ends of records, some longer than a block.
    fn misleading() -> Vec<String> {
        let record = |k: usize| {
            let long = if k % 97 == 5 { BLOCK + k } else { k % 50 };
            format!("{{\"a\":\"}}, {{}}, {{{}\",\"b\":[{{}},{{\"c\":{k}}}, {{}}]}}", "x, ".repeat(long / 3))
        };
        (0..400).map(record).collect()
    }

    #[test]
    fn records_come_in_order_whatever_they_hold() {
        let records = misleading();
        let wanted: Vec<usize> = records.iter().map(String::len).collect();
        let text = format!("[{}]", records.join(",\n"));
        for threads in [1, 2, 5] {
            assert_eq!(lengths("order", &text, threads).unwrap(), wanted);
        }
    }

    #[test]
    fn the_first_wrong_byte_is_found_however_blocks_fall() {
        let mut records = misleading();
        records[300] = "{\"a\" 1}".into();
        let text = format!("[\n{}\n]", records.join(",\n"));
        for threads in [1, 4] {
            let error = lengths("wrong", &text, threads).unwrap_err();
            let ReadError::NotJson { line, column, .. } = error else { panic!("{error:?}") };
            assert_eq!((line, column), (302, 6));
        }
        let cut = &text[..text.find("\"a\" 1").unwrap()];
        assert!(matches!(lengths("cut", cut, 3), Err(ReadError::EndsEarly { line: 302, .. })));
    }
}
