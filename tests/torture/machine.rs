//! The program under watch: started with limits, signalled, waited for, and what it leaves in a folder.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Place, runtime};

/// No command of this suite takes so long; the checkout's own build of the program may be slow.
const LONGEST: Duration = Duration::from_secs(900);

/// A command under way.
pub struct Running {
    child: Child,
    begun: Instant,
    peak: u64,
    /// Where its standard error goes.
    told: std::path::PathBuf,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code, or signal.
    pub status: ExitStatus,
    /// Standard error.
    pub err: String,
    /// Most bytes in memory.
    pub peak: u64,
    pub seconds: f64,
}

/// Starts the program; `limits` are words of the shell's before it, such as `ulimit -v 1000000`.
pub fn start(place: &Place, arguments: &[&str], limits: &str) -> Running {
    let told = place.at(&format!("told-{}.txt", fastrand::u64(..)));
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{limits}\nexec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_rcnn")]);
    command.args(arguments).current_dir(place.at(""));
    command.env("RCNN_CACHE", place.at("cache")).env("ORT_DYLIB_PATH", runtime());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&told).unwrap());
    Running { child: command.spawn().unwrap(), begun: Instant::now(), peak: 0, told }
}

/// Runs the program to its end.
pub fn run(place: &Place, arguments: &[&str], limits: &str) -> Ended {
    start(place, arguments, limits).wait()
}

impl Running {
    /// Waits for a while; whether it is still at work.
    pub fn lasts(&mut self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while self.child.try_wait().unwrap().is_none() {
            self.peak = self.peak.max(peak(self.child.id()));
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(Duration::from_millis(5)));
        }
        false
    }

    /// Sends a signal by its name without `SIG`.
    pub fn signal(&mut self, name: &str) {
        // Whoever has ended meanwhile hears nothing.
        let _ = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .stderr(Stdio::null())
            .status();
    }

    /// Its end, which must come.
    pub fn wait(mut self) -> Ended {
        if self.lasts(LONGEST) {
            self.child.kill().unwrap();
            panic!("no end after {LONGEST:?}: {}", fs::read_to_string(&self.told).unwrap_or_default());
        }
        let err = String::from_utf8_lossy(&fs::read(&self.told).unwrap()).into_owned();
        fs::remove_file(&self.told).unwrap();
        let seconds = self.begun.elapsed().as_secs_f64();
        Ended { status: self.child.wait().unwrap(), err, peak: self.peak, seconds }
    }
}

impl Ended {
    /// Fails unless the exit code is one of these, or a signal that is expected ended it; a mistake of the program's own
    /// is never right.
    #[track_caller]
    pub fn expect(self, codes: &[i32], signals: &[i32]) -> Ended {
        let right = match (self.status.code(), self.status.signal()) {
            (Some(code), _) => codes.contains(&code),
            (None, signal) => signal.is_some_and(|signal| signals.contains(&signal)),
        };
        assert!(right && !self.err.contains("a mistake in rcnn"), "{:?}: {}", self.status, self.err);
        self
    }
}

/// `VmHWM`: the most that a process has had in memory; 0 where the system does not tell.
fn peak(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) << 10
}

/// Every file in a run's folder with its bytes; of run.json, which tells times, only that it is there.
pub fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap);
    let files = files.filter(|entry| !entry.file_type().is_dir());
    let files = files.map(|entry| {
        let name = entry.path().strip_prefix(folder).unwrap().to_string_lossy().into_owned();
        let bytes = if name == "run.json" { Vec::new() } else { fs::read(entry.path()).unwrap() };
        (name, bytes)
    });
    files.collect()
}

/// Fails where a folder holds other files, or other bytes, than that of a run which nobody disturbed.
#[track_caller]
pub fn assert_same(found: &Path, wanted: &BTreeMap<String, Vec<u8>>, after: &str) {
    let found = tree(found);
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(wanted), "after {after}");
    for (name, bytes) in wanted {
        assert!(found[name] == *bytes, "{name} has other bytes after {after}");
    }
}

/// Fails where a journal holds a row that the undisturbed run does not have: each must be whole and true at any moment.
#[track_caller]
pub fn assert_prefix(out: &Path, wanted: &BTreeMap<String, Vec<u8>>, after: &str) {
    let found = fs::read(out.join("detections.jsonl")).unwrap_or_default();
    let whole = found.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    assert!(wanted["detections.jsonl"].starts_with(&found[..whole]), "untrue rows after {after}");
}
