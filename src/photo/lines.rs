//! Paths from text, one a line, as `find` and `ls` print them: any bytes that the system has in names.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use coco_eval::text;

/// The paths in a file. A pipe in its place may never end.
pub(super) fn of_file(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is a pipe or a device, no file: - takes paths from standard input"));
    }
    paths(fs::File::open(path)?)
}

/// The paths in a text; empty lines are none.
pub(super) fn paths(mut from: impl Read) -> io::Result<Vec<PathBuf>> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes)?;
    // Windows' own tools write a mark, or UTF-16.
    let mut lines = Vec::new();
    text::reader(io::Cursor::new(bytes))?.0.read_to_end(&mut lines)?;
    if let Some(what) = text::stand_in(&lines) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    let lines = lines.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    Ok(lines.map(path).collect())
}

#[cfg(unix)]
fn path(line: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    OsString::from_vec(line.to_vec()).into()
}

/// Elsewhere names are text; a line that is none is a path that is not there.
#[cfg(not(unix))]
fn path(line: &[u8]) -> PathBuf {
    OsString::from(String::from_utf8_lossy(line).into_owned()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_may_end_and_begin_as_on_windows() {
        let expected = [PathBuf::from("a b.jpg"), PathBuf::from("日本.jpg")];
        let text = "a b.jpg\r\n\r\n  日本.jpg";
        let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [text.as_bytes(), &marked, &[b"\xff\xfe", &wide[..]].concat()] {
            assert_eq!(paths(bytes).unwrap(), expected);
        }
    }

    #[test]
    fn what_stands_in_a_lists_place_names_no_photos() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
        for (bytes, words) in [(&pointer[..], "git lfs pull"), (b"<!DOCTYPE html>\n<html>\n", "web page")] {
            let error = paths(bytes).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_no_text_is_a_path_like_others() {
        use std::os::unix::ffi::OsStrExt;
        let found = paths(&b"a\xff.jpg\nb.jpg\n"[..]).unwrap();
        assert_eq!(found[0].as_os_str().as_bytes(), b"a\xff.jpg");
        assert_eq!(found[1], Path::new("b.jpg"));
    }
}
