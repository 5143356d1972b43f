//! Loading ONNX Runtime's libraries, and their entry. Knows nothing of places.

use std::env;
use std::ffi::c_void;
use std::path::Path;
use std::sync::Once;

use libloading::Library;
use ort::sys::OrtApiBase;

use crate::loader::{self, NotLoaded};

/// Loads a library of ONNX Runtime's, or one that it needs, as [`loader::open`] does.
///
/// # Errors
/// As there.
///
/// # Safety
/// As there.
#[allow(unsafe_code)]
pub(super) unsafe fn open(path: &Path) -> Result<Library, NotLoaded> {
    without_telemetry();
    // SAFETY: the caller's.
    unsafe { loader::open(path) }
}

/// ONNX Runtime's own table of two functions.
///
/// # Safety
/// The library has ONNX Runtime's entry, and is never unloaded.
#[allow(unsafe_code)]
pub(super) unsafe fn base(library: &Library) -> Option<&'static OrtApiBase> {
    type Entry = unsafe extern "C" fn() -> *const OrtApiBase;
    // SAFETY: the entry is of this type since version 1.0, and gives a table of two functions that lives as long as
    // the library. A null entry would be no function, so both are looked at as plain pointers first.
    unsafe {
        let entry = library.get::<Entry>(b"OrtGetApiBase").ok()?;
        let base = entry();
        if base.is_null() || has_null(base.cast(), size_of::<OrtApiBase>()) {
            return None;
        }
        base.as_ref()
    }
}

/// Whether one of the pointers in a table of so many bytes is null.
///
/// # Safety
/// The table has as many bytes, all of them pointers.
#[allow(unsafe_code)]
pub(super) unsafe fn has_null(table: *const *const c_void, bytes: usize) -> bool {
    // SAFETY: the caller's.
    (0..bytes / size_of::<*const c_void>()).any(|at| unsafe { table.add(at).read_unaligned() }.is_null())
}

/// ONNX Runtime 1.31 keeps records of its use, with a number for the device, in the user's cache folder, and would send
/// them: all that stops it is this variable, looked at when the library starts.
#[allow(unsafe_code)]
fn without_telemetry() {
    const VARIABLE: &str = "ORT_DISABLE_TELEMETRY";
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        if env::var_os(VARIABLE).is_none_or(|value| value != "1") {
            // SAFETY: a change of the environment must not meet a reading of it in another thread that goes past
            // Rust's lock, as C code does. It is made once in a process, before the first library is loaded and so
            // before any thread of ONNX Runtime's is there; none of our own threads reads the environment through C.
            // A host with such threads sets the variable before them, and then nothing is changed here.
            unsafe { env::set_var(VARIABLE, "1") };
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_in_a_table_is_seen() {
        let mut table = [std::ptr::from_ref(&0u8).cast::<c_void>(); 4];
        let bytes = size_of_val(&table);
        #[allow(unsafe_code)]
        // SAFETY: of as many bytes.
        let null = |table: &[*const c_void; 4]| unsafe { has_null(table.as_ptr(), bytes) };
        assert!(!null(&table));
        table[3] = std::ptr::null();
        assert!(null(&table));
    }
}
