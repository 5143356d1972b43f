//! Pickles as plain records: an interpreter that builds values and never runs anything.
//!
//! All values lie in one arena and refer to each other by number, so that neither depth nor cycles can exhaust the
//! stack; what they may cost is bounded by the file's length. Knows nothing of tensors but what they are called.

mod allowed;
mod calls;
mod machine;
#[cfg(test)]
mod tests;
mod text;

use std::ops::Range;

use super::tensor::LONGEST_NAME;

pub(super) use allowed::Callable;
pub(super) use machine::read;

/// Dimensions of the largest tensor: convolutions have four.
const MOST_DIMENSIONS: usize = 16;

/// The number of a value in the arena.
pub(super) type ValueId = u32;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PickleValue {
    None,
    Bool(bool),
    Int(i64),
    /// An integer beyond 64 bits.
    Long,
    Float(f64),
    Str(String),
    /// Where the bytes lie in the file, where they are not copied; behind its end begins what was decoded.
    Bytes(Range<usize>),
    List(Vec<ValueId>),
    Tuple(Vec<ValueId>),
    Dict(Vec<(ValueId, ValueId)>),
    /// A name that the pickle refers to.
    Global(Box<Global>),
    /// What a persistent id stands for.
    Persistent(ValueId),
    /// The outcome of a call that tensors need.
    Call(Box<Call>),
    /// An object; never made, only noted. The place of its class among those that are noted.
    Opaque(Option<usize>),
}

/// A name that a pickle refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Global {
    pub(super) module: String,
    pub(super) name: String,
}

/// A call that tensors need: `args` are the items of a tuple, `state` is what BUILD brought.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) what: Callable,
    pub(super) args: Vec<ValueId>,
    pub(super) state: Option<ValueId>,
}

/// A pickle's values, and its last one.
#[derive(Debug)]
pub(super) struct Pickled<'a> {
    file: &'a [u8],
    /// Bytes up to which the pickle may reach.
    length: usize,
    /// Bytes that do not stand in the file as such; their addresses begin behind its end.
    pub(super) decoded: Vec<u8>,
    values: Vec<PickleValue>,
    /// The value that the pickle stands for.
    pub(super) root: ValueId,
    /// Where the pickle ends in the file.
    pub(super) end: usize,
    /// Classes whose objects were only noted.
    pub(super) opaque: Vec<String>,
}

impl Pickled<'_> {
    pub(super) fn get(&self, id: ValueId) -> &PickleValue {
        self.values.get(id as usize).unwrap_or(&PickleValue::None)
    }

    pub(super) fn values(&self) -> &[PickleValue] {
        &self.values
    }

    /// Text, whether Python 2 or 3 wrote it; Python 2's bytes are read as Latin-1.
    pub(super) fn text(&self, id: ValueId) -> Option<String> {
        match self.get(id) {
            PickleValue::Str(text) => Some(text.clone()),
            PickleValue::Bytes(range) => {
                let bytes = match range.start.checked_sub(self.file.len()) {
                    Some(start) => self.decoded.get(start..start + range.len())?,
                    None => self.file.get(range.clone())?,
                };
                Some(bytes.iter().map(|&byte| char::from(byte)).collect())
            }
            _ => None,
        }
    }

    /// Text that may be a name: the memo makes it cheap to give a long one to many values.
    pub(super) fn name(&self, id: ValueId) -> Option<String> {
        let length = match self.get(id) {
            PickleValue::Str(text) => text.len(),
            PickleValue::Bytes(range) => range.len(),
            _ => return None,
        };
        if length <= LONGEST_NAME { self.text(id) } else { None }
    }

    /// Bytes up to the pickle's end: what its values may cost is judged by them.
    pub(super) fn file_len(&self) -> usize {
        self.length
    }

    /// A number that counts or places something.
    pub(super) fn index(&self, id: ValueId) -> Option<usize> {
        match self.get(id) {
            PickleValue::Int(value) => usize::try_from(*value).ok(),
            _ => None,
        }
    }

    /// Numbers that count or place something, one a dimension.
    pub(super) fn indices(&self, id: ValueId) -> Option<Vec<usize>> {
        let items = self.items(id).filter(|items| items.len() <= MOST_DIMENSIONS)?;
        items.iter().map(|&item| self.index(item)).collect()
    }

    pub(super) fn items(&self, id: ValueId) -> Option<&[ValueId]> {
        match self.get(id) {
            PickleValue::Tuple(items) | PickleValue::List(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn entries(&self, id: ValueId) -> Option<&[(ValueId, ValueId)]> {
        match self.get(id) {
            PickleValue::Dict(entries) => Some(entries),
            _ => None,
        }
    }

    /// The call that a value is.
    pub(super) fn call(&self, id: ValueId) -> Option<&Call> {
        match self.get(id) {
            PickleValue::Call(call) => Some(call),
            _ => None,
        }
    }
}
