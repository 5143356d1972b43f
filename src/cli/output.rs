//! What the program says: data on standard output, all else on standard error.
//!
//! Nothing here panics, and no run depends on who listens: a reader may go away, and the disk of a log may be full.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, IsTerminal, StdoutLock, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use serde::Serialize;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::photo;

use super::{Exit, arguments};

/// A line on standard error, as `eprintln!` writes it.
macro_rules! tell {
    ($($text:tt)*) => { $crate::cli::output::line(format_args!($($text)*)) };
}
pub(crate) use tell;

/// A name that a file gave, for a table: no longer than a line has room for.
pub(crate) fn brief(name: &str) -> Cow<'_, str> {
    const MOST: usize = 60;
    match name.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &name[..end]).into(),
        None => name.into(),
    }
}

/// What a command has said to whoever called it within a program of their own.
#[derive(Debug, Default)]
pub(crate) struct CapturedOutput {
    /// Data.
    pub(crate) output: Vec<u8>,
    /// All else.
    pub(crate) messages: String,
}

/// Where a called command's words are kept; none in the program.
static CAPTURED: Mutex<Option<CapturedOutput>> = Mutex::new(None);

fn capture() -> MutexGuard<'static, Option<CapturedOutput>> {
    CAPTURED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on words are kept, up to [`take_captured`].
pub(crate) fn keep() {
    *capture() = Some(CapturedOutput::default());
}

/// What was said since [`keep`].
pub(crate) fn take_captured() -> CapturedOutput {
    capture().take().unwrap_or_default()
}

/// Whether words are kept: no terminal is watched.
pub(crate) fn is_captured() -> bool {
    capture().is_some()
}

/// Whether nothing is said but errors and what was asked for.
static QUIET: AtomicBool = AtomicBool::new(false);

/// `--quiet`, or not.
pub(crate) fn set_quiet(quiet: bool) {
    QUIET.store(quiet, Ordering::Relaxed);
}

/// See [`set_quiet`].
pub(crate) fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// See [`tell`].
pub(crate) fn line(text: fmt::Arguments<'_>) {
    aside(&format!("{text}\n"));
}

/// Why the command failed, in a sentence; said to the quiet as well.
pub(crate) fn failure(sentence: &str) {
    to_person(&format!("rcnn: {sentence}\n"));
}

/// Text for a person on standard error, if anybody takes it and wants to hear it.
pub(crate) fn aside(text: &str) {
    if !is_quiet() {
        to_person(text);
    }
}

fn to_person(text: &str) {
    if let Some(captured) = capture().as_mut() {
        return captured.messages.push_str(text);
    }
    // Who does not take it is not told either.
    let _ = io::stderr().lock().write_all(harmless(text).as_bytes());
}

/// Text for a person on standard output, as [`print()`] writes data.
///
/// # Errors
/// As [`print()`].
pub(crate) fn show(text: &str) -> io::Result<()> {
    print(&harmless(text))
}

/// Text that only tells: a name of a file that came along with it cannot command the terminal or turn the direction
/// of writing.
fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return text.into();
    }
    let escaped = |c: char| if acts(c) { c.escape_debug().to_string() } else { c.into() };
    text.chars().map(escaped).collect::<String>().into()
}

/// JSON of the same values in which no character acts on a terminal: the standard lets each be written as a number.
fn harmless_json(json: &str) -> Cow<'_, str> {
    // Those below are escaped by whoever writes JSON, or are blanks between values.
    let acts = |c: char| c >= '\u{7f}' && acts(c);
    if !json.contains(acts) {
        return json.into();
    }
    let written = |c: char| if acts(c) { format!("\\u{:04x}", u32::from(c)) } else { c.into() };
    json.chars().map(written).collect::<String>().into()
}

/// Whether a character commands a terminal or turns the direction of writing.
fn acts(c: char) -> bool {
    c.is_control() && c != '\n'
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Prints JSON on standard output. A reader that is gone wants no more, which is no failure.
///
/// # Errors
/// When the data cannot be written although somebody waits for it.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = Out::of(true);
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Prints what a command found on standard output: as one JSON document, or as text for a person.
pub(crate) fn print_report(report: &(impl Serialize + fmt::Display), json: bool) -> anyhow::Result<()> {
    if json { print_json(report) } else { Ok(show(&report.to_string())?) }
}

/// As [`print_report`], for commands that a person watches: beside JSON, the text is on standard error.
pub(crate) fn print_watched_report(
    report: &(impl Serialize + fmt::Display),
    json: bool,
) -> anyhow::Result<()> {
    if json {
        aside(&report.to_string());
    }
    print_report(report, json)
}

/// Prints a value as JSON on standard output.
pub(crate) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    let json = serde_json::to_string_pretty(value).context("cannot write the result as JSON")?;
    Ok(print(&format!("{json}\n"))?)
}

/// Standard output, or what stands in for it.
enum To {
    Stdout(StdoutLock<'static>),
    Captured,
}

impl Write for To {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            To::Stdout(to) => to.write(bytes),
            To::Captured => {
                if let Some(captured) = capture().as_mut() {
                    captured.output.extend_from_slice(bytes);
                }
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            To::Stdout(to) => to.flush(),
            To::Captured => Ok(()),
        }
    }
}

/// Standard output, for what comes piece by piece.
pub(crate) struct Out {
    to: To,
    json: bool,
    gone: bool,
}

impl Out {
    /// For JSON, or for text that is [`harmless`].
    pub(crate) fn of(json: bool) -> Out {
        let to = if is_captured() { To::Captured } else { To::Stdout(io::stdout().lock()) };
        Out { to, json, gone: false }
    }

    /// Whether the reader is gone, so that nothing more need be made for it.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone
    }

    fn judge<T>(&mut self, written: io::Result<T>, all: T) -> io::Result<T> {
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.gone = true;
                Ok(all)
            }
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                Err(io::Error::new(error.kind(), format!("cannot write to standard output: {error}")))
            }
            written => written,
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.gone {
            return Ok(bytes.len());
        }
        let safe = if self.json { harmless_json } else { harmless };
        let written = match std::str::from_utf8(bytes).map(safe) {
            Ok(Cow::Owned(text)) => self.to.write_all(text.as_bytes()).map(|()| bytes.len()),
            _ => self.to.write(bytes),
        };
        self.judge(written, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.gone {
            return Ok(());
        }
        let flushed = self.to.flush();
        self.judge(flushed, ())
    }
}

/// Shows help, the version, or what is wrong with the arguments.
pub(crate) fn usage(error: &clap::Error) -> u8 {
    let odd = |argument: std::ffi::OsString| argument.to_string_lossy().contains(char::is_control);
    // Arguments may be names of files, as a shell's `*` gives them.
    let written = if is_captured() || arguments::all().any(odd) {
        to_person(&error.to_string());
        Ok(())
    } else {
        error.print()
    };
    match written {
        Err(cause) if !error.use_stderr() && cause.kind() != io::ErrorKind::BrokenPipe => {
            failure(&format!("cannot write to standard output: {cause}"));
            Exit::Failed as u8
        }
        _ => u8::try_from(error.exit_code()).unwrap_or(Exit::WrongUsage as u8),
    }
}

/// A panic is a mistake of ours, in whatever thread: one sentence, with the place and the reason for whoever mends it.
pub(crate) fn speak_plainly_on_panic() {
    static CAPTURED: AtomicBool = AtomicBool::new(false);
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::debug!("panic at {place}: {panic}");
        // A decoder's panic is a failure of its photo; a panic that follows from another says nothing new.
        if photo::is_decoding() || CAPTURED.swap(true, Ordering::Relaxed) {
            return;
        }
        let reason = panic.payload_as_str().unwrap_or("no reason is given").escape_debug();
        failure(&format!(
            "a mistake in rcnn itself ({place}: {reason}): please report it, with RCNN_LOG=debug"
        ));
    }));
}

/// `RCNN_LOG` turns on tracing, by levels such as `debug` or levels of parts such as `rcnn=debug,ureq=info`, and `--verbose` does where it is not set: once for our
/// own parts, more often for all.
pub(crate) fn init_tracing(verbose: u8) {
    let level = match verbose {
        0 => None,
        1 => Some("rcnn=debug".to_owned()),
        _ => Some("debug".to_owned()),
    };
    let Some(filter) = std::env::var("RCNN_LOG").ok().or(level) else { return };
    match filter.parse::<Targets>() {
        Ok(filter) => tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(io::stderr().is_terminal())
            .with_writer(io::stderr)
            .log_internal_errors(false)
            .finish()
            .with(filter)
            .try_init()
            // In another program's process a second command finds what the first has set up.
            .unwrap_or_default(),
        Err(error) => tell!("note: RCNN_LOG is not understood and tells nothing: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rayon::prelude::*;

    /// Set for the process that is to panic.
    const PANICS: &str = "RCNN_TEST_PANICS";

    #[test]
    fn a_panic_of_a_worker_says_where_and_why() {
        if std::env::var_os(PANICS).is_some() {
            super::speak_plainly_on_panic();
            (0..100).into_par_iter().for_each(|n| assert!(n != 50, "fifty is \u{1b}too much"));
            return;
        }
        let own = "cli::output::tests::a_panic_of_a_worker_says_where_and_why";
        let child = Command::new(std::env::current_exe().unwrap())
            .args([own, "--exact", "--nocapture"])
            .env(PANICS, "1")
            .output()
            .unwrap();
        let messages = String::from_utf8_lossy(&child.stderr);
        assert_eq!(child.status.code(), Some(101), "{messages}");
        assert_eq!(messages.matches("a mistake in rcnn itself").count(), 1, "{messages}");
        assert!(
            messages.contains("output.rs") && messages.contains("fifty is \\u{1b}too much"),
            "{messages}"
        );
    }

    #[test]
    fn names_in_a_text_cannot_command_a_terminal() {
        assert_eq!(
            super::harmless("a \u{1b}[31mb\n\u{9b}c\u{202e}d ü 日本 👍🏽\n"),
            "a \\u{1b}[31mb\n\\u{9b}c\\u{202e}d ü 日本 👍🏽\n"
        );
    }
}
