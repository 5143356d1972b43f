//! numpy's arrays in pickles: detectron2's and Caffe2 Detectron's `.pkl` files, of Python 2 and 3.

use std::ops::Range;

use super::Found;
use super::error::{Error, Shown};
use super::pickle::{self, Call, Callable, Id, Pickled, Value};
use super::tensor::{Dtype, Tensor, View, contiguous};
use super::torch;

/// Reads a bare pickle.
pub(super) fn read(bytes: &[u8]) -> Result<Found, Error> {
    let pickled = pickle::read(bytes, 0)?;
    torch::found(&pickled, &|_, _| Err("its numbers stand in another file".into()))
}

/// The call that makes an array.
pub(super) fn array_call<'a>(pickled: &'a Pickled<'_>, id: Id) -> Option<&'a Call> {
    pickled.call(id).filter(|call| matches!(call.what, Callable::NumpyArray | Callable::NumpyBuffer))
}

/// An array as a view of the file.
pub(super) fn array(pickled: &Pickled<'_>, name: &str, call: &Call) -> Result<Tensor, Error> {
    let bad = |what: &str| Error::BadTensor { name: Shown::new(name), what: what.into() };
    // `_reconstruct` is filled by BUILD with (version, shape, dtype, is_fortran, data);
    // `_frombuffer` is called with (data, dtype, shape, order).
    let (shape, dtype, data, fortran) = if call.what == Callable::NumpyBuffer {
        let [data, dtype, shape, order, ..] = call.args[..] else {
            return Err(bad("it is described by too few values"));
        };
        (shape, dtype, data, pickled.text(order).as_deref() == Some("F"))
    } else {
        match call.state.and_then(|state| pickled.items(state)) {
            Some(&[_, shape, dtype, fortran, data]) => {
                (shape, dtype, data, *pickled.get(fortran) == Value::Bool(true))
            }
            _ => return Err(bad("it is not filled as numpy does")),
        }
    };
    let shape = pickled.indices(shape).ok_or_else(|| bad("its shape is no list of sizes"))?;
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

fn bytes_of(pickled: &Pickled<'_>, id: Id) -> Result<Range<usize>, &'static str> {
    match pickled.get(id) {
        Value::Bytes(range) => Ok(range.clone()),
        Value::Call(call) if call.what == Callable::Encode => Err(
            "its numbers are stored as text, as Python 3 does with protocol 2 and below: save the file again \
                 with protocol 4",
        ),
        _ => Err("its numbers are not there"),
    }
}

/// `dtype('f4', False, True)` with the state (3, '<', …); an inner error says what is not supported.
fn dtype_of(pickled: &Pickled<'_>, id: Id) -> Option<Result<Dtype, &'static str>> {
    let call = pickled.call(id).filter(|call| call.what == Callable::NumpyDtype)?;
    let code = pickled.text(*call.args.first()?)?;
    let order =
        call.state.and_then(|state| pickled.items(state)?.get(1).and_then(|&order| pickled.text(order)));
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
