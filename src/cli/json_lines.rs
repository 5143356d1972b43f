//! `rcnn detect --json-lines`: a worker that other engines feed with paths, one a line, and that answers each with one line
//! of JSON, in the order of the paths and as soon as it is there.

use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::detector::{self, Detector};
use crate::facade::{Error, Pending, PhotoDetections, PhotoSource, Pipeline};
use crate::photo::DecodeOptions;
use crate::run::{FailedPhoto, Failure, FoundPhoto, JournalRow, ResultItem};

use super::output::Out;
use super::{Exit, signals};

/// How often somebody who waits looks whether to stop.
const LOOK: Duration = Duration::from_millis(100);

/// A photo on its way, with its path as it was given.
type Waiting = (PathBuf, Pending);

/// Answers paths until they end, nobody reads the answers any more, or a signal asks to stop.
pub(super) fn answer(
    detector: Detector,
    paths: impl Iterator<Item = io::Result<PathBuf>> + Send + 'static,
    options: DecodeOptions,
    threads: usize,
    only: Option<&[usize]>,
) -> anyhow::Result<Exit> {
    let stop = signals::stop_on_signal();
    let pipeline = Pipeline::with_options(&Arc::new(detector), threads, options)?;
    // The bound is that of the pipeline: a reader that is far ahead waits, and memory does not grow.
    let (submitted, waiting) = crossbeam_channel::bounded::<io::Result<Waiting>>(pipeline.ahead());
    let reader = move || {
        for path in paths {
            let one = path.map(|path| {
                let pending = pipeline.submit(PhotoSource::Path(path.clone()));
                (path, pending)
            });
            if submitted.send(one).is_err() {
                return;
            }
        }
    };
    // Not joined: it may wait for a line that never comes.
    std::thread::Builder::new().name("paths".into()).spawn(reader)?;
    let mut failed = false;
    for (number, one) in (1u64..).zip(received(&waiting, &stop)) {
        let (path, pending) = one?;
        let Some(outcome) = outcome(&pending, &stop) else { break };
        let row = row(number, &path, outcome, only);
        failed |= row.failure().is_some();
        let mut out = Out::of(true);
        out.write_all(format!("{}\n", serde_json::to_string(&row)?).as_bytes())?;
        out.flush()?;
        if out.is_gone() {
            break;
        }
    }
    Ok(match signals::received() {
        Some(exit) => exit,
        None if failed => Exit::PhotosFailed,
        None => Exit::Done,
    })
}

/// What comes until it ends or is to stop.
fn received<T>(from: &crossbeam_channel::Receiver<T>, stop: &AtomicBool) -> impl Iterator<Item = T> {
    use crossbeam_channel::RecvTimeoutError::Timeout;
    std::iter::from_fn(move || {
        loop {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            match from.recv_timeout(LOOK) {
                Err(Timeout) => {}
                outcome => return outcome.ok(),
            }
        }
    })
}

fn outcome(pending: &Pending, stop: &AtomicBool) -> Option<Result<PhotoDetections, Error>> {
    loop {
        match pending.wait_for(LOOK) {
            None if stop.load(Ordering::Relaxed) => return None,
            None => {}
            outcome => return outcome,
        }
    }
}

fn row(
    number: u64,
    path: &Path,
    outcome: Result<PhotoDetections, Error>,
    only: Option<&[usize]>,
) -> JournalRow {
    let (image_id, file) = (number.into(), path.to_string_lossy().into_owned());
    match outcome {
        Ok(PhotoDetections { width, height, detections }) => {
            let wanted = |class: usize| only.is_none_or(|only| only.contains(&class));
            let item = |found: &crate::Detection| ResultItem {
                category_id: found.category_id.into(),
                label: found.label.to_string(),
                score: found.score,
                r#box: [found.bbox.x1, found.bbox.y1, found.bbox.x2, found.bbox.y2],
                mask: found.mask.clone(),
            };
            let detections = detections.iter().filter(|found| wanted(found.class)).map(item).collect();
            JournalRow::Found(FoundPhoto {
                image_id,
                file,
                width,
                height,
                clipped: false,
                exif: None,
                detections,
                error: None,
            })
        }
        Err(error) => {
            let (kind, stage, detail) = match &error {
                Error::PhotoFile { source, .. } => (source.kind.as_str(), "decode", source.detail.clone()),
                Error::Detector(
                    cause @ (detector::DetectorError::TooThin { .. }
                    | detector::DetectorError::TooLong { .. }),
                ) => ("too_thin", "prepare", cause.to_string()),
                other => ("session", "infer", other.to_string()),
            };
            JournalRow::Failed(FailedPhoto {
                image_id,
                file,
                error: Failure { kind: kind.into(), stage: stage.into(), detail },
            })
        }
    }
}

/// Paths on standard input, one a line, as they come; a line without one is a path that is not there.
pub(super) fn lines() -> impl Iterator<Item = io::Result<PathBuf>> + Send {
    std::iter::from_fn(|| {
        let mut line = Vec::new();
        match io::stdin().lock().read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => Some(Ok(path(line.trim_ascii()))),
            Err(error) => Some(Err(error)),
        }
    })
}

#[cfg(unix)]
fn path(line: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(line.to_vec()).into()
}

/// Elsewhere names are text; a line that is none is a path that is not there.
#[cfg(not(unix))]
fn path(line: &[u8]) -> PathBuf {
    String::from_utf8_lossy(line).into_owned().into()
}
