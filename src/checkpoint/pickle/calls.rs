//! What a pickle would call: noted as a record, turned into a value that tensors need, or refused. Nothing is run.

use super::allowed::{Callable, callable, may_be_noted};
use super::machine::{EMPTY, PickleMachine, refused};
use super::{Call, Global, PickleValue, ValueId};
use crate::checkpoint::error::CheckpointError;

/// Most classes that are told by name.
const MOST_NOTED: usize = 64;

impl PickleMachine<'_> {
    /// REDUCE, NEWOBJ, NEWOBJ_EX, INST and OBJ: notes what would be called, or refuses.
    pub(super) fn call(&mut self, opcode: u8) -> Result<(), CheckpointError> {
        if opcode == b'i' {
            let (module, name) = (self.line()?, self.line()?);
            let args = self.pop_mark()?;
            return self.called(Global { module, name }, &args);
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
        // A class inside another stands behind `getattr`: what it makes is such a record as any other.
        if let PickleValue::Opaque(class) = *self.value(function) {
            return self.push(PickleValue::Opaque(class));
        }
        let global = self.name_of(function)?;
        self.called(global, &args)
    }

    fn called(&mut self, Global { module, name }: Global, args: &[ValueId]) -> Result<(), CheckpointError> {
        match callable(&module, &name) {
            // `tuple` of a tuple is that tuple.
            Some(Callable::Tuple) => match *args {
                [all] if matches!(self.value(all), PickleValue::Tuple(_)) => self.share(all),
                _ => self.note(format!("{module}.{name}")),
            },
            Some(Callable::Data) => {
                let class = self.class_of(&module, &name, args)?;
                self.note(class)
            }
            Some(Callable::Attribute) => match args.first().map(|&object| self.value(object)) {
                Some(&PickleValue::Opaque(class)) => self.push(PickleValue::Opaque(class)),
                _ => {
                    let class = self.class_argument(args)?;
                    self.note(class)
                }
            },
            Some(Callable::Dict) => self.dict(args),
            Some(Callable::Bytes) => self.bytes(args),
            Some(what) => {
                self.push(PickleValue::Call(Box::new(Call { what, args: args.to_vec(), state: None })))
            }
            None => {
                self.refuse_programs(&module, &name, args)?;
                self.note(format!("{module}.{name}"))
            }
        }
    }

    /// Objects beside the tensors are noted and never made, whatever their class; but a file that names what runs programs
    /// is no checkpoint.
    fn refuse_programs(&self, module: &str, name: &str, args: &[ValueId]) -> Result<(), CheckpointError> {
        if !may_be_noted(module, name) {
            return Err(refused(module, name));
        }
        for &arg in args {
            match self.value(arg) {
                PickleValue::Global(global) if !may_be_noted(&global.module, &global.name) => {
                    return Err(refused(&global.module, &global.name));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What is called. In files from before 2019 a network's class stands behind a persistent id, ('module', class, …).
    fn name_of(&self, function: ValueId) -> Result<Global, CheckpointError> {
        let named = match self.value(function) {
            PickleValue::Persistent(id) => match self.value(*id) {
                PickleValue::Tuple(items) => items.get(1).map(|&class| self.value(class)),
                _ => None,
            },
            direct => Some(direct),
        };
        match named {
            Some(PickleValue::Global(global)) => Ok((**global).clone()),
            _ => Err(self.damaged("something is called that has no name")),
        }
    }

    /// `copyreg._reconstructor(class, base, state)` makes an object of `class`.
    fn class_of(&self, module: &str, name: &str, args: &[ValueId]) -> Result<String, CheckpointError> {
        if name == "_reconstructor" { self.class_argument(args) } else { Ok(format!("{module}.{name}")) }
    }

    /// The class that a call's first argument names, if its objects may stand in a file.
    fn class_argument(&self, args: &[ValueId]) -> Result<String, CheckpointError> {
        match args.first().map(|&class| self.value(class)) {
            Some(PickleValue::Global(global)) if may_be_noted(&global.module, &global.name) => {
                Ok(format!("{}.{}", global.module, global.name))
            }
            Some(PickleValue::Global(global)) => Err(refused(&global.module, &global.name)),
            _ => Err(self.damaged("an object has no class")),
        }
    }

    /// A dict, empty or from a list of pairs.
    fn dict(&mut self, args: &[ValueId]) -> Result<(), CheckpointError> {
        let is_list = |arg: &ValueId| matches!(self.value(*arg), PickleValue::List(_));
        let list = args.iter().copied().find(is_list).unwrap_or(EMPTY);
        // Charged before it is walked, as what is no pair takes its time too.
        self.copy(self.items(list).len())?;
        let pair = |&id: &ValueId| match self.items(id) {
            &[key, value] => Some((key, value)),
            _ => None,
        };
        let entries = self.items(list).iter().filter_map(pair).collect();
        self.push(PickleValue::Dict(entries))
    }

    /// Bytes as Python 3 writes them with protocols below 3: `_codecs.encode(text, 'latin1')`, or `bytes()` of none.
    fn bytes(&mut self, args: &[ValueId]) -> Result<(), CheckpointError> {
        let Some(&text) = args.first() else { return self.decoded(&[]) };
        let length = match self.value(text) {
            PickleValue::Str(text) => text.len(),
            PickleValue::Bytes(_) => return self.share(text),
            _ => return Err(self.damaged("bytes are made of what is no text")),
        };
        // The memo makes it cheap to name one text again and again.
        self.copy(length)?;
        let PickleValue::Str(text) = self.value(text) else { return Ok(()) };
        let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
        let bytes = bytes.map_err(|_| self.damaged("text that stands for bytes holds other characters"))?;
        self.decoded(&bytes)
    }

    fn note(&mut self, class: String) -> Result<(), CheckpointError> {
        let known = self.opaque.iter().position(|other| *other == class);
        let place = known.or_else(|| {
            let new = self.opaque.len();
            (new < MOST_NOTED).then(|| {
                self.opaque.push(class);
                new
            })
        });
        self.push(PickleValue::Opaque(place))
    }
}
