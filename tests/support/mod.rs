//! What the tests of the program share: a folder of photos, a run of the binary, and what it left behind.

#![allow(dead_code, unreachable_pub, clippy::print_stdout)] // Each test file uses a part.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;

use assert_cmd::Command;

/// The pictures that `tests/fixtures/photos/make.py` renders.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/photos")
}

/// Says that a test, or a part of one, was skipped and why. It writes to standard error itself, because the test
/// harness keeps back what `println!` and `eprintln!` say in a test that passes.
pub fn skipped(reason: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}

/// A file or folder of the larger set of fixtures, which lies in `RCNN_SHARED` or in `shared` beside the repository and is
/// no part of it. Where it is not there, the caller skips.
pub fn shared(inner: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let path = std::env::var_os("RCNN_SHARED").map_or_else(beside, PathBuf::from).join(inner);
    if path.exists() {
        return Some(path);
    }
    skipped(format_args!(
        "`{}` is not there (RCNN_SHARED names the folder of the larger set)",
        path.display()
    ));
    None
}

/// ONNX Runtime's library, found or installed once.
pub fn runtime() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| open().path().to_owned())
}

/// ONNX Runtime, found or installed.
pub fn open() -> rcnn::internal::runtime::Runtime {
    rcnn::internal::runtime::Runtime::open(&Default::default(), &mut |line| println!("{line}"))
        .expect("these tests need ONNX Runtime, which pip or npm can bring")
}

/// A folder that goes with the test, with a cache of its own for the program.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// An empty one.
    pub fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    /// A path inside.
    pub fn at(&self, inner: &str) -> PathBuf {
        self.folder.path().join(inner)
    }

    /// Copies rendered pictures into `photos/` under new names.
    pub fn photos(&self, pictures: &[(&str, &str)]) -> PathBuf {
        for (picture, name) in pictures {
            self.write(&format!("photos/{name}"), &std::fs::read(fixtures().join(picture)).unwrap());
        }
        self.at("photos")
    }

    /// Writes a file, with the folders above it.
    pub fn write(&self, inner: &str, bytes: &[u8]) -> PathBuf {
        let path = self.at(inner);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Reads a file.
    pub fn read(&self, inner: &str) -> String {
        std::fs::read_to_string(self.at(inner)).unwrap_or_else(|error| panic!("{inner}: {error}"))
    }

    /// Reads a JSON file.
    pub fn json(&self, inner: &str) -> serde_json::Value {
        serde_json::from_str(&self.read(inner)).unwrap()
    }

    /// The rows of a run's journal.
    pub fn rows(&self, run: &str) -> Vec<serde_json::Value> {
        let text = self.read(&format!("{run}/detections.jsonl"));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Runs the program here, with a cache of its own and the runtime that all tests share.
    pub fn rcnn<S: AsRef<str>>(&self, arguments: &[S]) -> Ended {
        self.command(arguments).output().unwrap().into()
    }

    /// The command that [`Place::rcnn`] runs.
    pub fn command<S: AsRef<str>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rcnn"));
        command.current_dir(self.folder.path());
        command.env("RCNN_CACHE", self.at("cache")).env("ORT_DYLIB_PATH", runtime());
        command.args(arguments.iter().map(AsRef::as_ref));
        command
    }
}

/// How a run of the program ended.
pub struct Ended {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Ended {
        Ended {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ended {
    /// Fails with both outputs unless the exit code is this.
    #[track_caller]
    pub fn expect(self, code: i32) -> Ended {
        assert_eq!(self.code, code, "out: {}\nerr: {}", self.out, self.err);
        self
    }
}
