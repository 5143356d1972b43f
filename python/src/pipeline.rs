//! Photos one after another, decoded while others are in the network.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::photo::{self, Found};
use crate::{error, guard};

/// How often somebody who waits looks for Ctrl-C.
const LOOK: Duration = Duration::from_millis(50);

#[pyclass(frozen, module = "rcnn._rcnn")]
pub(crate) struct Pipeline(pub(crate) rcnn::Pipeline);

#[pyclass(frozen, module = "rcnn._rcnn")]
pub(crate) struct Pending(Mutex<Option<rcnn::Pending>>);

#[pymethods]
impl Pipeline {
    /// How many photos keep all threads busy.
    #[getter]
    fn ahead(&self) -> usize {
        self.0.ahead()
    }

    fn submit(&self, py: Python<'_>, photo: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let source = photo::source(photo)?;
        let pending = guard::release(py, || self.0.submit(source))?;
        Ok(Pending(Mutex::new(Some(pending))))
    }
}

#[pymethods]
impl Pending {
    /// Waits; gives what was found, once.
    fn wait<'py>(&self, py: Python<'py>) -> PyResult<Found<'py>> {
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
