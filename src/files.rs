//! Opening files that somebody else may have put there: regular ones only, of a bounded length. A leaf.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Opens a file to read. Named pipes and devices, on which reading may wait for ever, are refused.
///
/// # Errors
/// When it is no regular file, or what the system reports.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    if !kind.is_file() {
        let what = "it is no regular file but a pipe, a device or a socket";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    File::open(path)
}

/// The bytes of a file that has at most so many.
///
/// # Errors
/// As [`open`], and when it is longer.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {most} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_a_bounded_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        fs::write(&path, "four").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"four");
        assert!(read(&path, 3).unwrap_err().to_string().contains("more than 3 bytes"));
        assert!(open(folder.path()).unwrap_err().to_string().contains("folder"));
        #[cfg(unix)]
        assert!(open(Path::new("/dev/zero")).unwrap_err().to_string().contains("a device"));
    }
}
