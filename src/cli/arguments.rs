//! The arguments of the command that is running. They are the process's own in the program, and are handed over where
//! another program, such as Python, runs a command in its own process.

use std::ffi::OsString;
use std::sync::{Mutex, PoisonError};

static GIVEN: Mutex<Vec<OsString>> = Mutex::new(Vec::new());

/// Keeps the arguments, the program's name first.
pub(super) fn give(arguments: Vec<OsString>) {
    *GIVEN.lock().unwrap_or_else(PoisonError::into_inner) = arguments;
}

/// The arguments, the program's name first.
pub(super) fn all() -> impl Iterator<Item = OsString> {
    GIVEN.lock().unwrap_or_else(PoisonError::into_inner).clone().into_iter()
}
