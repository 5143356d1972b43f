//! Arrays as numpy's .npy files: doubles, little endian, last index fastest.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use ndarray::{ArrayD, Axis};

use super::error::EvaluateError;
use super::evaluation::Arrays;
use super::params::Protocol;

impl Arrays {
    /// Writes precision.npy, recall.npy and, for COCO, scores.npy. LVIS' arrays have no limit axis.
    pub fn write(&self, folder: &Path, protocol: Protocol) -> Result<(), EvaluateError> {
        let failed = |path: &Path| {
            let file = crate::coco::escaped(path);
            move |source| EvaluateError::Write { file, source }
        };
        std::fs::create_dir_all(folder).map_err(failed(folder))?;
        let store = |name: &str, array: ArrayD<f64>| {
            let path = folder.join(name);
            let last = Axis(array.ndim() - 1);
            let array = if protocol == Protocol::Lvis { array.index_axis_move(last, 0) } else { array };
            write(&path, array.shape(), array.iter().copied()).map_err(failed(&path))
        };
        store("precision.npy", self.precision().into_dyn())?;
        store("recall.npy", self.recall().into_dyn())?;
        if protocol == Protocol::Coco {
            store("scores.npy", self.scores().into_dyn())?;
        }
        Ok(())
    }
}

fn write(path: &Path, shape: &[usize], values: impl Iterator<Item = f64>) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let axes: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({}), }}", axes.trim_end());
    // Magic, version and length take ten bytes; the whole is a multiple of 64 and ends with a line break.
    let padding = 63 - (10 + header.len()) % 64;
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    file.write_all(b"\x93NUMPY\x01\x00")?;
    file.write_all(&(header.len() as u16).to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    for value in values {
        file.write_all(&value.to_le_bytes())?;
    }
    file.flush()
}
