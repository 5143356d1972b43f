//! Photos one after another, decoded while others are in the network.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::photo::{self, FoundArrays};
use crate::{error, guard};

/// How often somebody who waits looks for Ctrl-C.
const LOOK: Duration = Duration::from_millis(50);

#[pyclass(frozen, name = "Pipeline", module = "rcnn._rcnn")]
pub(crate) struct PyPipeline(pub(crate) rcnn::Pipeline);

#[pyclass(frozen, name = "Pending", module = "rcnn._rcnn")]
pub(crate) struct PyPending(Mutex<Option<rcnn::Pending>>);

#[pymethods]
impl PyPipeline {
    /// How many photos keep all threads busy.
    #[getter]
    fn ahead(&self) -> usize {
        self.0.ahead()
    }

    fn submit(&self, py: Python<'_>, photo: &Bound<'_, PyAny>) -> PyResult<PyPending> {
        let source = photo::source(photo)?;
        let pending = guard::release(py, || self.0.submit(source))?;
        Ok(PyPending(Mutex::new(Some(pending))))
    }
}

#[pymethods]
impl PyPending {
    /// Waits; gives what was found, once.
    fn wait<'py>(&self, py: Python<'py>) -> PyResult<FoundArrays<'py>> {
        let pending = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let pending = pending.ok_or_else(|| PyRuntimeError::new_err("the result has been taken"))?;
        loop {
            if let Some(outcome) = guard::release(py, || pending.wait_for(LOOK))? {
                return photo::found(py, &outcome.map_err(|error| error::of(py, &error))?);
            }
            py.check_signals()?;
        }
    }
}
