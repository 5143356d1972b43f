//! numpy's arrays in pickles: detectron2's and Caffe2 Detectron's `.pkl` files, of Python 2 and 3.

use std::ops::Range;

use super::NamedTensors;
use super::error::{CheckpointError, EscapedText};
use super::pickle::{self, Call, Callable, PickleValue, Pickled, ValueId};
use super::tensor::{Dtype, Tensor, View, contiguous};
use super::torch;

/// Reads a bare pickle.
pub(super) fn read(bytes: &[u8], key: Option<&str>) -> Result<NamedTensors, CheckpointError> {
    let pickled = pickle::read(bytes, 0..bytes.len())?;
    torch::found(pickled, &|_, _| Err("its numbers stand in another file".into()), key)
}

/// The call that makes an array, also where PaddlePaddle has put its name beside it: (name, array).
pub(super) fn array_call<'a>(pickled: &'a Pickled<'_>, id: ValueId) -> Option<&'a Call> {
    let id = match *pickled.get(id) {
        PickleValue::Tuple(ref items) => match items[..] {
            [name, array] if matches!(pickled.get(name), PickleValue::Str(_) | PickleValue::Bytes(_)) => {
                array
            }
            _ => return None,
        },
        _ => id,
    };
    pickled.call(id).filter(|call| matches!(call.what, Callable::NumpyArray | Callable::NumpyBuffer))
}

/// An array as a view of the file.
pub(super) fn array(pickled: &Pickled<'_>, name: &str, call: &Call) -> Result<Tensor, CheckpointError> {
    let bad = |what: &str| CheckpointError::BadTensor { name: EscapedText::new(name), what: what.into() };
    // `_reconstruct` is filled by BUILD with (version, shape, dtype, is_fortran, data);
    // `_frombuffer` is called with (data, dtype, shape, order).
    let (shape, dtype, data, fortran) = if call.what == Callable::NumpyBuffer {
        let [data, dtype, shape, order, ..] = call.args[..] else {
            return Err(bad("it is described by too few values"));
        };
        (shape, dtype, data, pickled.name(order).as_deref() == Some("F"))
    } else {
        match call.state.and_then(|state| pickled.items(state)) {
            Some(&[_, shape, dtype, fortran, data]) => {
                (shape, dtype, data, *pickled.get(fortran) == PickleValue::Bool(true))
            }
            _ => return Err(bad("it is not filled as numpy does")),
        }
    };
    let shape = pickled.indices(shape).ok_or_else(|| bad("its shape is no list of sizes, 16 at most"))?;
    let dtype = dtype_of(pickled, dtype).ok_or_else(|| bad("its type is not described as numpy does"))?;
    let dtype = dtype.map_err(bad)?;
    let bytes = bytes_of(pickled, data).map_err(bad)?;
    let stride = if fortran { reversed(&shape) } else { contiguous(&shape) };
    Tensor::new(name, View { shape, stride, offset: 0, dtype, bytes })
}

/// Strides of a column-major array.
fn reversed(shape: &[usize]) -> Vec<usize> {
    let mut dims = shape.to_vec();
    dims.reverse();
    let mut stride = contiguous(&dims);
    stride.reverse();
    stride
}

fn bytes_of(pickled: &Pickled<'_>, id: ValueId) -> Result<Range<usize>, &'static str> {
    match pickled.get(id) {
        PickleValue::Bytes(range) => Ok(range.clone()),
        _ => Err("its numbers are not there"),
    }
}

/// `dtype('f4', False, True)` with the state (3, '<', …); an inner error says what is not supported.
fn dtype_of(pickled: &Pickled<'_>, id: ValueId) -> Option<Result<Dtype, &'static str>> {
    let call = pickled.call(id).filter(|call| call.what == Callable::NumpyDtype)?;
    let code = pickled.name(*call.args.first()?)?;
    let order =
        call.state.and_then(|state| pickled.items(state)?.get(1).and_then(|&order| pickled.name(order)));
    if order.as_deref() == Some(">") || code.starts_with('>') {
        return Some(Err("its numbers are big-endian, which is not supported"));
    }
    let code = code.trim_start_matches(['<', '|', '=']);
    let size: usize = code.get(1..)?.parse().ok().filter(|size| (1..=64).contains(size))?;
    Some(Ok(match code {
        "f2" => Dtype::F16,
        "f4" => Dtype::F32,
        "f8" => Dtype::F64,
        other => Dtype::Other(other.into(), size),
    }))
}

#[cfg(test)]
mod tests {
    use crate::checkpoint::{Checkpoint, CheckpointError};

    /// What `pickle.dumps({'model': {'w': array}})` of numpy 2.4 gives, from behind the array's class on.
    fn reconstructed(rest: &[u8]) -> Vec<u8> {
        let mut all = b"\x80\x04}\x94\x8c\x05model\x94}\x94\x8c\x01w\x94\x8c\x16numpy._core.multiarray\x94\x8c\x0c_reconstruct\x94\x93\x94\x8c\x05numpy\x94\x8c\x07ndarray\x94\x93\x94K\x00\x85\x94C\x01b\x94\x87\x94R\x94".to_vec();
        all.extend_from_slice(rest);
        all
    }

    fn values(bytes: Vec<u8>) -> Result<(Vec<usize>, Vec<f32>), CheckpointError> {
        let checkpoint = Checkpoint::from_bytes(bytes)?;
        let tensor = checkpoint.tensor("w").unwrap();
        Ok((tensor.shape().to_vec(), tensor.to_f32(&checkpoint)?))
    }

    const ROWS: [f32; 6] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];

    #[test]
    fn column_major_arrays_are_turned() {
        let bytes = reconstructed(b"(K\x01K\x02K\x03\x86\x94h\x07\x8c\x05dtype\x94\x93\x94\x8c\x02f4\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01<\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94b\x88C\x18\x00\x00\x00\x00\x00\x00@@\x00\x00\x80?\x00\x00\x80@\x00\x00\x00@\x00\x00\xa0@\x94t\x94bss.");
        assert_eq!(values(bytes).unwrap(), (vec![2, 3], ROWS.to_vec()));
    }

    /// Protocol 5 has its own way, which Python 3.14 takes by default.
    #[test]
    fn arrays_from_a_buffer_of_halves() {
        let bytes = b"\x80\x05\x95\x94\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x05model\x94}\x94\x8c\x01w\x94\x8c\x13numpy._core.numeric\x94\x8c\x0b_frombuffer\x94\x93\x94(\x96\x0c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00<\x00@\x00B\x00D\x00E\x94\x8c\x05numpy\x94\x8c\x05dtype\x94\x93\x94\x8c\x02f2\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01<\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94bK\x02K\x03\x86\x94\x8c\x01C\x94t\x94R\x94ss.";
        assert_eq!(values(bytes.to_vec()).unwrap(), (vec![2, 3], ROWS.to_vec()));
    }

    #[test]
    fn what_no_weight_is_made_of_is_told() {
        let big = reconstructed(b"(K\x01K\x02K\x03\x86\x94h\x07\x8c\x05dtype\x94\x93\x94\x8c\x02f4\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01>\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94b\x89C\x18\x00\x00\x00\x00?\x80\x00\x00@\x00\x00\x00@@\x00\x00@\x80\x00\x00@\xa0\x00\x00\x94t\x94bss.");
        let objects = reconstructed(b"(K\x01K\x01\x85\x94h\x07\x8c\x05dtype\x94\x93\x94\x8c\x02O8\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01|\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?t\x94b\x89]\x94Nat\x94bss.");
        for (bytes, word) in [(big, "big-endian"), (objects, "not there")] {
            let error = values(bytes).unwrap_err();
            assert_eq!(error.kind(), "bad_tensor");
            assert!(error.to_string().contains(word), "{error}");
        }
        let integers = reconstructed(b"(K\x01K\x02K\x03\x86\x94h\x07\x8c\x05dtype\x94\x93\x94\x8c\x02i8\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01<\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94b\x89C0\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x94t\x94bss.");
        let error = values(integers).unwrap_err();
        assert!(error.kind() == "bad_dtype" && error.to_string().contains("i8"), "{error}");
    }

    /// What `pickle.dumps({'model': {'w': array}}, protocol=2)` of Python 3 gives: bytes as Latin-1 text.
    #[test]
    fn numbers_stored_as_text_are_numbers() {
        let text = b"\x80\x02}q\x00X\x05\x00\x00\x00modelq\x01}q\x02X\x01\x00\x00\x00wq\x03cnumpy._core.multiarray\x0a_reconstruct\x0aq\x04cnumpy\x0andarray\x0aq\x05K\x00\x85q\x06c_codecs\x0aencode\x0aq\x07X\x01\x00\x00\x00bq\x08X\x06\x00\x00\x00latin1q\x09\x86q\x0aRq\x0b\x87q\x0cRq\x0d(K\x01K\x02K\x03\x86q\x0ecnumpy\x0adtype\x0aq\x0fX\x02\x00\x00\x00f4q\x10\x89\x88\x87q\x11Rq\x12(K\x03X\x01\x00\x00\x00<q\x13NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x14b\x89h\x07X\x1b\x00\x00\x00\x00\x00\x00\x00\x00\x00\xc2\x80?\x00\x00\x00@\x00\x00@@\x00\x00\xc2\x80@\x00\x00\xc2\xa0@q\x15h\x09\x86q\x16Rq\x17tq\x18bss.";
        assert_eq!(values(text.to_vec()).unwrap(), (vec![2, 3], ROWS.to_vec()));
    }

    /// A dict that names one array of a single number by one text, over and over.
    fn named(length: u32, times: usize) -> Vec<u8> {
        let mut all = b"\x80\x05}X".to_vec();
        all.extend(length.to_le_bytes());
        all.extend(b"w".repeat(length as usize));
        all.extend(b"\x940\x8c\x13numpy._core.numeric\x8c\x0b_frombuffer\x93(\x96\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80?\x8c\x05numpy\x8c\x05dtype\x93\x8c\x02f4\x89\x88\x87R(K\x03\x8c\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tbK\x01\x85\x8c\x01CtR\x940(");
        all.extend(b"h\x00h\x01".repeat(times));
        all.extend(b"u.");
        all
    }

    #[test]
    fn one_name_for_many_tensors_is_not_copied_for_each() {
        assert_eq!(values(named(1, 1)).unwrap(), (vec![1], vec![1.0]));
        for (length, times) in [(1 << 20, 2), (1000, 100_000), (1, 1_000_000)] {
            let error = Checkpoint::from_bytes(named(length, times)).unwrap_err();
            assert_eq!(error.kind(), "resource_limit", "{length} {times}");
            assert!(error.to_string().len() < 400, "{error}");
        }
    }

    #[test]
    fn no_tensor_has_more_than_16_dimensions() {
        let shape =
            b"(K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01t"
                .to_vec();
        let mut rest = b"(K\x01".to_vec();
        rest.extend(&shape);
        rest.extend(b"h\x07\x8c\x05dtype\x94\x93\x94\x8c\x02f4\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01<\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94b\x89C\x04\x00\x00\x80?t\x94bss.");
        let error = values(reconstructed(&rest)).unwrap_err();
        assert!(error.kind() == "bad_tensor" && error.to_string().contains("16 at most"), "{error}");
    }

    /// Every form in which PaddlePaddle saves tensors (protocols 2 to 4, numpy 1 and 2, float16, column-major, deeper than at
    /// the root), with the hashes of its own values; and an optimizer's state, which is none.
    #[test]
    fn what_paddlepaddle_saves() {
        use sha2::{Digest, Sha256};
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/pd-files");
        let expected = std::fs::read_to_string(folder.join("tensors.json")).unwrap();
        let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
        let expected = expected["tensors"].as_object().unwrap();
        let mut read = 0;
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.ends_with(".pdopt") {
                let error = Checkpoint::open(&path).unwrap_err().to_string();
                assert!(error.contains("optimizer") && error.contains(".pdparams"), "{error}");
            }
            if !name.ends_with(".pdparams") {
                continue;
            }
            let checkpoint = Checkpoint::open(&path).unwrap();
            for (tensor, expected) in expected {
                let found = checkpoint.tensor(tensor).unwrap();
                assert_eq!(serde_json::json!(found.shape()), expected["shape"], "{name} {tensor}");
                let values = found.to_f32(&checkpoint).unwrap();
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
                // Halves are rounded.
                assert!(expected["sha256"] == hash || name.contains("float16"), "{name} {tensor}");
            }
            assert_eq!(checkpoint.tensors().len(), expected.len(), "{name}");
            read += 1;
        }
        assert_eq!(read, 14);
    }
}
