//! The interpreter: one opcode after another, every number from the file checked.

use std::collections::HashMap;
use std::ops::Range;

use super::text::{raw_unicode, unquoted};
use super::{Global, PickleValue, Pickled, ValueId};
use crate::checkpoint::error::{CheckpointError, EscapedText};

/// Most values, memo entries and open marks; checkpoints have a few hundred thousand at most.
const MOST: usize = 1 << 22;

/// Longest name of a module or class.
const LONGEST_NAME: usize = 512;

/// What is said of longer ones.
const TOO_LONG: &str = "the name of a global is longer than any real one";

/// Values that every pickle has: they are shared, so that a byte of a file never costs more than a few of ours.
const NONE: ValueId = 0;
const FALSE: ValueId = 1;
const TRUE: ValueId = 2;
pub(super) const EMPTY: ValueId = 3;

/// Interprets the pickle that begins at `place.start` of a file and ends before `place.end`.
pub(in crate::checkpoint) fn read(file: &[u8], place: Range<usize>) -> Result<Pickled<'_>, CheckpointError> {
    let bytes = &file[..place.end.min(file.len())];
    let mut machine = PickleMachine {
        bytes,
        at: place.start,
        values: vec![
            PickleValue::None,
            PickleValue::Bool(false),
            PickleValue::Bool(true),
            PickleValue::Tuple(Vec::new()),
        ],
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        opaque: Vec::new(),
        decoded: Vec::new(),
        base: file.len(),
        copies: bytes.len().saturating_mul(4).saturating_add(1 << 16),
    };
    let root = machine.run()?;
    let PickleMachine { values, at, opaque, decoded, .. } = machine;
    Ok(Pickled { file, length: bytes.len(), decoded, values, root, end: at, opaque })
}

pub(super) struct PickleMachine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<PickleValue>,
    stack: Vec<ValueId>,
    marks: Vec<usize>,
    memo: HashMap<u64, ValueId>,
    pub(super) opaque: Vec<String>,
    /// What texts became bytes.
    decoded: Vec<u8>,
    /// Where the addresses of what was decoded begin: behind the file.
    base: usize,
    /// Items and bytes of names that may still be copied: what is named by the memo a thousand times must not be
    /// copied so.
    copies: usize,
}

impl<'a> PickleMachine<'a> {
    fn run(&mut self) -> Result<ValueId, CheckpointError> {
        loop {
            let opcode = self.byte()?;
            if opcode == b'.' {
                return self.pop();
            }
            self.step(opcode)?;
        }
    }

    fn step(&mut self, opcode: u8) -> Result<(), CheckpointError> {
        match opcode {
            0x80 => self.protocol(),
            0x95 => self.take(8).map(|_| ()),
            b'(' if self.marks.len() < MOST => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'(' => Err(too_many("marks")),
            b'0' => self.pop().map(|_| ()),
            b'1' => self.pop_mark().map(|_| ()),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
                Ok(())
            }
            b'N' => self.share(NONE),
            0x88 => self.share(TRUE),
            0x89 => self.share(FALSE),
            b')' => self.share(EMPTY),
            b'I' | b'L' | b'F' | b'J' | b'K' | b'M' | b'G' | 0x8a | 0x8b => self.number(opcode),
            b'S' | b'V' | b'T' | b'U' | b'X' | 0x8c | 0x8d | b'B' | b'C' | 0x8e | 0x96 => self.string(opcode),
            b']' | b'}' | 0x8f | b'l' | b'd' | b't' | 0x85 | 0x86 | 0x87 | 0x91 => self.container(opcode),
            b'a' | b'e' | 0x90 => self.append(opcode != b'a'),
            b's' | b'u' => self.set_items(opcode == b'u'),
            b'g' | b'h' | b'j' => self.fetch(opcode),
            b'p' | b'q' | b'r' | 0x94 => self.store(opcode),
            b'c' | 0x93 => self.global(opcode),
            b'R' | 0x81 | 0x92 | b'i' | b'o' => self.call(opcode),
            b'b' => self.build(),
            b'P' | b'Q' => self.persistent(opcode),
            other => Err(self.damaged(format!("the opcode {other:#04x} is unknown"))),
        }
    }

    fn protocol(&mut self) -> Result<(), CheckpointError> {
        match self.byte()? {
            0..=5 => Ok(()),
            other => Err(self.damaged(format!("the protocol {other} is unknown"))),
        }
    }

    fn number(&mut self, opcode: u8) -> Result<(), CheckpointError> {
        let value = match opcode {
            b'I' | b'L' => {
                let line = self.line()?;
                match line.trim_end_matches('L') {
                    "00" => PickleValue::Bool(false),
                    "01" => PickleValue::Bool(true),
                    digits => match digits.parse() {
                        Ok(number) => PickleValue::Int(number),
                        Err(_) if is_integer(digits) => PickleValue::Long,
                        Err(_) => return Err(self.damaged("a number is not one")),
                    },
                }
            }
            b'F' => {
                PickleValue::Float(self.line()?.parse().map_err(|_| self.damaged("a number is not one"))?)
            }
            b'J' => PickleValue::Int(i64::from(i32::from_le_bytes(self.array()?))),
            b'K' => PickleValue::Int(i64::from(self.byte()?)),
            b'M' => PickleValue::Int(i64::from(u16::from_le_bytes(self.array()?))),
            b'G' => PickleValue::Float(f64::from_be_bytes(self.array()?)),
            0x8a => {
                let length = usize::from(self.byte()?);
                long(self.take(length)?)
            }
            _ => {
                let length = u64::from(u32::from_le_bytes(self.array()?));
                long(self.take(length)?)
            }
        };
        self.push(value)
    }

    fn string(&mut self, opcode: u8) -> Result<(), CheckpointError> {
        if opcode == b'V' {
            let text = raw_unicode(self.raw_line()?);
            return self.push(PickleValue::Str(text));
        }
        if opcode == b'S' {
            // Python 2's str, as its source would have it: text to some and bytes to others.
            let bytes = unquoted(self.raw_line()?).ok_or_else(|| self.damaged("a text has no quotes"))?;
            return self.decoded(&bytes);
        }
        let length = match opcode {
            b'U' | b'C' | 0x8c => u64::from(self.byte()?),
            b'T' | b'X' | b'B' => u64::from(u32::from_le_bytes(self.array()?)),
            _ => u64::from_le_bytes(self.array()?),
        };
        let bytes = self.take(length)?;
        let value = match opcode {
            // Python 2's str is text to some and bytes to others: it stays bytes, and is read as needed.
            b'T' | b'U' | b'B' | b'C' | 0x8e | 0x96 => PickleValue::Bytes(self.at - bytes.len()..self.at),
            _ => match std::str::from_utf8(bytes) {
                Ok(text) => PickleValue::Str(text.to_owned()),
                // Python writes lone surrogates; no name of ours has one.
                Err(_) => PickleValue::Str(String::from_utf8_lossy(bytes).into_owned()),
            },
        };
        self.push(value)
    }

    fn container(&mut self, opcode: u8) -> Result<(), CheckpointError> {
        let value = match opcode {
            b']' | 0x8f => PickleValue::List(Vec::new()),
            b'}' => PickleValue::Dict(Vec::new()),
            b'l' | 0x91 => PickleValue::List(self.pop_mark()?),
            b't' => PickleValue::Tuple(self.pop_mark()?),
            b'd' => PickleValue::Dict(pairs(&self.pop_mark()?)),
            _ => {
                let count = usize::from(opcode - 0x84);
                let from = self.stack.len().checked_sub(count).filter(|&from| from >= self.floor());
                let from = from.ok_or_else(|| self.damaged("the stack is empty"))?;
                PickleValue::Tuple(self.stack.split_off(from))
            }
        };
        self.push(value)
    }

    fn append(&mut self, many: bool) -> Result<(), CheckpointError> {
        let items = if many { self.pop_mark()? } else { vec![self.pop()?] };
        let target = self.top()?;
        match self.values.get_mut(target as usize) {
            Some(PickleValue::List(list)) => list.extend(items),
            // A deque or a set behind a call: what it holds is of no interest.
            Some(PickleValue::Opaque(_)) => {}
            _ => return Err(self.damaged("something is appended to what is no list")),
        }
        Ok(())
    }

    fn set_items(&mut self, many: bool) -> Result<(), CheckpointError> {
        let items = if many {
            self.pop_mark()?
        } else {
            let value = self.pop()?;
            vec![self.pop()?, value]
        };
        let target = self.top()?;
        match self.values.get_mut(target as usize) {
            Some(PickleValue::Dict(dict)) => dict.extend(pairs(&items)),
            Some(PickleValue::Opaque(_)) => {}
            _ => return Err(self.damaged("a key is set on what is no dict")),
        }
        Ok(())
    }

    fn fetch(&mut self, opcode: u8) -> Result<(), CheckpointError> {
        let key = match opcode {
            b'g' => self.line()?.parse().map_err(|_| self.damaged("a memo key is no number"))?,
            b'h' => u64::from(self.byte()?),
            _ => u64::from(u32::from_le_bytes(self.array()?)),
        };
        let id = self
            .memo
            .get(&key)
            .copied()
            .ok_or_else(|| self.damaged(format!("nothing was stored as {key}")))?;
        self.stack.push(id);
        Ok(())
    }

    fn store(&mut self, opcode: u8) -> Result<(), CheckpointError> {
        if self.memo.len() >= MOST {
            return Err(too_many("stored values"));
        }
        let key = match opcode {
            b'p' => self.line()?.parse().map_err(|_| self.damaged("a memo key is no number"))?,
            b'q' => u64::from(self.byte()?),
            b'r' => u64::from(u32::from_le_bytes(self.array()?)),
            _ => self.memo.len() as u64,
        };
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn global(&mut self, opcode: u8) -> Result<(), CheckpointError> {
        let (module, name) = if opcode == b'c' {
            (self.line()?, self.line()?)
        } else {
            let (name, module) = (self.pop()?, self.pop()?);
            match (self.value(module), self.value(name)) {
                (PickleValue::Str(module), PickleValue::Str(name))
                    if module.len().max(name.len()) > LONGEST_NAME =>
                {
                    return Err(self.damaged(TOO_LONG));
                }
                (PickleValue::Str(module), PickleValue::Str(name)) => (module.clone(), name.clone()),
                _ => return Err(self.damaged("a global is not named by text")),
            }
        };
        if module.len().max(name.len()) > LONGEST_NAME {
            return Err(self.damaged(TOO_LONG));
        }
        // Its texts may stand in the memo.
        self.copy(module.len() + name.len())?;
        self.push(PickleValue::Global(Box::new(Global { module, name })))
    }

    fn build(&mut self) -> Result<(), CheckpointError> {
        let new = self.pop()?;
        let target = self.top()?;
        match self.values.get_mut(target as usize) {
            Some(PickleValue::Call(call)) => call.state = Some(new),
            // The attributes of an OrderedDict (`_metadata`) and of records: of no interest.
            Some(PickleValue::Dict(_) | PickleValue::Opaque(_)) => {}
            Some(PickleValue::Global(global)) => return Err(refused(&global.module, &global.name)),
            _ => return Err(self.damaged("state is given to what can have none")),
        }
        Ok(())
    }

    fn persistent(&mut self, opcode: u8) -> Result<(), CheckpointError> {
        let id = if opcode == b'P' {
            let line = self.line()?;
            self.push(PickleValue::Str(line))?;
            self.pop()?
        } else {
            self.pop()?
        };
        self.push(PickleValue::Persistent(id))
    }

    pub(super) fn tuple(&mut self, id: ValueId) -> Result<Vec<ValueId>, CheckpointError> {
        let items = match self.value(id) {
            PickleValue::Tuple(items) => items.clone(),
            _ => return Err(self.damaged("arguments are no tuple")),
        };
        self.copy(items.len())?;
        Ok(items)
    }

    /// Charges a copy of that many items.
    pub(super) fn copy(&mut self, items: usize) -> Result<(), CheckpointError> {
        self.copies = self.copies.checked_sub(items).ok_or_else(|| too_many("copies of its lists"))?;
        Ok(())
    }

    pub(super) fn value(&self, id: ValueId) -> &PickleValue {
        self.values.get(id as usize).unwrap_or(&PickleValue::None)
    }

    /// What a list or tuple holds; nothing of anything else.
    pub(super) fn items(&self, id: ValueId) -> &[ValueId] {
        match self.value(id) {
            PickleValue::List(items) | PickleValue::Tuple(items) => items,
            _ => &[],
        }
    }

    pub(super) fn share(&mut self, id: ValueId) -> Result<(), CheckpointError> {
        self.stack.push(id);
        Ok(())
    }

    pub(super) fn push(&mut self, value: PickleValue) -> Result<(), CheckpointError> {
        if self.values.len() >= MOST {
            return Err(too_many("values"));
        }
        // MOST is below 2^32.
        let id = self.values.len() as ValueId;
        self.values.push(value);
        self.stack.push(id);
        Ok(())
    }

    /// Nothing below the last mark can be reached.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<ValueId, CheckpointError> {
        let top = self.stack.last().filter(|_| self.stack.len() > self.floor()).copied();
        top.ok_or_else(|| self.damaged("the stack is empty"))
    }

    pub(super) fn pop(&mut self) -> Result<ValueId, CheckpointError> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    pub(super) fn pop_mark(&mut self) -> Result<Vec<ValueId>, CheckpointError> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len());
        let mark = mark.ok_or_else(|| self.damaged("there is no mark"))?;
        Ok(self.stack.split_off(mark))
    }

    fn byte(&mut self) -> Result<u8, CheckpointError> {
        Ok(self.array::<1>()?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CheckpointError> {
        let found = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>());
        let found = found.ok_or_else(|| CheckpointError::Truncated("the pickle has no end".into()))?;
        self.at += N;
        Ok(*found)
    }

    fn take(&mut self, length: impl TryInto<usize>) -> Result<&'a [u8], CheckpointError> {
        let end = length.try_into().ok().and_then(|length| self.at.checked_add(length));
        let found = end.and_then(|end| self.bytes.get(self.at..end));
        let found =
            found.ok_or_else(|| CheckpointError::Truncated("the pickle ends inside a value".into()))?;
        self.at += found.len();
        Ok(found)
    }

    /// A line of protocol 0, without its end.
    fn raw_line(&mut self) -> Result<&'a [u8], CheckpointError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = memchr::memchr(b'\n', rest);
        let end = end.ok_or_else(|| CheckpointError::Truncated("the pickle ends inside a line".into()))?;
        self.at += end + 1;
        Ok(&rest[..end])
    }

    /// A line that names something.
    pub(super) fn line(&mut self) -> Result<String, CheckpointError> {
        let line = std::str::from_utf8(self.raw_line()?);
        Ok(line.map_err(|_| self.damaged("a line is not UTF-8"))?.to_owned())
    }

    /// Bytes that do not stand in the file as such.
    pub(super) fn decoded(&mut self, bytes: &[u8]) -> Result<(), CheckpointError> {
        let start = self.base + self.decoded.len();
        self.decoded.extend_from_slice(bytes);
        self.push(PickleValue::Bytes(start..start + bytes.len()))
    }

    pub(super) fn damaged(&self, what: impl Into<String>) -> CheckpointError {
        CheckpointError::BadPickle { at: self.at, what: what.into() }
    }
}

fn too_many(what: &str) -> CheckpointError {
    CheckpointError::ResourceLimit(format!("the pickle makes more {what} than any checkpoint has"))
}

pub(super) fn refused(module: &str, name: &str) -> CheckpointError {
    CheckpointError::UnsafeGlobal { module: EscapedText::new(module), name: EscapedText::new(name) }
}

fn is_integer(digits: &str) -> bool {
    let digits = digits.strip_prefix('-').unwrap_or(digits);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn pairs(items: &[ValueId]) -> Vec<(ValueId, ValueId)> {
    items.as_chunks::<2>().0.iter().map(|&[key, value]| (key, value)).collect()
}

/// A little-endian integer of any length.
pub(super) fn long(bytes: &[u8]) -> PickleValue {
    if bytes.len() > 8 {
        return PickleValue::Long;
    }
    let fill = if bytes.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
    let mut all = [fill; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    PickleValue::Int(i64::from_le_bytes(all))
}
