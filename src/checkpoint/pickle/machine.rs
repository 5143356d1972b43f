//! The interpreter: one opcode after another, every number from the file checked.

use std::collections::HashMap;

use super::allowed::{Callable, callable, may_be_noted};
use super::{Call, Global, Id, Pickled, Value};
use crate::checkpoint::error::{Error, Shown};

/// Most values, memo entries and open marks; checkpoints have a few hundred thousand at most.
const MOST: usize = 1 << 22;

/// Longest name of a module or class.
const LONGEST_NAME: usize = 512;

/// What is said of longer ones.
const TOO_LONG: &str = "the name of a global is longer than any real one";

/// Most classes that are told by name.
const MOST_NOTED: usize = 64;

/// Values that every pickle has: they are shared, so that a byte of a file never costs more than a few of ours.
const NONE: Id = 0;
const FALSE: Id = 1;
const TRUE: Id = 2;
const EMPTY: Id = 3;

/// Interprets the pickle that begins at byte `start` of a file.
pub(in crate::checkpoint) fn read(file: &[u8], start: usize) -> Result<Pickled<'_>, Error> {
    let mut machine = Machine {
        bytes: file,
        at: start,
        values: vec![Value::None, Value::Bool(false), Value::Bool(true), Value::Tuple(Vec::new())],
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        opaque: Vec::new(),
        copies: file.len().saturating_mul(4).saturating_add(1 << 16),
    };
    let root = machine.run()?;
    Ok(Pickled { file, values: machine.values, root, end: machine.at, opaque: machine.opaque })
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
    opaque: Vec<String>,
    /// Items and bytes of names that may still be copied: what is named by the memo a thousand times must not be
    /// copied so.
    copies: usize,
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Result<Id, Error> {
        loop {
            let opcode = self.byte()?;
            if opcode == b'.' {
                return self.pop();
            }
            self.step(opcode)?;
        }
    }

    fn step(&mut self, opcode: u8) -> Result<(), Error> {
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

    fn protocol(&mut self) -> Result<(), Error> {
        match self.byte()? {
            0..=5 => Ok(()),
            other => Err(self.damaged(format!("the protocol {other} is unknown"))),
        }
    }

    fn number(&mut self, opcode: u8) -> Result<(), Error> {
        let value = match opcode {
            b'I' | b'L' => {
                let line = self.line()?;
                match line.trim_end_matches('L') {
                    "00" => Value::Bool(false),
                    "01" => Value::Bool(true),
                    digits => {
                        let number = digits.parse().map_err(|_| self.damaged("a number is not one"))?;
                        Value::Int(number)
                    }
                }
            }
            b'F' => Value::Float(self.line()?.parse().map_err(|_| self.damaged("a number is not one"))?),
            b'J' => Value::Int(i64::from(i32::from_le_bytes(self.array()?))),
            b'K' => Value::Int(i64::from(self.byte()?)),
            b'M' => Value::Int(i64::from(u16::from_le_bytes(self.array()?))),
            b'G' => Value::Float(f64::from_be_bytes(self.array()?)),
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

    fn string(&mut self, opcode: u8) -> Result<(), Error> {
        if matches!(opcode, b'S' | b'V') {
            let line = self.line()?;
            let quoted = line.trim_matches(|c| c == '\'' || c == '"').to_owned();
            return self.push(Value::Str(if opcode == b'S' { quoted } else { line }));
        }
        let length = match opcode {
            b'U' | b'C' | 0x8c => u64::from(self.byte()?),
            b'T' | b'X' | b'B' => u64::from(u32::from_le_bytes(self.array()?)),
            _ => u64::from_le_bytes(self.array()?),
        };
        let bytes = self.take(length)?;
        let value = match opcode {
            // Python 2's str is text to some and bytes to others: it stays bytes, and is read as needed.
            b'T' | b'U' | b'B' | b'C' | 0x8e | 0x96 => Value::Bytes(self.at - bytes.len()..self.at),
            _ => match std::str::from_utf8(bytes) {
                Ok(text) => Value::Str(text.to_owned()),
                // Python writes lone surrogates; no name of ours has one.
                Err(_) => Value::Str(String::from_utf8_lossy(bytes).into_owned()),
            },
        };
        self.push(value)
    }

    fn container(&mut self, opcode: u8) -> Result<(), Error> {
        let value = match opcode {
            b']' | 0x8f => Value::List(Vec::new()),
            b'}' => Value::Dict(Vec::new()),
            b'l' | 0x91 => Value::List(self.pop_mark()?),
            b't' => Value::Tuple(self.pop_mark()?),
            b'd' => Value::Dict(pairs(&self.pop_mark()?)),
            _ => {
                let count = usize::from(opcode - 0x84);
                let from = self.stack.len().checked_sub(count).filter(|&from| from >= self.floor());
                let from = from.ok_or_else(|| self.damaged("the stack is empty"))?;
                Value::Tuple(self.stack.split_off(from))
            }
        };
        self.push(value)
    }

    fn append(&mut self, many: bool) -> Result<(), Error> {
        let items = if many { self.pop_mark()? } else { vec![self.pop()?] };
        let target = self.top()?;
        match self.values.get_mut(target as usize) {
            Some(Value::List(list)) => list.extend(items),
            // A deque or a set behind a call: what it holds is of no interest.
            Some(Value::Opaque) => {}
            _ => return Err(self.damaged("something is appended to what is no list")),
        }
        Ok(())
    }

    fn set_items(&mut self, many: bool) -> Result<(), Error> {
        let items = if many {
            self.pop_mark()?
        } else {
            let value = self.pop()?;
            vec![self.pop()?, value]
        };
        let target = self.top()?;
        match self.values.get_mut(target as usize) {
            Some(Value::Dict(dict)) => dict.extend(pairs(&items)),
            Some(Value::Opaque) => {}
            _ => return Err(self.damaged("a key is set on what is no dict")),
        }
        Ok(())
    }

    fn fetch(&mut self, opcode: u8) -> Result<(), Error> {
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

    fn store(&mut self, opcode: u8) -> Result<(), Error> {
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

    fn global(&mut self, opcode: u8) -> Result<(), Error> {
        let (module, name) = if opcode == b'c' {
            (self.line()?, self.line()?)
        } else {
            let (name, module) = (self.pop()?, self.pop()?);
            match (self.value(module), self.value(name)) {
                (Value::Str(module), Value::Str(name)) if module.len().max(name.len()) > LONGEST_NAME => {
                    return Err(self.damaged(TOO_LONG));
                }
                (Value::Str(module), Value::Str(name)) => (module.clone(), name.clone()),
                _ => return Err(self.damaged("a global is not named by text")),
            }
        };
        if module.len().max(name.len()) > LONGEST_NAME {
            return Err(self.damaged(TOO_LONG));
        }
        // Its texts may stand in the memo.
        self.copy(module.len() + name.len())?;
        self.push(Value::Global(Box::new(Global { module, name })))
    }

    /// REDUCE, NEWOBJ, NEWOBJ_EX, INST and OBJ: notes what would be called, or refuses.
    fn call(&mut self, opcode: u8) -> Result<(), Error> {
        if opcode == b'i' {
            let (module, name) = (self.line()?, self.line()?);
            self.pop_mark()?;
            return Err(refused(&module, &name));
        }
        let (function, args) = match opcode {
            b'o' => {
                let mut items = self.pop_mark()?;
                if items.is_empty() {
                    return Err(self.damaged("an object has no class"));
                }
                (items.remove(0), items)
            }
            0x92 => {
                let (_keywords, args) = (self.pop()?, self.pop()?);
                (self.pop()?, self.tuple(args)?)
            }
            _ => {
                let args = self.pop()?;
                (self.pop()?, self.tuple(args)?)
            }
        };
        let Global { module, name } = self.name_of(function)?;
        match callable(&module, &name) {
            Some(Callable::Data) => {
                let class = self.class_of(&module, &name, &args)?;
                self.note(class)
            }
            Some(Callable::Attribute) => {
                let class = self.class_argument(&args)?;
                self.note(class)
            }
            Some(Callable::Dict) => self.dict(&args),
            Some(what) => self.push(Value::Call(Box::new(Call { what, args, state: None }))),
            // Only NEWOBJ makes an object without running its class's code.
            None if matches!(opcode, 0x81 | 0x92) && may_be_noted(&module) => {
                self.note(format!("{module}.{name}"))
            }
            None => Err(refused(&module, &name)),
        }
    }

    /// What is called. In files from before 2019 a network's class stands behind a persistent id, ('module', class, …).
    fn name_of(&self, function: Id) -> Result<Global, Error> {
        let named = match self.value(function) {
            Value::Persistent(id) => match self.value(*id) {
                Value::Tuple(items) => items.get(1).map(|&class| self.value(class)),
                _ => None,
            },
            direct => Some(direct),
        };
        match named {
            Some(Value::Global(global)) => Ok((**global).clone()),
            _ => Err(self.damaged("something is called that has no name")),
        }
    }

    /// `copyreg._reconstructor(class, base, state)` makes an object of `class`.
    fn class_of(&self, module: &str, name: &str, args: &[Id]) -> Result<String, Error> {
        if name == "_reconstructor" { self.class_argument(args) } else { Ok(format!("{module}.{name}")) }
    }

    /// The class that a call's first argument names, if its objects may stand in a file.
    fn class_argument(&self, args: &[Id]) -> Result<String, Error> {
        match args.first().map(|&class| self.value(class)) {
            Some(Value::Global(global)) if may_be_noted(&global.module) => {
                Ok(format!("{}.{}", global.module, global.name))
            }
            Some(Value::Global(global)) => Err(refused(&global.module, &global.name)),
            _ => Err(self.damaged("an object has no class")),
        }
    }

    /// A dict, empty or from a list of pairs.
    fn dict(&mut self, args: &[Id]) -> Result<(), Error> {
        let is_list = |arg: &Id| matches!(self.value(*arg), Value::List(_));
        let list = args.iter().copied().find(is_list).unwrap_or(EMPTY);
        // Charged before it is walked, as what is no pair takes its time too.
        self.copy(self.items(list).len())?;
        let pair = |&id: &Id| match self.items(id) {
            &[key, value] => Some((key, value)),
            _ => None,
        };
        let entries = self.items(list).iter().filter_map(pair).collect();
        self.push(Value::Dict(entries))
    }

    fn note(&mut self, class: String) -> Result<(), Error> {
        if self.opaque.len() < MOST_NOTED && !self.opaque.contains(&class) {
            self.opaque.push(class);
        }
        self.push(Value::Opaque)
    }

    fn build(&mut self) -> Result<(), Error> {
        let new = self.pop()?;
        let target = self.top()?;
        match self.values.get_mut(target as usize) {
            Some(Value::Call(call)) => call.state = Some(new),
            // The attributes of an OrderedDict (`_metadata`) and of records: of no interest.
            Some(Value::Dict(_) | Value::Opaque) => {}
            Some(Value::Global(global)) => return Err(refused(&global.module, &global.name)),
            _ => return Err(self.damaged("state is given to what can have none")),
        }
        Ok(())
    }

    fn persistent(&mut self, opcode: u8) -> Result<(), Error> {
        let id = if opcode == b'P' {
            let line = self.line()?;
            self.push(Value::Str(line))?;
            self.pop()?
        } else {
            self.pop()?
        };
        self.push(Value::Persistent(id))
    }

    fn tuple(&mut self, id: Id) -> Result<Vec<Id>, Error> {
        let items = match self.value(id) {
            Value::Tuple(items) => items.clone(),
            _ => return Err(self.damaged("arguments are no tuple")),
        };
        self.copy(items.len())?;
        Ok(items)
    }

    /// Charges a copy of that many items.
    fn copy(&mut self, items: usize) -> Result<(), Error> {
        self.copies = self.copies.checked_sub(items).ok_or_else(|| too_many("copies of its lists"))?;
        Ok(())
    }

    fn value(&self, id: Id) -> &Value {
        self.values.get(id as usize).unwrap_or(&Value::None)
    }

    /// What a list or tuple holds; nothing of anything else.
    fn items(&self, id: Id) -> &[Id] {
        match self.value(id) {
            Value::List(items) | Value::Tuple(items) => items,
            _ => &[],
        }
    }

    fn share(&mut self, id: Id) -> Result<(), Error> {
        self.stack.push(id);
        Ok(())
    }

    fn push(&mut self, value: Value) -> Result<(), Error> {
        if self.values.len() >= MOST {
            return Err(too_many("values"));
        }
        // MOST is below 2^32.
        let id = self.values.len() as Id;
        self.values.push(value);
        self.stack.push(id);
        Ok(())
    }

    /// Nothing below the last mark can be reached.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Id, Error> {
        let top = self.stack.last().filter(|_| self.stack.len() > self.floor()).copied();
        top.ok_or_else(|| self.damaged("the stack is empty"))
    }

    fn pop(&mut self) -> Result<Id, Error> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, Error> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len());
        let mark = mark.ok_or_else(|| self.damaged("there is no mark"))?;
        Ok(self.stack.split_off(mark))
    }

    fn byte(&mut self) -> Result<u8, Error> {
        Ok(self.array::<1>()?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let found = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>());
        let found = found.ok_or_else(|| Error::Truncated("the pickle has no end".into()))?;
        self.at += N;
        Ok(*found)
    }

    fn take(&mut self, length: impl TryInto<usize>) -> Result<&'a [u8], Error> {
        let end = length.try_into().ok().and_then(|length| self.at.checked_add(length));
        let found = end.and_then(|end| self.bytes.get(self.at..end));
        let found = found.ok_or_else(|| Error::Truncated("the pickle ends inside a value".into()))?;
        self.at += found.len();
        Ok(found)
    }

    /// A line of protocol 0, without its end.
    fn line(&mut self) -> Result<String, Error> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|&byte| byte == b'\n');
        let end = end.ok_or_else(|| Error::Truncated("the pickle ends inside a line".into()))?;
        let line =
            std::str::from_utf8(&rest[..end]).map_err(|_| self.damaged("a line is not UTF-8"))?.to_owned();
        self.at += end + 1;
        Ok(line)
    }

    fn damaged(&self, what: impl Into<String>) -> Error {
        Error::BadPickle { at: self.at, what: what.into() }
    }
}

fn too_many(what: &str) -> Error {
    Error::ResourceLimit(format!("the pickle makes more {what} than any checkpoint has"))
}

fn refused(module: &str, name: &str) -> Error {
    Error::UnsafeGlobal { module: Shown::new(module), name: Shown::new(name) }
}

fn pairs(items: &[Id]) -> Vec<(Id, Id)> {
    items.as_chunks::<2>().0.iter().map(|&[key, value]| (key, value)).collect()
}

/// A little-endian integer of any length.
pub(super) fn long(bytes: &[u8]) -> Value {
    if bytes.len() > 8 {
        return Value::Long;
    }
    let fill = if bytes.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
    let mut all = [fill; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(all))
}
