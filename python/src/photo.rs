//! Photos as Python has them, drawing on them, and numbers as COCO results have them.

use ndarray::{Array2, Array3};
use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArray3, PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArray3,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use rcnn::{BBox, Fonts, Mark, Photo, PhotoInput, PhotoSource};

use crate::mask::Mask;
use crate::{coco, error, guard, mask};

/// A path, a picture file's bytes, or an array of height x width x 3 or height x width, 8 bits. Pixels and bytes are copied,
/// as they must live without the GIL.
pub(crate) fn source(photo: &Bound<'_, PyAny>) -> PyResult<PhotoSource> {
    if let Ok(bytes) = photo.cast::<PyBytes>() {
        return Ok(PhotoSource::Bytes(bytes.as_bytes().to_vec()));
    }
    if let Ok(array) = photo.extract::<PyReadonlyArray3<'_, u8>>() {
        let photo = Photo::from_array(array.as_array());
        return photo
            .map(PhotoSource::Photo)
            .map_err(|error| PyValueError::new_err(format!("photo: {error}")));
    }
    if let Ok(array) = photo.extract::<PyReadonlyArray2<'_, u8>>() {
        let grey = array.as_array();
        let (height, width) = grey.dim();
        let rgb = Array3::from_shape_fn((height, width, 3), |(y, x, _)| grey[[y, x]]);
        let photo = Photo::from_array(rgb.view());
        return photo
            .map(PhotoSource::Photo)
            .map_err(|error| PyValueError::new_err(format!("photo: {error}")));
    }
    match photo.extract() {
        Ok(path) => Ok(PhotoSource::Path(path)),
        Err(_) => Err(PyTypeError::new_err(format!(
            "photo: a path, bytes, a PIL image or an array of uint8 is needed, not {}",
            photo.get_type().name()?
        ))),
    }
}

/// What Python gets of a photo: boxes (N, 4), scores (N), places of classes (N), width and height, and for each detection
/// its mask, or nothing, as a dictionary of run lengths.
pub(crate) type FoundArrays<'py> = (
    Bound<'py, PyArray2<f32>>,
    Bound<'py, PyArray1<f32>>,
    Bound<'py, PyArray1<i64>>,
    u32,
    u32,
    Vec<Option<Bound<'py, PyDict>>>,
);

/// Moves detections into arrays.
pub(crate) fn found<'py>(py: Python<'py>, photo: &rcnn::PhotoDetections) -> PyResult<FoundArrays<'py>> {
    let all = &photo.detections;
    let side = |n: usize, i: usize| {
        let BBox { x1, y1, x2, y2 } = all[n].bbox;
        [x1, y1, x2, y2][i]
    };
    let boxes = Array2::from_shape_fn((all.len(), 4), |(n, i)| side(n, i));
    let scores: Vec<f32> = all.iter().map(|found| found.score).collect();
    let classes: Vec<i64> = all.iter().map(|found| found.class as i64).collect();
    let of_one =
        |found: &rcnn::Detection| found.mask.as_ref().map(|mask| mask::dictionary(py, mask)).transpose();
    let masks = all.iter().map(of_one).collect::<PyResult<Vec<_>>>()?;
    let (boxes, scores) = (boxes.into_pyarray(py), scores.into_pyarray(py));
    Ok((boxes, scores, classes.into_pyarray(py), photo.width, photo.height, masks))
}

/// The photo with masks, boxes and labels, the first on top.
#[pyfunction]
pub(crate) fn annotate<'py>(
    py: Python<'py>,
    photo: &Bound<'py, PyAny>,
    boxes: PyReadonlyArray2<'py, f32>,
    classes: Vec<usize>,
    labels: Vec<String>,
    masks: Option<Vec<Mask>>,
) -> PyResult<Bound<'py, PyArray3<u8>>> {
    let source = source(photo)?;
    let rows = coco::four(&boxes)?;
    coco::same_length("classes", classes.len(), rows.len())?;
    coco::same_length("labels", labels.len(), rows.len())?;
    let masks = masks
        .map_or_else(|| vec![None; rows.len()], |masks| mask::own(masks).into_iter().map(Some).collect());
    coco::same_length("masks", masks.len(), rows.len())?;
    let drawn = guard::release(py, move || {
        let photo = PhotoInput::from(&source).decode(&rcnn::internal::photo::DecodeOptions::default())?;
        let marks: Vec<Mark> = rows
            .into_iter()
            .zip(classes)
            .zip(labels)
            .zip(masks)
            .map(|((([x1, y1, x2, y2], class), label), mask)| Mark {
                mask,
                ..Mark::new(BBox::new(x1, y1, x2, y2), class, label)
            })
            .collect();
        let mut photo = photo.into_owned();
        let texts: Vec<&str> = marks.iter().map(|mark| mark.label.as_str()).collect();
        rcnn::annotate(&mut photo, &marks, &Fonts::for_texts(&texts));
        Ok::<_, rcnn::Error>(photo)
    })?;
    let photo = drawn.map_err(|error| error::of(py, &error))?;
    let shape = (photo.height as usize, photo.width as usize, 3);
    let array = Array3::from_shape_vec(shape, photo.pixels)
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(array.into_pyarray(py))
}

/// float32 values as the doubles that their shortest decimals are: what a reader of our files gets.
#[pyfunction]
pub(crate) fn coco_numbers(values: PyReadonlyArray1<'_, f32>) -> Vec<f64> {
    // Rust writes a float with the fewest digits that read back as the same float.
    values.as_array().iter().map(|&value| value.to_string().parse().unwrap_or(f64::from(value))).collect()
}
