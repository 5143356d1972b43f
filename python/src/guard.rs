//! What surrounds every call from Python: the GIL is released, no panic crosses, and in a forked process, which has none of
//! our threads, nothing waits for them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

use crate::error;

/// The process in which work was done first; 0 before.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// Where and why the last panic was, for whoever mends it.
static PANIC: Mutex<String> = Mutex::new(String::new());

/// Panics become exceptions: standard error is Python's.
pub(crate) fn listen_for_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let reason = panic.payload_as_str().unwrap_or("no reason is given").escape_debug();
        *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = format!("{place}: {reason}");
    }));
}

/// Works with the GIL released.
///
/// # Errors
/// In a process that was forked from one in which work was done, and where the work panics.
pub(crate) fn release<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    refuse_after_fork(py)?;
    match py.detach(|| catch_unwind(AssertUnwindSafe(work))) {
        Ok(outcome) => Ok(outcome),
        Err(_) => {
            let why = PANIC.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let text = format!("a mistake in rcnn itself ({why}): please report it");
            Err(error::named(py, "InternalError", &text))
        }
    }
}

fn refuse_after_fork(py: Python<'_>) -> PyResult<()> {
    let own = std::process::id();
    match OWNER.compare_exchange(0, own, Ordering::SeqCst, Ordering::SeqCst) {
        Err(owner) if owner != own => Err(error::named(
            py,
            "ForkError",
            "this process was forked from one in which rcnn had been at work, and has none of its threads: start \
             processes with \"spawn\" or \"forkserver\", as in multiprocessing.get_context(\"spawn\"), or use rcnn in \
             the forked processes only",
        )),
        _ => Ok(()),
    }
}
