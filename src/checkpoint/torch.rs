//! What `torch.save` writes: zip archives, and the row of pickles from before version 1.6.

use std::collections::HashMap;
use std::ops::Range;

use super::NamedTensors;
use super::archive::Member;
use super::error::{CheckpointError, EscapedText};
use super::notes::Notes;
use super::pickle::{self, Callable, PickleValue, Pickled, ValueId};
use super::tensor::{Dtype, Tensor, View, long_name};
use super::{archive, foreign, home, numpy};

/// `torch.save` before 1.6 begins with this number as a pickle of its own.
const LEGACY_MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// The same in protocols 0 and 1.
const LEGACY_MAGIC_TEXT: &[u8] = b"L119547037146038801333356L\n";

/// Bytes of a pickle that a tensor must have paid for, a quarter of them its own: real ones have a hundred and more.
const TENSOR_COST: usize = 128;

/// Reads a zip archive of `torch.save`.
pub(super) fn read_zip(bytes: &[u8], key: Option<&str>) -> Result<NamedTensors, CheckpointError> {
    let members: HashMap<String, Member> =
        archive::members(bytes)?.into_iter().map(|member| (member.name.clone(), member)).collect();
    let pickle_name = members.keys().find(|name| *name == "data.pkl" || name.ends_with("/data.pkl")).cloned();
    let Some(pickle_name) = pickle_name else {
        return Err(CheckpointError::NotACheckpoint(foreign::of_zip(members.keys()).into()));
    };
    let prefix = pickle_name.strip_suffix("data.pkl").unwrap_or_default();
    let code = format!("{prefix}code/");
    if members.keys().any(|name| name.starts_with(&code))
        || members.contains_key(&format!("{prefix}constants.pkl"))
    {
        return Err(CheckpointError::TorchScript);
    }
    if let Some(order) = members.get(&format!("{prefix}byteorder"))
        && &bytes[order.place("byteorder", bytes)?] == b"big"
    {
        return Err(CheckpointError::NotACheckpoint(
            "its numbers are big-endian, which is not supported".into(),
        ));
    }
    let place = members[&pickle_name].place(&pickle_name, bytes)?;
    let pickled = pickle::read(bytes, place)?;
    let storage = |key: &str, _: &Dtype| -> Result<Range<usize>, String> {
        let name = format!("{prefix}data/{key}");
        match members.get(&name) {
            None => Err(format!("there is no member `{}`", EscapedText::new(&name))),
            Some(Member { stored: false, .. }) => Err(String::new()),
            Some(member) => member.range.clone().ok_or_else(|| "its storage reaches beyond the file".into()),
        }
    };
    found(pickled, &storage, key)
}

impl Member {
    /// Where a stored member lies in the file.
    fn place(&self, name: &str, file: &[u8]) -> Result<Range<usize>, CheckpointError> {
        if !self.stored {
            return Err(compressed(name));
        }
        let place = self.range.clone().filter(|range| range.start <= range.end && range.end <= file.len());
        place.ok_or_else(|| {
            CheckpointError::Truncated(format!(
                "the member `{}` reaches beyond the file",
                EscapedText::new(name)
            ))
        })
    }
}

fn compressed(name: &str) -> CheckpointError {
    CheckpointError::ResourceLimit(format!(
        "the member `{}` is compressed, as torch never does",
        EscapedText::new(name)
    ))
}

/// Whether the first pickle is the magic number of the old format, in any of pickle's protocols.
pub(super) fn is_legacy(bytes: &[u8]) -> bool {
    let number = match bytes {
        // From protocol 4 on its length stands before it.
        [0x80, _, 0x95, rest @ ..] => rest.get(8..).unwrap_or_default(),
        [0x80, _, rest @ ..] => rest,
        text => return text.starts_with(LEGACY_MAGIC_TEXT),
    };
    matches!(number, [0x8a, 10, magic @ ..] if magic.starts_with(&LEGACY_MAGIC))
}

/// Reads the old format: magic number, protocol, system, the object, the keys of storages, and the storages.
pub(super) fn read_legacy(bytes: &[u8], key: Option<&str>) -> Result<NamedTensors, CheckpointError> {
    let mut at = 0;
    let mut next = || -> Result<Pickled<'_>, CheckpointError> {
        let pickled = pickle::read(bytes, at..bytes.len())?;
        at = pickled.end;
        Ok(pickled)
    };
    let (_magic, _protocol, _system, object, keys) = (next()?, next()?, next()?, next()?, next()?);
    let sizes = storage_sizes(&object);
    let mut storages = HashMap::new();
    for &key in keys.items(keys.root).unwrap_or_default() {
        let key = keys
            .name(key)
            .ok_or_else(|| CheckpointError::BadPickle { at, what: "a storage has no name".into() })?;
        let cut =
            || CheckpointError::Truncated(format!("the storage `{}` is cut off", EscapedText::new(&key)));
        let count = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()).ok_or_else(cut)?;
        let size = sizes.get(&key).copied().unwrap_or(1);
        let length =
            usize::try_from(u64::from_le_bytes(*count)).ok().and_then(|count| count.checked_mul(size));
        let end = length.and_then(|length| length.checked_add(at + 8)).filter(|&end| end <= bytes.len());
        let end = end.ok_or_else(cut)?;
        storages.insert(key, at + 8..end);
        at = end;
    }
    let storage = |key: &str, _: &Dtype| {
        storages.get(key).cloned().ok_or_else(|| format!("there is no storage `{}`", EscapedText::new(key)))
    };
    found(object, &storage, key)
}

/// Bytes a number of each storage that the object names.
fn storage_sizes(object: &Pickled<'_>) -> HashMap<String, usize> {
    let storages = object.values().iter().filter_map(|value| match value {
        PickleValue::Persistent(id) => storage_of(object, *id),
        _ => None,
    });
    storages.map(|(dtype, key)| (key, dtype.size())).collect()
}

/// Finds a storage's bytes by its key; an error says why not, an empty one that it is compressed.
pub(super) type Storages<'a> = dyn Fn(&str, &Dtype) -> Result<Range<usize>, String> + 'a;

/// The named tensors of an object, wherever they stand in it, or under a key.
pub(super) fn found(
    pickled: Pickled<'_>,
    storages: &Storages<'_>,
    key: Option<&str>,
) -> Result<NamedTensors, CheckpointError> {
    let home = home::find(&pickled, key)?;
    // PaddlePaddle's key for arrays above 1 GiB, which it cut for the protocols 2 and 3.
    if home.entries.iter().any(|&(key, _)| pickled.name(key).as_deref() == Some("UnpackBigParamInfor@@")) {
        return Err(CheckpointError::NotACheckpoint(
            "its large arrays are cut in slices, which is not supported: save it with protocol 4".into(),
        ));
    }
    let mut tensors = Vec::new();
    let mut left = pickled.file_len().saturating_mul(4).saturating_add(1 << 16);
    for &(key, value) in home.entries {
        let (call, array) = (tensor_call(&pickled, value), numpy::array_call(&pickled, value));
        if call.is_none() && array.is_none() {
            continue;
        }
        let Some(name) = pickled.name(key) else {
            match pickled.text(key) {
                Some(name) => return Err(long_name(&name)),
                None => continue,
            }
        };
        // The memo makes it cheap to name one tensor, and one name, again and again.
        left = left.checked_sub(name.len() + TENSOR_COST).ok_or_else(|| {
            CheckpointError::ResourceLimit("the pickle names more tensors than its length allows".into())
        })?;
        if let Some((what, args)) = call {
            tensors.push(tensor(&pickled, &name, what, args, storages)?);
        } else if let Some(call) = array {
            tensors.push(numpy::array(&pickled, &name, call)?);
        }
    }
    if let Some(what) = foreign::of_tensors(tensors.iter().map(Tensor::name)) {
        return Err(CheckpointError::NotACheckpoint(what.into()));
    }
    let mut warnings = home.warnings;
    if !pickled.opaque.is_empty() {
        let classes: Vec<_> =
            pickled.opaque.iter().map(|class| EscapedText::new(class).to_string()).collect();
        warnings.push(format!("objects passed over: {}", classes.join(", ")));
    }
    let notes = Notes::of(&pickled);
    Ok(NamedTensors { tensors, decoded: pickled.decoded, warnings, notes })
}

pub(super) fn is_tensor(pickled: &Pickled<'_>, id: ValueId) -> bool {
    numpy::array_call(pickled, id).is_some() || tensor_call(pickled, id).is_some()
}

/// The call that makes a tensor, through any number of parameters around it.
fn tensor_call<'a>(pickled: &'a Pickled<'_>, mut id: ValueId) -> Option<(Callable, &'a [ValueId])> {
    for _ in 0..4 {
        let call = pickled.call(id)?;
        match call.what {
            Callable::Tensor | Callable::TensorWithDtype => return Some((call.what, &call.args)),
            Callable::Parameter => id = *call.args.first()?,
            _ => return None,
        }
    }
    None
}

/// `_rebuild_tensor_v2(storage, offset, size, stride, …)`.
fn tensor(
    pickled: &Pickled<'_>,
    name: &str,
    what: Callable,
    args: &[ValueId],
    storages: &Storages<'_>,
) -> Result<Tensor, CheckpointError> {
    let bad = |what: &str| CheckpointError::BadTensor { name: EscapedText::new(name), what: what.into() };
    let [storage, offset, size, stride, ..] = args else {
        return Err(bad("it is described by too few values"));
    };
    let storage = match pickled.get(*storage) {
        PickleValue::Persistent(id) => storage_of(pickled, *id),
        _ => None,
    };
    let (mut dtype, key) = storage.ok_or_else(|| bad("its storage is not described as torch does"))?;
    if what == Callable::TensorWithDtype {
        dtype = match args.get(6).map(|&id| pickled.get(id)) {
            Some(PickleValue::Global(global)) if global.module == "torch" => dtype_of(&global.name),
            _ => return Err(bad("it has no type")),
        };
    }
    let shape = pickled.indices(*size).ok_or_else(|| bad("its shape is no list of sizes, 16 at most"))?;
    let stride = pickled.indices(*stride).ok_or_else(|| bad("its strides are no list of sizes"))?;
    let offset = pickled.index(*offset).ok_or_else(|| bad("it begins before its storage"))?;
    if stride.len() != shape.len() {
        return Err(bad("it has not as many strides as dimensions"));
    }
    let bytes =
        storages(&key, &dtype).map_err(|why| if why.is_empty() { compressed(&key) } else { bad(&why) })?;
    Tensor::new(name, View { shape, stride, offset, dtype, bytes })
}

/// `('storage', class, key, location, size, …)`.
fn storage_of(pickled: &Pickled<'_>, id: ValueId) -> Option<(Dtype, String)> {
    if let Some(words) = pickled.name(id) {
        return storage_in_words(&words);
    }
    let [_, class, key, ..] = pickled.items(id)? else { return None };
    let PickleValue::Global(global) = pickled.get(*class) else { return None };
    Some((storage_dtype(&global.name), pickled.name(*key)?))
}

/// The same in protocol 0, a line as Python prints it: `('storage', <class 'torch.FloatStorage'>, '0', 'cpu', 588)`. torch
/// writes such files and does not read them.
fn storage_in_words(words: &str) -> Option<(Dtype, String)> {
    let (class, rest) = words.strip_prefix("('storage', <class 'torch.")?.split_once("'>, '")?;
    let (key, _) = rest.split_once("', ")?;
    Some((storage_dtype(class.rsplit('.').next()?), key.into()))
}

fn storage_dtype(class: &str) -> Dtype {
    match class {
        "HalfStorage" => Dtype::F16,
        "BFloat16Storage" => Dtype::Bf16,
        "FloatStorage" => Dtype::F32,
        "DoubleStorage" => Dtype::F64,
        "LongStorage" => Dtype::Other("int64".into(), 8),
        "IntStorage" => Dtype::Other("int32".into(), 4),
        "ShortStorage" => Dtype::Other("int16".into(), 2),
        "ComplexFloatStorage" => Dtype::Other("complex64".into(), 8),
        "ComplexDoubleStorage" => Dtype::Other("complex128".into(), 16),
        other => Dtype::Other(other.trim_end_matches("Storage").to_lowercase(), 1),
    }
}

fn dtype_of(name: &str) -> Dtype {
    match name {
        "float16" | "half" => Dtype::F16,
        "bfloat16" => Dtype::Bf16,
        "float32" | "float" => Dtype::F32,
        "float64" | "double" => Dtype::F64,
        "int64" | "uint64" | "complex64" => Dtype::Other(name.into(), 8),
        "int32" | "uint32" => Dtype::Other(name.into(), 4),
        "int16" | "uint16" => Dtype::Other(name.into(), 2),
        other => Dtype::Other(other.into(), 1),
    }
}
