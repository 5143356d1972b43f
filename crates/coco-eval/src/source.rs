//! Opening input files, and what stands in for those that can be read only once, such as pipes. A leaf.
//!
//! Readers open a file several times. A program that takes a pipe copies it first and says with [`stand_in_for`]
//! which open file has the bytes of that path.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What stands in, by the path that it stands for.
static KEPT: Mutex<Vec<(PathBuf, Arc<Mutex<File>>)>> = Mutex::new(Vec::new());

/// From now on, whatever reads `path` in this process gets the bytes of `file`, from its beginning. The first file
/// given for a path stays.
pub fn stand_in_for(path: &Path, file: File) {
    if !stands_in_for(path) {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push((path.to_owned(), Arc::new(Mutex::new(file))));
    }
}

/// Whether a file stands in for a path.
pub fn stands_in_for(path: &Path) -> bool {
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.iter().any(|(other, _)| other == path)
}

/// A file, or what was kept of a pipe, from its beginning.
///
/// # Errors
/// What the system reports.
pub fn open(path: &Path) -> io::Result<OpenSource> {
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    match kept.iter().find(|(other, _)| other == path) {
        Some((_, file)) => Ok(OpenSource(SourceBytes::Kept { file: Arc::clone(file), at: 0 })),
        None => Ok(OpenSource(SourceBytes::File(File::open(path)?))),
    }
}

/// An open file, or what stands in for it.
#[derive(Debug)]
pub struct OpenSource(SourceBytes);

#[derive(Debug)]
enum SourceBytes {
    File(File),
    /// Each that reads has a place of its own in it.
    Kept {
        file: Arc<Mutex<File>>,
        at: u64,
    },
}

impl Read for OpenSource {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            SourceBytes::File(file) => file.read(bytes),
            SourceBytes::Kept { file, at } => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(*at))?;
                let count = file.read(bytes)?;
                *at += count as u64;
                Ok(count)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_stands_in_is_read_as_often_as_is_asked() {
        let path = Path::new("a pipe that stands for itself");
        assert!(open(path).is_err());
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 200_000]).unwrap();
        stand_in_for(path, file);
        let (mut first, mut second) = (open(path).unwrap(), open(path).unwrap());
        let (mut a, mut b) = (Vec::new(), Vec::new());
        first.by_ref().take(1000).read_to_end(&mut a).unwrap();
        second.read_to_end(&mut b).unwrap();
        first.read_to_end(&mut a).unwrap();
        assert!(a == b && a.len() == 200_000);
        assert!(matches!(open(Path::new("Cargo.toml")), Ok(OpenSource(SourceBytes::File(_)))));
    }
}
