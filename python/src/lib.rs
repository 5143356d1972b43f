//! The extension module `rcnn._rcnn`: the library and the command line as Python calls them. What Python's users see is
//! the package around it in `rcnn/`; here values become Python's, and nothing is decided.
#![allow(missing_docs, reason = "documented in rcnn/_rcnn.pyi, which Python's tools read")]

mod coco;
mod detector;
mod error;
mod guard;
mod mask;
mod photo;
mod pipeline;
mod program;
mod run;

use pyo3::prelude::*;

#[pymodule]
fn _rcnn(module: &Bound<'_, PyModule>) -> PyResult<()> {
    guard::listen_for_panics();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<coco::CocoPair>()?;
    module.add_class::<coco::CocoRows>()?;
    module.add_class::<coco::CocoSet>()?;
    module.add_class::<detector::PyDetector>()?;
    module.add_class::<pipeline::PyPipeline>()?;
    module.add_class::<pipeline::PyPending>()?;
    module.add_function(wrap_pyfunction!(coco::box_iou, module)?)?;
    module.add_function(wrap_pyfunction!(coco::match_boxes, module)?)?;
    module.add_function(wrap_pyfunction!(mask::mask_area, module)?)?;
    module.add_function(wrap_pyfunction!(mask::mask_boxes, module)?)?;
    module.add_function(wrap_pyfunction!(mask::mask_decode, module)?)?;
    module.add_function(wrap_pyfunction!(mask::mask_encode, module)?)?;
    module.add_function(wrap_pyfunction!(mask::mask_iou, module)?)?;
    module.add_function(wrap_pyfunction!(mask::mask_merge, module)?)?;
    module.add_function(wrap_pyfunction!(mask::mask_of_box, module)?)?;
    module.add_function(wrap_pyfunction!(mask::mask_of_polygon, module)?)?;
    module.add_function(wrap_pyfunction!(mask::mask_of_runs, module)?)?;
    module.add_function(wrap_pyfunction!(photo::annotate, module)?)?;
    module.add_function(wrap_pyfunction!(photo::coco_numbers, module)?)?;
    module.add_function(wrap_pyfunction!(program::call, module)?)?;
    module.add_function(wrap_pyfunction!(program::main, module)?)?;
    module.add_function(wrap_pyfunction!(program::bring_runtime, module)?)?;
    Ok(())
}
