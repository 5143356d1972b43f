//! How libjpeg's errors and warnings come to Rust, for the decoder and the encoder alike.

use std::any::Any;
use std::cell::Cell;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use mozjpeg_sys::{jpeg_common_struct, jpeg_error_mgr, jpeg_std_error};

thread_local! {
    /// Complaints about the data of the picture that this thread decodes.
    static WARNINGS: Cell<u32> = const { Cell::new(0) };
}

/// Complaints about the data of a picture since [`guarded`] began on this thread.
pub(super) fn warnings() -> u32 {
    WARNINGS.get()
}

/// Does work with libjpeg; what ends it there comes back as libjpeg's own words.
///
/// libjpeg's errors unwind through its frames, which are built for it, without touching the panic hook.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    WARNINGS.set(0);
    catch_unwind(AssertUnwindSafe(work)).map_err(words)
}

fn words(cause: Box<dyn Any + Send>) -> String {
    cause.downcast::<String>().map_or_else(|_| "unknown".to_owned(), |cause| *cause)
}

/// libjpeg's standard error manager, silent, with errors that unwind and warnings that are counted.
#[allow(unsafe_code)]
pub(super) fn error_manager() -> jpeg_error_mgr {
    // SAFETY: the struct is plain data of C, for which zeros are valid, and `jpeg_std_error` fills it.
    let mut manager: jpeg_error_mgr = unsafe { std::mem::zeroed() };
    // SAFETY: as above; the pointer that comes back is the one given.
    unsafe { jpeg_std_error(&mut manager) };
    manager.error_exit = Some(fail);
    manager.emit_message = Some(count);
    manager
}

extern "C-unwind" fn count(common: &mut jpeg_common_struct, level: c_int) {
    // That the end marker is missing harms no pixel; what is said of the data does.
    if level < 0 && message(common).starts_with("Corrupt JPEG data") {
        WARNINGS.set(WARNINGS.get().saturating_add(1));
    }
}

extern "C-unwind" fn fail(common: &mut jpeg_common_struct) {
    resume_unwind(Box::new(message(common)));
}

/// `JMSG_LENGTH_MAX`: what libjpeg expects of a buffer for its words.
const MESSAGE: usize = 200;

/// What libjpeg has to say, in its own words.
#[allow(unsafe_code)]
fn message(common: &mut jpeg_common_struct) -> String {
    let mut text = [0u8; MESSAGE];
    // SAFETY: `err` is the manager above, alive as long as the struct. The function is libjpeg's own
    // `void format_message(j_common_ptr, char *)`, which writes at most `MESSAGE` bytes, the zero at the end with
    // them. The binding declares its second argument as a shared reference to 80 bytes, through which nothing may
    // be written and behind which 200 would not fit; the type below says what the C function does. Both are a
    // pointer to C, so that the way of calling is the same.
    unsafe {
        if let Some(format) = common.err.as_ref().and_then(|manager| manager.format_message) {
            type Format = unsafe extern "C-unwind" fn(&mut jpeg_common_struct, &mut [u8; MESSAGE]);
            let format: Format = std::mem::transmute(format);
            format(common, &mut text);
        }
    }
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}
