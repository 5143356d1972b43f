//! A detector, and what it finds in one photo.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rcnn::{Device, Precision};

use crate::photo::{self, Found};
use crate::pipeline::Pipeline;
use crate::{error, guard};

#[pyclass(frozen, module = "rcnn._rcnn")]
pub(crate) struct Detector {
    pub(crate) inner: Arc<rcnn::Detector>,
    threads: usize,
}

/// A word that is one of several.
fn chosen<T: FromStr<Err = String>>(argument: &str, word: &str) -> PyResult<T> {
    word.parse().map_err(|known| PyValueError::new_err(format!("{argument}: `{word}`: {known}")))
}

#[pymethods]
impl Detector {
    #[new]
    fn new(
        py: Python<'_>,
        model: OsString,
        device: &str,
        precision: &str,
        score: Option<f32>,
        threads: Option<NonZeroUsize>,
        sessions: NonZeroUsize,
    ) -> PyResult<Detector> {
        let (device, precision) =
            (chosen::<Device>("device", device)?, chosen::<Precision>("precision", precision)?);
        let threads = threads.map_or_else(cores, usize::from);
        let loaded = guard::release(py, || {
            let builder = rcnn::Detector::builder(model).device(device).precision(precision);
            let builder = builder.threads(threads).sessions(sessions).offline();
            score.into_iter().fold(builder, rcnn::DetectorBuilder::score).load()
        })?;
        Ok(Detector { inner: Arc::new(loaded.map_err(|error| error::of(py, &error))?), threads })
    }

    /// Ids and names of the classes.
    #[getter]
    fn classes(&self) -> Vec<(u64, &str)> {
        self.inner.classes().iter().map(|class| (class.id, class.name.as_str())).collect()
    }

    #[getter]
    fn device(&self) -> String {
        self.inner.device().to_string()
    }

    #[getter]
    fn score(&self) -> f32 {
        self.inner.score_threshold()
    }

    /// Name of the model, SHA-256 of its model.json, version and library of ONNX Runtime.
    #[getter]
    fn origin(&self) -> (&str, &str, &str, &std::path::Path) {
        let origin = self.inner.origin();
        (&origin.model, &origin.model_sha256, &origin.runtime, &origin.runtime_path)
    }

    fn detect<'py>(&self, py: Python<'py>, photo: &Bound<'py, PyAny>) -> PyResult<Found<'py>> {
        let source = photo::source(photo)?;
        let found = guard::release(py, || self.inner.detect_in(&source))?;
        found.map(|found| photo::found(py, &found)).map_err(|error| error::of(py, &error))
    }

    fn pipeline(&self, py: Python<'_>) -> PyResult<Pipeline> {
        let made = guard::release(py, || rcnn::Pipeline::new(&self.inner, self.threads))?;
        Ok(Pipeline(made.map_err(|error| error::of(py, &error))?))
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
