//! Running another program (Python, pip, npm) without letting it hang or speak. Knows nothing of what it is for.

use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a program printed on standard output.
///
/// # Errors
/// When it cannot be started, runs longer than `limit`, or fails; one line that says which.
pub(super) fn output(command: &mut Command, limit: Duration) -> Result<String, String> {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "not on this machine".to_owned(),
        _ => error.to_string(),
    })?;
    // Both pipes are drained beside the waiting: a full pipe would stop the program for ever.
    let out = drain(child.stdout.take());
    let err = drain(child.stderr.take());
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

fn drain(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
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
        assert_eq!(outcome, Err("not on this machine".into()));
    }

    #[cfg(unix)]
    #[test]
    fn a_hanging_program_is_ended() {
        let outcome = output(Command::new("sleep").arg("30"), Duration::from_millis(50));
        assert_eq!(outcome, Err("no answer within 0 seconds".into()));
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
