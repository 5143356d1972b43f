//! Arrays as numpy's .npy files: doubles, little endian, last index fastest.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::error::Error;
use super::evaluation::Arrays;
use super::params::Protocol;

impl Arrays {
    /// Writes precision.npy, recall.npy and, for COCO, scores.npy. LVIS' arrays have no limit axis.
    pub fn write(&self, folder: &Path, protocol: Protocol) -> Result<(), Error> {
        let failed = |path: &Path| {
            let file = crate::coco::shown(path);
            move |source| Error::Write { file, source }
        };
        std::fs::create_dir_all(folder).map_err(failed(folder))?;
        let [t, r, k, a, m] = self.shape;
        let axes = |mut axes: Vec<usize>| {
            if protocol == Protocol::Lvis {
                axes.pop();
            }
            axes
        };
        let cells = || places(t, r, k, a, m);
        let path = folder.join("precision.npy");
        let values = cells().map(|[t, r, k, a, m]| self.precision(t, r, k, a, m));
        write(&path, &axes(vec![t, r, k, a, m]), values).map_err(failed(&path))?;
        let path = folder.join("recall.npy");
        let values = places(t, 1, k, a, m).map(|[t, _, k, a, m]| self.recall(t, k, a, m));
        write(&path, &axes(vec![t, k, a, m]), values).map_err(failed(&path))?;
        if protocol == Protocol::Coco {
            let path = folder.join("scores.npy");
            let values = cells().map(|[t, r, k, a, m]| self.score(t, r, k, a, m));
            write(&path, &axes(vec![t, r, k, a, m]), values).map_err(failed(&path))?;
        }
        Ok(())
    }
}

/// All places of an array, last index fastest.
fn places(t: usize, r: usize, k: usize, a: usize, m: usize) -> impl Iterator<Item = [usize; 5]> {
    (0..t * r * k * a * m)
        .map(move |at| [at / (r * k * a * m), at / (k * a * m) % r, at / (a * m) % k, at / m % a, at % m])
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
