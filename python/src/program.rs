//! The command line in Python's process: as the program, and as functions that call single commands.

use std::ffi::OsString;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pyo3::prelude::*;

use crate::guard;

/// What the program ends with after a mistake of its own.
const MISTAKE: u8 = 101;

/// How often somebody who waits looks for Ctrl-C.
const LOOK: Duration = Duration::from_millis(50);

/// Runs a command as the program does, the program's name first; gives the exit code.
#[pyfunction]
pub(crate) fn main(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| {
        let code = catch_unwind(|| rcnn::internal::cli::main(arguments)).unwrap_or(MISTAKE);
        // Nobody else writes out what is left, as this is no program of Rust's; who has gone away wants none of it.
        let _ = std::io::stdout().flush();
        code
    })
}

/// Calls a command, the program's name first; gives the exit code, what it would print, and what it would tell. Ctrl-C ends
/// it in order.
#[pyfunction]
pub(crate) fn call(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<(u8, String, String)> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut interrupted = None;
    let called = guard::release(py, || {
        std::thread::scope(|scope| {
            let work = scope
                .spawn(|| catch_unwind(AssertUnwindSafe(|| rcnn::internal::cli::call(arguments, &stop))));
            while !work.is_finished() {
                std::thread::park_timeout(LOOK);
                if interrupted.is_none()
                    && let Err(error) = Python::attach(|py| py.check_signals())
                {
                    interrupted = Some(error);
                    stop.store(true, Ordering::SeqCst);
                }
            }
            work.join().and_then(|outcome| outcome).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })?;
    match interrupted {
        Some(error) => Err(error),
        None => Ok((called.exit, called.output, called.messages)),
    }
}

/// See `rcnn::bring_runtime`.
#[pyfunction]
pub(crate) fn bring_runtime(folder: PathBuf) {
    rcnn::bring_runtime(folder);
}
