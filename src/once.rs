//! Input that can be read only once, such as a pipe, for readers that open it several times.
//!
//! A command keeps what a user names as a file; whoever reads it then opens it by its path like any other.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use coco_eval::source;

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
    if source::stands_in_for(path) {
        return Ok(());
    }
    // It has no name, and goes with the process however that ends.
    let mut copy = tempfile::tempfile()?;
    io::copy(&mut File::open(path)?, &mut copy)?;
    source::stand_in_for(path, copy);
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

#[cfg(all(test, unix))]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_pipe_is_kept_once_and_files_stay_files() {
        let (reader, mut writer) = io::pipe().unwrap();
        let path = PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()));
        let writing = std::thread::spawn(move || writer.write_all(&[7; 200_000]).unwrap());
        keep(&path).unwrap();
        writing.join().unwrap();
        keep(&path).unwrap();
        assert!(source::stands_in_for(&path));
        assert!(keep(Path::new("/dev/zero")).unwrap_err().to_string().contains("a device"));
        for path in ["Cargo.toml", "gone"].map(Path::new) {
            keep(path).unwrap();
            assert!(!source::stands_in_for(path));
        }
    }
}
