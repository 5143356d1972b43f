//! Errors of the library as exceptions of the package, which are defined in `rcnn/errors.py`.

use std::path::Path;

use pyo3::prelude::*;

/// An exception of the package by its name.
pub(crate) fn named(py: Python<'_>, class: &str, text: &str) -> PyErr {
    made(py, class, |class| class.call1((text,)))
}

fn made<'py>(
    py: Python<'py>,
    class: &str,
    make: impl FnOnce(&Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>>,
) -> PyErr {
    let exception =
        py.import("rcnn.errors").and_then(|errors| errors.getattr(class)).and_then(|class| make(&class));
    match exception {
        Ok(exception) => PyErr::from_value(exception),
        // The package is damaged, or Python is ending.
        Err(error) => error,
    }
}

/// What the library reports.
pub(crate) fn of(py: Python<'_>, error: &rcnn::Error) -> PyErr {
    let text = error.to_string();
    let photo =
        |kind: &str, path: Option<&Path>| made(py, "PhotoError", |class| class.call1((&text, kind, path)));
    match error {
        rcnn::Error::Photo(source) => photo(source.kind.as_str(), None),
        rcnn::Error::PhotoFile { path, source } => photo(source.kind.as_str(), Some(path)),
        rcnn::Error::Model(_) => named(py, "ModelError", &text),
        rcnn::Error::Runtime(_) | rcnn::Error::Detector(_) => named(py, "OnnxRuntimeError", &text),
        rcnn::Error::List(_) | rcnn::Error::Annotations(_) | rcnn::Error::Run(_) => {
            named(py, "RunError", &text)
        }
        rcnn::Error::Worker => named(py, "InternalError", &text),
        _ => named(py, "Error", &text),
    }
}
