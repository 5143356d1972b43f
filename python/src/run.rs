//! A run over many photos into a folder of results.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rcnn::{Event, Run, Shard};

use crate::detector::PyDetector;
use crate::{error, guard};

#[pymethods]
impl PyDetector {
    /// Does all photos; gives run.json. `progress` is called with (done, total, failed), `note` with sentences; what either
    /// raises ends the run after the photos under way.
    #[allow(clippy::too_many_arguments, reason = "Python's keywords")]
    fn run(
        &self,
        py: Python<'_>,
        photos: Vec<OsString>,
        out: PathBuf,
        annotations: Option<PathBuf>,
        draw_score: Option<f32>,
        shard: Option<&str>,
        overwrite: bool,
        tile: bool,
        progress: Option<Py<PyAny>>,
        note: Option<Py<PyAny>>,
    ) -> PyResult<String> {
        let shard: Option<Shard> = match shard {
            None => None,
            Some(text) => Some(
                text.parse().map_err(|error| PyValueError::new_err(format!("shard: `{text}`: {error}")))?,
            ),
        };
        let stop = AtomicBool::new(false);
        let mut raised: Option<PyErr> = None;
        let record = guard::release(py, || {
            let mut watch = |event: Event<'_>| {
                if raised.is_some() {
                    return;
                }
                let called = Python::attach(|py| {
                    py.check_signals()?;
                    match event {
                        Event::Warning(text) => note.as_ref().map(|note| note.call1(py, (text,))),
                        Event::Progress(now) => progress
                            .as_ref()
                            .map(|progress| progress.call1(py, (now.done, now.total, now.failed))),
                        _ => None,
                    }
                    .transpose()
                });
                if let Err(error) = called {
                    raised = Some(error);
                    stop.store(true, Ordering::Relaxed);
                }
            };
            let builder =
                Run::builder(&self.inner).photos(photos).out(out).draw_score(draw_score).stop(&stop);
            let builder = builder.overwrite(overwrite).tile(tile);
            let builder = annotations.into_iter().fold(builder, rcnn::RunBuilder::annotations);
            shard.into_iter().fold(builder, rcnn::RunBuilder::shard).start(&mut watch)
        })?;
        match raised {
            Some(error) => Err(error),
            None => {
                let record = record.map_err(|error| error::of(py, &error))?;
                serde_json::to_string(&record).map_err(|error| PyValueError::new_err(error.to_string()))
            }
        }
    }
}
