//! The safetensors format: a length, a JSON header, and the numbers.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use super::NamedTensors;
use super::error::{CheckpointError, EscapedText};
use super::notes::Notes;
use super::tensor::{Dtype, Tensor, View, contiguous, element_count};

/// The format's own bound.
const LONGEST_HEADER: u64 = 100_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderEntry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

/// The header in file order; names must be unique.
struct Header(Vec<(String, HeaderEntry)>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tensors;
        impl<'de> Visitor<'de> for Tensors {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut entries = Vec::new();
                let mut names = HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    if !names.insert(name.clone()) {
                        return Err(A::Error::custom(format!(
                            "the name `{}` stands twice",
                            EscapedText::new(&name)
                        )));
                    }
                    if name == "__metadata__" {
                        map.next_value::<serde::de::IgnoredAny>()?;
                    } else {
                        entries.push((name, map.next_value()?));
                    }
                }
                Ok(Header(entries))
            }
        }
        deserializer.deserialize_map(Tensors)
    }
}

pub(super) fn read(bytes: &[u8]) -> Result<NamedTensors, CheckpointError> {
    let short = || CheckpointError::Truncated("it ends inside the header".into());
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
    let length = u64::from_le_bytes(*length);
    if length > LONGEST_HEADER {
        return Err(CheckpointError::HeaderTooLong(length));
    }
    let length = usize::try_from(length).map_err(|_| CheckpointError::HeaderTooLong(length))?;
    let header = rest.get(..length).ok_or_else(short)?;
    let header: Header =
        serde_json::from_slice(header).map_err(|error| CheckpointError::BadHeader(error.to_string()))?;
    let data = 8 + length..bytes.len();
    check_cover(&header, data.len())?;
    let tensors = header.0.into_iter().map(|(name, entry)| tensor(&name, entry, data.clone()));
    let tensors = tensors.collect::<Result<_, _>>()?;
    Ok(NamedTensors { tensors, decoded: Vec::new(), warnings: Vec::new(), notes: Notes::default() })
}

fn tensor(name: &str, entry: HeaderEntry, data: Range<usize>) -> Result<Tensor, CheckpointError> {
    let dtype = dtype(&entry.dtype).ok_or_else(|| CheckpointError::BadDtype {
        name: EscapedText::new(name),
        dtype: EscapedText::new(&entry.dtype),
    })?;
    let (start, end) = entry.data_offsets;
    let bad = |what: String| CheckpointError::BadOffsets { name: EscapedText::new(name), what };
    let needed = element_count(&entry.shape).and_then(|count| count.checked_mul(dtype.size()));
    match needed {
        Some(needed) if needed == end - start => {}
        Some(needed) => {
            return Err(bad(format!("its shape needs {needed} bytes, its offsets give {}", end - start)));
        }
        None => return Err(bad("its shape is beyond 64 bits".into())),
    }
    let bytes = data.start + start..data.start + end;
    Tensor::new(name, View { stride: contiguous(&entry.shape), shape: entry.shape, offset: 0, dtype, bytes })
}

/// Every byte belongs to exactly one tensor.
fn check_cover(header: &Header, length: usize) -> Result<(), CheckpointError> {
    let mut places: Vec<_> = header.0.iter().map(|(name, entry)| (entry.data_offsets, name)).collect();
    places.sort();
    let mut reached = 0;
    for ((start, end), name) in places {
        let bad = |what: String| Err(CheckpointError::BadOffsets { name: EscapedText::new(name), what });
        if end < start {
            return bad("its end stands before its start".into());
        }
        if end > length {
            return bad(format!("it ends at byte {end} of {length}"));
        }
        if start < reached {
            return bad("it shares bytes with another tensor".into());
        }
        if start > reached {
            return bad(format!("{} bytes before it belong to nobody", start - reached));
        }
        reached = end;
    }
    if reached < length {
        return Err(CheckpointError::BadHeader(format!(
            "{} bytes at the end belong to no tensor",
            length - reached
        )));
    }
    Ok(())
}

fn dtype(name: &str) -> Option<Dtype> {
    Some(match name {
        "F16" => Dtype::F16,
        "BF16" => Dtype::Bf16,
        "F32" => Dtype::F32,
        "F64" => Dtype::F64,
        "BOOL" | "U8" | "I8" | "F8_E4M3" | "F8_E5M2" => Dtype::Other(name.into(), 1),
        "U16" | "I16" => Dtype::Other(name.into(), 2),
        "U32" | "I32" => Dtype::Other(name.into(), 4),
        "U64" | "I64" => Dtype::Other(name.into(), 8),
        _ => return None,
    })
}
