//! Input that can be read only once, such as a pipe, for readers that open it several times. A leaf.
//!
//! A command keeps what a user names as a file; whoever reads it then opens it by its path like any other.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What is kept, by its path.
static KEPT: Mutex<Vec<(PathBuf, Arc<Mutex<File>>)>> = Mutex::new(Vec::new());

/// Reads a pipe to its end and keeps what came; other files are left alone.
///
/// # Errors
/// When it is a device, or cannot be read or kept.
pub fn keep(path: &Path) -> io::Result<()> {
    let Ok(metadata) = fs::metadata(path) else { return Ok(()) };
    if metadata.is_file() || metadata.is_dir() {
        return Ok(());
    }
    if !is_pipe(&metadata) {
        return Err(io::Error::other("it is a device, neither a file nor a pipe"));
    }
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.iter().any(|(other, _)| other == path) {
        return Ok(());
    }
    // It has no name, and goes with the process however that ends.
    let mut copy = tempfile::tempfile()?;
    io::copy(&mut File::open(path)?, &mut copy)?;
    kept.push((path.to_owned(), Arc::new(Mutex::new(copy))));
    Ok(())
}

#[cfg(unix)]
fn is_pipe(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&metadata.file_type())
}

#[cfg(not(unix))]
fn is_pipe(_: &fs::Metadata) -> bool {
    true
}

/// A file, or what was kept of a pipe, from its beginning.
///
/// # Errors
/// What the system reports.
pub(crate) fn open(path: &Path) -> io::Result<Opened> {
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    match kept.iter().find(|(other, _)| other == path) {
        Some((_, file)) => Ok(Opened::Kept { file: Arc::clone(file), at: 0 }),
        None => Ok(Opened::File(File::open(path)?)),
    }
}

/// An open file, or what was kept of a pipe.
pub(crate) enum Opened {
    File(File),
    /// Each that reads has a place of its own in it.
    Kept {
        file: Arc<Mutex<File>>,
        at: u64,
    },
}

impl Read for Opened {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Opened::File(file) => file.read(bytes),
            Opened::Kept { file, at } => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(*at))?;
                let count = file.read(bytes)?;
                *at += count as u64;
                Ok(count)
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_pipe_is_read_as_often_as_is_asked() {
        let (reader, mut writer) = io::pipe().unwrap();
        let path = PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()));
        let writing = std::thread::spawn(move || writer.write_all(&[7; 200_000]).unwrap());
        keep(&path).unwrap();
        writing.join().unwrap();
        keep(&path).unwrap();
        let (mut first, mut second) = (open(&path).unwrap(), open(&path).unwrap());
        let (mut a, mut b) = (Vec::new(), Vec::new());
        first.by_ref().take(1000).read_to_end(&mut a).unwrap();
        second.read_to_end(&mut b).unwrap();
        first.read_to_end(&mut a).unwrap();
        assert!(a == b && a.len() == 200_000);
    }

    #[test]
    fn what_never_ends_is_refused_and_files_stay_files() {
        assert!(keep(Path::new("/dev/zero")).unwrap_err().to_string().contains("a device"));
        keep(Path::new("Cargo.toml")).unwrap();
        keep(Path::new("gone")).unwrap();
        assert!(matches!(open(Path::new("Cargo.toml")), Ok(Opened::File(_))));
        assert!(open(Path::new("gone")).is_err());
    }
}
