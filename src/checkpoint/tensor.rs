//! Tensors as views of a checkpoint's bytes.

use std::ops::Range;

use super::error::{CheckpointError, EscapedText};

/// Bytes of the longest name of a tensor, key or storage; real ones have a tenth of it.
pub(super) const LONGEST_NAME: usize = 1024;

/// Why a name is refused: it would be copied and printed again and again.
pub(super) fn long_name(name: &str) -> CheckpointError {
    CheckpointError::ResourceLimit(format!(
        "the name `{}` is longer than any tensor's",
        EscapedText::new(name)
    ))
}

/// Types of numbers that frameworks save.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// IEEE half precision.
    F16,
    /// bfloat16.
    Bf16,
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
    /// Anything else, by the file's own name and its size in bytes: integers, booleans, …
    Other(String, usize),
}

impl Dtype {
    /// Bytes a number.
    pub fn size(&self) -> usize {
        match self {
            Dtype::F16 | Dtype::Bf16 => 2,
            Dtype::F32 => 4,
            Dtype::F64 => 8,
            Dtype::Other(_, size) => *size,
        }
    }

    fn name(&self) -> &str {
        match self {
            Dtype::F16 => "float16",
            Dtype::Bf16 => "bfloat16",
            Dtype::F32 => "float32",
            Dtype::F64 => "float64",
            Dtype::Other(name, _) => name,
        }
    }
}

/// A named tensor: where its numbers lie, and how.
#[derive(Clone, Debug)]
pub struct Tensor {
    name: String,
    shape: Vec<usize>,
    /// In elements, one a dimension.
    stride: Vec<usize>,
    dtype: Dtype,
    /// From the first element of the tensor to the end of its storage.
    bytes: Range<usize>,
}

/// A tensor as a file describes it, not checked yet.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) shape: Vec<usize>,
    pub(super) stride: Vec<usize>,
    /// In elements.
    pub(super) offset: usize,
    pub(super) dtype: Dtype,
    /// Of the storage.
    pub(super) bytes: Range<usize>,
}

impl Tensor {
    /// Checks that every element lies inside the storage, and that the name is not too long.
    pub(super) fn new(name: &str, view: View) -> Result<Tensor, CheckpointError> {
        if name.len() > LONGEST_NAME {
            return Err(long_name(name));
        }
        let bad = |what: &str| CheckpointError::BadTensor { name: EscapedText::new(name), what: what.into() };
        let size = view.dtype.size().max(1);
        let held = view.bytes.len() / size;
        let count =
            element_count(&view.shape).ok_or_else(|| bad("its number of values is beyond 64 bits"))?;
        if count > held {
            return Err(bad(&format!("it has {count} values, its storage {held}")));
        }
        if count > 0 {
            let reach = view.shape.iter().zip(&view.stride).try_fold(view.offset, |sum, (&dim, &stride)| {
                sum.checked_add((dim - 1).checked_mul(stride)?)
            });
            if reach.is_none_or(|last| last >= held) {
                return Err(bad("it reaches beyond its storage"));
            }
        }
        let start = view.bytes.start + if count == 0 { 0 } else { view.offset * size };
        let View { shape, stride, dtype, bytes, .. } = view;
        Ok(Tensor { name: name.into(), shape, stride, dtype, bytes: start..bytes.end })
    }

    /// Its name in the checkpoint.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its numbers' type.
    pub fn dtype(&self) -> &Dtype {
        &self.dtype
    }

    /// Gives it another name.
    pub(super) fn rename(&mut self, name: String) {
        self.name = name;
    }

    /// Its values, row-major, widened or rounded to float32.
    pub(super) fn read_f32(&self, file: &[u8], decoded: &[u8]) -> Result<Vec<f32>, CheckpointError> {
        let bad = || CheckpointError::BadTensor {
            name: EscapedText::new(&self.name),
            what: "its storage is gone".into(),
        };
        // What was decoded has addresses behind the file's end.
        let bytes = match self.bytes.start.checked_sub(file.len()) {
            Some(start) if !self.bytes.is_empty() => decoded.get(start..start + self.bytes.len()),
            _ => file.get(self.bytes.clone()),
        };
        let bytes = bytes.ok_or_else(bad)?;
        match &self.dtype {
            Dtype::F16 => Ok(self.gather(bytes, |b| half::f16::from_le_bytes(b).to_f32())),
            Dtype::Bf16 => Ok(self.gather(bytes, |b| half::bf16::from_le_bytes(b).to_f32())),
            Dtype::F32 => Ok(self.gather(bytes, f32::from_le_bytes)),
            Dtype::F64 => Ok(self.gather(bytes, |b| f64::from_le_bytes(b) as f32)),
            other => Err(CheckpointError::BadDtype {
                name: EscapedText::new(&self.name),
                dtype: EscapedText::new(other.name()),
            }),
        }
    }

    fn gather<const N: usize>(&self, bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        let (elements, _) = bytes.as_chunks::<N>();
        let count = element_count(&self.shape).unwrap_or(0);
        if self.is_contiguous() {
            return elements.iter().take(count).map(|&element| number(element)).collect();
        }
        let mut place = vec![0; self.shape.len()];
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            let at: usize = place.iter().zip(&self.stride).map(|(i, stride)| i * stride).sum();
            values.push(elements.get(at).map_or(f32::NAN, |&element| number(element)));
            for (i, dim) in place.iter_mut().zip(&self.shape).rev() {
                *i += 1;
                if *i < *dim {
                    break;
                }
                *i = 0;
            }
        }
        values
    }

    fn is_contiguous(&self) -> bool {
        contiguous(&self.shape)
            .iter()
            .zip(&self.stride)
            .zip(&self.shape)
            .all(|((a, b), &dim)| dim <= 1 || a == b)
    }
}

/// Product of the dimensions.
pub(super) fn element_count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim))
}

/// Strides of a row-major tensor.
pub(super) fn contiguous(shape: &[usize]) -> Vec<usize> {
    let mut stride = vec![1usize; shape.len()];
    for i in (1..shape.len()).rev() {
        stride[i - 1] = stride[i].saturating_mul(shape[i]);
    }
    stride
}
