//! Running another program (Python, pip, npm) without letting it hang, speak, or take anything from the current folder.
//! Knows nothing of what it is for.

use std::env;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Lists of folders that programs are given without their relative entries. An interpreter's are among them, as its
/// scripts (`pip`, `npm`) are not isolated from them as `python3 -I` is.
const LISTS: [&str; 3] = ["PATH", "PYTHONPATH", "NODE_PATH"];

/// What an error is called that says least.
pub(super) const MISSING: &str = "not on this machine";

/// A program by its name, from the absolute folders of PATH alone. It starts in a folder that holds nothing of a
/// user's, so that what it looks for in the current folder (`.npmrc`, `.python-version`) is not found.
pub(super) fn program(name: &str) -> Option<Command> {
    let mut command = Command::new(located(name)?);
    for list in LISTS {
        match env::var_os(list).map(|value| env::join_paths(absolute(&value))) {
            Some(Ok(value)) if !value.is_empty() => command.env(list, value),
            _ => command.env_remove(list),
        };
    }
    command.current_dir(neutral());
    Some(command)
}

fn absolute(list: &OsString) -> Vec<PathBuf> {
    env::split_paths(list).filter(|folder| folder.is_absolute()).collect()
}

fn located(name: &str) -> Option<PathBuf> {
    if Path::new(name).is_absolute() {
        return Some(name.into());
    }
    let ends: &[&str] = if cfg!(windows) { &[".exe", ".cmd"] } else { &[""] };
    let names = || ends.iter().map(|end| format!("{name}{end}"));
    let folders = env::var_os("PATH").map_or_else(Vec::new, |path| absolute(&path));
    folders.iter().flat_map(|folder| names().map(|name| folder.join(name))).find(|path| can_run(path))
}

fn can_run(path: &Path) -> bool {
    let Ok(found) = path.metadata() else { return false };
    #[cfg(unix)]
    let allowed = std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let allowed = true;
    found.is_file() && allowed
}

/// Above everything, where only the system itself writes.
fn neutral() -> PathBuf {
    let windows = || env::var_os("SystemRoot").map_or_else(|| "C:\\Windows".into(), PathBuf::from);
    if cfg!(windows) { windows() } else { "/".into() }
}

/// What a program printed on standard output.
///
/// # Errors
/// When it cannot be started, runs longer than `limit`, or fails; one line that says which.
pub(super) fn output(command: &mut Command, limit: Duration) -> Result<String, String> {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => MISSING.to_owned(),
        _ => error.to_string(),
    })?;
    // Both pipes are drained beside the waiting: a full pipe would stop the program for ever.
    let (out, err) = match (drain(child.stdout.take()), drain(child.stderr.take())) {
        (Ok(out), Ok(err)) => (out, err),
        (Err(error), _) | (_, Err(error)) => {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("cannot start a thread: {error}"));
        }
    };
    let started = Instant::now();
    let mut pause = Duration::from_millis(1);
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if started.elapsed() < limit => thread::sleep(pause),
            outcome => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(match outcome {
                    Ok(_) => format!("no answer within {} seconds", limit.as_secs()),
                    Err(error) => error.to_string(),
                });
            }
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    };
    let (out, err) = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
    if status.success() { Ok(out) } else { Err(complaint(&err).unwrap_or_else(|| status.to_string())) }
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> std::io::Result<thread::JoinHandle<String>> {
    thread::Builder::new().spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            let _ = pipe.take(1 << 20).read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The line of an error output that says most: the first that speaks of an error, else the last.
fn complaint(text: &str) -> Option<String> {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines().find(|line| line.to_lowercase().contains("error")).or_else(|| lines().next_back())?;
    Some(line.chars().filter(|c| !c.is_control()).take(200).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_told() {
        let outcome = output(&mut Command::new("rcnn-no-such-program"), Duration::from_secs(1));
        assert_eq!(outcome, Err(MISSING.into()));
        assert!(program("rcnn-no-such-program").is_none());
    }

    #[cfg(unix)]
    #[test]
    fn a_hanging_program_is_ended() {
        let outcome = output(Command::new("sleep").arg("30"), Duration::from_millis(50));
        assert_eq!(outcome, Err("no answer within 0 seconds".into()));
    }

    #[cfg(unix)]
    #[test]
    fn a_program_starts_outside_the_current_folder() {
        let mut command = program("pwd").unwrap();
        assert!(Path::new(command.get_program()).is_absolute());
        assert_eq!(output(&mut command, Duration::from_secs(10)), Ok("/\n".into()));
    }

    #[test]
    fn the_line_about_the_error_is_taken() {
        assert_eq!(
            complaint("warning: old\nERROR: no such version\nbye\n").as_deref(),
            Some("ERROR: no such version")
        );
        assert_eq!(complaint("one\ntwo\n\n").as_deref(), Some("two"));
        assert_eq!(complaint(" \n"), None);
    }
}
