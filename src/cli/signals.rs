//! Signals that end a command: the first asks it to stop in order, the second ends the program at once. Knows which
//! signal came, and so the exit code; commands see a flag only.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::Exit;
use super::output::tell;

/// A signal ends a program with 128 and its number.
const SIGNALS: [(i32, Exit); 3] =
    [(SIGINT, Exit::Interrupted), (SIGTERM, Exit::Terminated), (SIGHUP, Exit::HungUp)];

#[cfg(unix)]
const SIGHUP: i32 = signal_hook::consts::SIGHUP;
/// Windows has none; its number is never sent.
#[cfg(not(unix))]
const SIGHUP: i32 = 1;

struct StopRequest {
    stop: Arc<AtomicBool>,
    /// The signal's number; 0 where none came.
    signal: Arc<AtomicUsize>,
}

static REQUEST: OnceLock<StopRequest> = OnceLock::new();

/// The flag of whoever called the command within a program of their own, which has its own ways with signals.
static CALLER: Mutex<Option<Arc<AtomicBool>>> = Mutex::new(None);

/// Commands from now on are stopped by this flag, and signals are left alone; `None` turns back to signals.
pub(crate) fn stop_by(flag: Option<Arc<AtomicBool>>) {
    *CALLER.lock().unwrap_or_else(PoisonError::into_inner) = flag;
}

/// A flag that the first signal sets. Whoever works on ends what is under way, and writes nothing that is not whole and
/// true; the second signal ends the program at once, without destructors while other threads are at work.
pub(crate) fn stop_on_signal() -> Arc<AtomicBool> {
    if let Some(flag) = CALLER.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
        return Arc::clone(flag);
    }
    let request = REQUEST.get_or_init(|| {
        let request = StopRequest { stop: Arc::default(), signal: Arc::default() };
        for (signal, exit) in SIGNALS {
            // Where the system allows no handler, a signal ends the program, and what is written is valid anyway.
            let _ = handle(signal, exit, &request);
        }
        tell_of_the_first();
        request
    });
    Arc::clone(&request.stop)
}

/// The exit code of the signal that asked to stop, if one did.
pub(crate) fn received() -> Option<Exit> {
    let number = REQUEST.get()?.signal.load(Ordering::SeqCst);
    SIGNALS.into_iter().find(|(signal, _)| *signal as usize == number).map(|(_, exit)| exit)
}

/// A file that grows beyond what the user may write is an error to tell of, not the end of the program.
#[cfg(unix)]
pub(crate) fn outlive_limits_of_files() {
    // Where the system allows no handler, the program ends as it would without.
    let _ = flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
}

#[cfg(not(unix))]
pub(crate) fn outlive_limits_of_files() {}

fn handle(signal: i32, exit: Exit, request: &StopRequest) -> std::io::Result<()> {
    if is_passed_over(signal) {
        return Ok(());
    }
    // In this order: the second signal finds the flag set, and the flag is set after the number.
    flag::register_conditional_shutdown(signal, exit as i32, Arc::clone(&request.stop))?;
    flag::register_usize(signal, Arc::clone(&request.signal), signal as usize)?;
    flag::register(signal, Arc::clone(&request.stop))?;
    Ok(())
}

/// `nohup` has programs ignore that their terminal goes away. Whoever sends another signal means it.
#[cfg(unix)]
#[allow(unsafe_code)]
fn is_passed_over(signal: i32) -> bool {
    if signal != SIGHUP {
        return false;
    }
    // SAFETY: without a new action, the call only writes the present one into a struct that is ours and zeroed, which
    // is valid for it: it holds numbers, and a function's address as one.
    unsafe {
        let mut present: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut present) == 0
            && present.sa_sigaction == libc::SIG_IGN
    }
}

#[cfg(not(unix))]
fn is_passed_over(signal: i32) -> bool {
    signal == SIGHUP
}

/// Says on standard error that the work is being ended, when it is asked to.
#[cfg(unix)]
fn tell_of_the_first() {
    let handled = SIGNALS.map(|(signal, _)| signal).into_iter().filter(|signal| !is_passed_over(*signal));
    let Ok(mut signals) = signal_hook::iterator::Signals::new(handled) else { return };
    // Without a thread, the work is ended without this word.
    let _thread = std::thread::Builder::new().spawn(move || {
        if signals.forever().next().is_some() {
            tell!("stopping after what is under way; once more stops at once");
        }
    });
}

#[cfg(not(unix))]
fn tell_of_the_first() {}
