//! A detector, and what it finds in one photo.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rcnn::{Augment, Device, Precision};

use crate::photo::{self, FoundArrays};
use crate::pipeline::PyPipeline;
use crate::{error, guard};

#[pyclass(frozen, name = "Detector", module = "rcnn._rcnn")]
pub(crate) struct PyDetector {
    pub(crate) inner: Arc<rcnn::Detector>,
    threads: usize,
}

/// A word that is one of several.
fn chosen<T: FromStr<Err: std::fmt::Display>>(argument: &str, word: &str) -> PyResult<T> {
    word.parse().map_err(|known| PyValueError::new_err(format!("{argument}: `{word}`: {known}")))
}

/// What a detector is made by, as the package has checked it.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct DetectorArguments {
    model: OsString,
    device: String,
    precision: String,
    score: Option<f32>,
    threads: Option<NonZeroUsize>,
    sessions: NonZeroUsize,
    nms: Option<f64>,
    class_agnostic: bool,
    soft_nms: bool,
    max_detections: Option<usize>,
    augment: String,
    refine: bool,
    masks: bool,
}

#[pymethods]
impl PyDetector {
    #[new]
    fn new(py: Python<'_>, arguments: DetectorArguments) -> PyResult<PyDetector> {
        let device = chosen::<Device>("device", &arguments.device)?;
        let precision = chosen::<Precision>("precision", &arguments.precision)?;
        let augment = match arguments.augment.as_str() {
            "flip" => Augment::flip(),
            "full" => Augment::full(),
            _ => Augment::default(),
        };
        let threads = arguments.threads.map_or_else(cores, usize::from);
        let loaded = guard::release(py, || {
            let builder = rcnn::Detector::builder(arguments.model).device(device).precision(precision);
            let builder = builder.threads(threads).sessions(arguments.sessions).offline();
            let builder = builder.class_agnostic(arguments.class_agnostic).soft_nms(arguments.soft_nms);
            let builder = builder.augment(augment).refine(arguments.refine).masks(arguments.masks);
            let builder = arguments.score.into_iter().fold(builder, rcnn::DetectorBuilder::score);
            let builder = arguments.nms.into_iter().fold(builder, rcnn::DetectorBuilder::nms);
            arguments.max_detections.into_iter().fold(builder, rcnn::DetectorBuilder::max_detections).load()
        })?;
        Ok(PyDetector { inner: Arc::new(loaded.map_err(|error| error::of(py, &error))?), threads })
    }

    /// Ids and names of the classes.
    #[getter]
    fn classes(&self) -> Vec<(u64, &str)> {
        self.inner.classes().iter().map(|class| (class.id, class.name.as_str())).collect()
    }

    /// Whether detections have masks.
    #[getter]
    fn masks(&self) -> bool {
        self.inner.gives_masks()
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

    fn detect<'py>(&self, py: Python<'py>, photo: &Bound<'py, PyAny>) -> PyResult<FoundArrays<'py>> {
        let source = photo::source(photo)?;
        let found = guard::release(py, || self.inner.detect_in(&source))?;
        photo::found(py, &found.map_err(|error| error::of(py, &error))?)
    }

    fn pipeline(&self, py: Python<'_>) -> PyResult<PyPipeline> {
        let made = guard::release(py, || rcnn::Pipeline::new(&self.inner, self.threads))?;
        Ok(PyPipeline(made.map_err(|error| error::of(py, &error))?))
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
