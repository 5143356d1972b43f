//! Masks for `rcnn.mask`: run lengths from Python's dictionaries and back, computed by the library.

use coco_eval::{MaskError, Rle};
use ndarray::{Array1, Array2};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::{coco, guard};

/// Most run lengths that are taken as numbers: what is longer, or says so, is no mask of a photo.
const MOST_RUNS: usize = 1 << 26;

/// A dictionary of `size` (height, width) and `counts`: a text, bytes of one, or numbers.
pub(crate) struct Mask(Rle);

impl<'py> FromPyObject<'_, 'py> for Mask {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Mask> {
        let py = object.py();
        let [height, width]: [u32; 2] = object.get_item(intern!(py, "size"))?.extract()?;
        let counts = object.get_item(intern!(py, "counts"))?;
        let of_text = |text: &[u8]| Rle::from_text(height, width, text).map_err(|error| wrong(&error));
        if let Ok(text) = counts.cast::<PyBytes>() {
            return Ok(Mask(of_text(text.as_bytes())?));
        }
        if let Ok(text) = counts.cast::<PyString>() {
            return Ok(Mask(of_text(text.to_cow()?.as_bytes())?));
        }
        if counts.len()? > MOST_RUNS {
            return Err(wrong(&MaskError::TooLarge { height, width }));
        }
        Ok(Mask(Rle::new(height, width, counts.extract()?)))
    }
}

/// The dictionary of a mask, with its text as bytes.
pub(crate) fn dictionary<'py>(py: Python<'py>, mask: &Rle) -> PyResult<Bound<'py, PyDict>> {
    let made = PyDict::new(py);
    made.set_item(intern!(py, "size"), [mask.height(), mask.width()])?;
    made.set_item(intern!(py, "counts"), PyBytes::new(py, mask.text().as_bytes()))?;
    Ok(made)
}

fn wrong(error: &MaskError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

pub(crate) fn own(masks: Vec<Mask>) -> Vec<Rle> {
    masks.into_iter().map(|Mask(mask)| mask).collect()
}

/// Masks of pixels, one mask after the other and each column by column, of which those are set that are not 0.
#[pyfunction]
pub(crate) fn mask_encode<'py>(
    py: Python<'py>,
    pixels: PyReadonlyArray1<'py, u8>,
    height: u32,
    width: u32,
) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let size = u64::from(height) * u64::from(width);
    let pixels = pixels.as_slice()?;
    if size > u64::from(u32::MAX) {
        return Err(wrong(&MaskError::TooLarge { height, width }));
    }
    let of_one = |pixels: &[u8]| dictionary(py, &Rle::from_pixels(pixels, height, width));
    pixels.chunks_exact((size as usize).max(1)).map(of_one).collect()
}

/// Pixels of masks of one size, one mask after the other and each column by column.
#[pyfunction]
pub(crate) fn mask_decode<'py>(py: Python<'py>, masks: Vec<Mask>) -> PyResult<Bound<'py, PyArray1<u8>>> {
    let masks = own(masks);
    let sizes = masks.windows(2).find(|two| size(&two[0]) != size(&two[1]));
    if let Some(two) = sizes {
        let (one, other) = (size(&two[0]), size(&two[1]));
        let text = format!("masks of one size are needed, not of {one:?} and {other:?}");
        return Err(PyValueError::new_err(text));
    }
    let pixels = guard::release(py, || {
        let mut all = Vec::new();
        for mask in &masks {
            let pixels = mask.pixels()?;
            if all.is_empty() {
                all = pixels;
            } else {
                all.extend(pixels);
            }
        }
        Ok::<Vec<u8>, MaskError>(all)
    })?;
    Ok(Array1::from_vec(pixels.map_err(|error| wrong(&error))?).into_pyarray(py))
}

fn size(mask: &Rle) -> (u32, u32) {
    (mask.height(), mask.width())
}

/// Set pixels of each mask.
#[pyfunction]
pub(crate) fn mask_area(masks: Vec<Mask>) -> Vec<u32> {
    own(masks).iter().map(Rle::area).collect()
}

/// The box around each mask (N, 4): x, y, width, height.
#[pyfunction]
pub(crate) fn mask_boxes<'py>(py: Python<'py>, masks: Vec<Mask>) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let boxes = own(masks).iter().map(Rle::bbox).collect::<Result<Vec<[f64; 4]>, MaskError>>();
    Ok(Array2::from(boxes.map_err(|error| wrong(&error))?).into_pyarray(py))
}

/// What is in any of the masks, or in all of them.
#[pyfunction]
pub(crate) fn mask_merge<'py>(
    py: Python<'py>,
    masks: Vec<Mask>,
    intersect: bool,
) -> PyResult<Bound<'py, PyDict>> {
    let masks = own(masks);
    let merged = guard::release(py, || Rle::merge(&masks, intersect))?;
    dictionary(py, &merged)
}

/// Intersection over union of masks of detections (D) with those of ground truths (G), of which some are crowds: (D, G).
#[pyfunction]
pub(crate) fn mask_iou<'py>(
    py: Python<'py>,
    detections: Vec<Mask>,
    truths: Vec<Mask>,
    crowds: Vec<bool>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    coco::same_length("crowds", crowds.len(), truths.len())?;
    let (detections, truths) = (own(detections), own(truths));
    let ious = guard::release(py, || {
        let pairs = detections.iter().flat_map(|one| truths.iter().zip(&crowds).map(move |of| (one, of)));
        pairs.map(|(one, (truth, crowd))| one.iou(truth, *crowd)).collect::<Result<Vec<f64>, MaskError>>()
    })?;
    let shape = (detections.len(), truths.len());
    let ious = Array2::from_shape_vec(shape, ious.map_err(|error| wrong(&error))?);
    Ok(ious.map_err(|error| PyValueError::new_err(error.to_string()))?.into_pyarray(py))
}

/// The inside of a polygon: x and y of its corners in turn.
#[pyfunction]
pub(crate) fn mask_of_polygon<'py>(
    py: Python<'py>,
    corners: PyReadonlyArray1<'py, f64>,
    height: u32,
    width: u32,
) -> PyResult<Bound<'py, PyDict>> {
    let corners = corners.as_slice()?;
    let mask = guard::release(py, || Rle::from_polygon(corners, height, width))?;
    dictionary(py, &mask.map_err(|error| wrong(&error))?)
}

/// The inside of a box of left, top, width and height.
#[pyfunction]
pub(crate) fn mask_of_box<'py>(
    py: Python<'py>,
    bbox: [f64; 4],
    height: u32,
    width: u32,
) -> PyResult<Bound<'py, PyDict>> {
    dictionary(py, &Rle::from_box(bbox, height, width).map_err(|error| wrong(&error))?)
}

/// A mask with its run lengths as text.
#[pyfunction]
pub(crate) fn mask_of_runs<'py>(py: Python<'py>, mask: Mask) -> PyResult<Bound<'py, PyDict>> {
    dictionary(py, &mask.0)
}
