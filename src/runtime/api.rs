//! Handing ONNX Runtime's table of functions to `ort`, so that releases older than the newest function in the table
//! still do for what they can.
//!
//! `ort` refuses every library older than its `api-NN` feature. Plugins need the functions of release 1.22, while
//! the processor and CUDA need nothing newer than 1.17. So the table is filled here: with the library's own
//! functions as far as its release has them, and beyond that with stubs, which nobody calls, because plugins are
//! refused before ([`super::plugin`]). Knows nothing of sessions.

use std::error::Error;
use std::mem::{offset_of, size_of};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use ort::sys::{OrtApi, OrtExecutionProviderDevicePolicy, OrtSessionOptions, OrtStatusPtr, stub};

use super::{RuntimeError, loader};

/// The newest release whose functions `ort` has been compiled with.
const NEWEST_MINOR: u32 = ort::MINOR_VERSION;

/// Whether the functions have been given to `ort`, which would panic without them.
static READY: AtomicBool = AtomicBool::new(false);

/// Loads the library and gives its functions to `ort`, for the rest of the process.
///
/// # Errors
/// What the loader says, or that the library has not all functions of its own release.
#[allow(unsafe_code)]
pub(super) fn load(path: &Path, minor: u32) -> Result<(), Box<dyn Error + Send + Sync>> {
    let version = minor.min(NEWEST_MINOR);
    let bytes = known_bytes(version);
    // SAFETY: the path is one that `probe` has just loaded and asked for its version, so the entry is there and of its
    // type. A library of release 1.N gives for version V <= N a table that is at least as long as `known_bytes(V)`, by
    // ONNX Runtime's promise that tables only grow, and all of it is function pointers. That none is null is seen
    // before exactly those bytes are copied over valid function pointers of the same types. The library is never
    // unloaded, so the pointers stay valid.
    unsafe {
        let library = loader::open(path)?;
        let base = loader::base(&library).ok_or("it has no table of functions")?;
        let theirs = (base.GetApi)(version);
        if theirs.is_null() {
            return Err(format!("it has no functions of version {version}").into());
        }
        if loader::has_null(theirs.cast(), bytes) {
            return Err(format!("it lacks a function of version {version}").into());
        }
        let mut table = stub::api();
        let target = std::ptr::from_mut(&mut table).cast::<u8>();
        target.copy_from_nonoverlapping(theirs.cast::<u8>(), bytes);
        table.SessionOptionsSetEpSelectionPolicy = leave_devices_alone;
        ort::set_api(table);
        std::mem::forget(library);
    }
    READY.store(true, Ordering::Release);
    Ok(())
}

/// Whether `ort` may be asked for anything.
pub(super) fn ready() -> Result<(), RuntimeError> {
    if READY.load(Ordering::Acquire) { Ok(()) } else { Err(RuntimeError::NotOpen) }
}

/// `ort` asks for an automatic choice of devices in every session that it builds. Once a plugin is registered, that
/// would put sessions that are meant for the processor's own kernels onto the plugin, with its own idea of
/// precision. Devices are chosen here by name, so nothing is done; older releases lack the function anyway.
#[allow(unsafe_code)]
unsafe extern "system" fn leave_devices_alone(
    _: *mut OrtSessionOptions,
    _: OrtExecutionProviderDevicePolicy,
) -> OrtStatusPtr {
    OrtStatusPtr::default()
}

/// How much of the table a release knows: up to the first function of the next release that added any.
fn known_bytes(minor: u32) -> usize {
    match minor {
        0..=17 => offset_of!(OrtApi, SessionOptionsAppendExecutionProvider_VitisAI),
        18 | 19 => offset_of!(OrtApi, CreateLoraAdapter),
        20 | 21 => offset_of!(OrtApi, ReleaseValueInfo),
        _ => size_of::<OrtApi>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_releases_know_more_and_none_knows_more_than_the_table() {
        let known: Vec<usize> = (17..=30).map(known_bytes).collect();
        assert!(known.is_sorted() && known[0] > 0);
        assert_eq!(known.last(), Some(&size_of::<OrtApi>()));
        assert!(known_bytes(17) < known_bytes(18) && known_bytes(21) < known_bytes(22));
    }
}
