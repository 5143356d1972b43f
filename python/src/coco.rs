//! COCO evaluation for `rcnn.coco`: data sets and results from files or from Python's lists of dictionaries.
//!
//! Dictionaries are read here where everything in them is a plain number; [`Set::of`] and [`Results::of`] give nothing where
//! it is not, and the package then has JSON read, whose reader knows all that pycocotools takes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use coco_eval::{
    Annotation, AreaRange, Category, DataSet, Detections, Evaluator, Id, Image, IouType, Params, ResultRow,
    ResultsForm,
};
use ndarray::{Array2, s};
use numpy::{IntoPyArray, PyArray2, PyArray4, PyArray5, PyReadonlyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList};

use crate::{error, guard};

/// A data set that does not change.
#[pyclass(frozen, module = "rcnn._rcnn")]
pub(crate) struct CocoSet(Arc<DataSet>);

/// Results as rows of plain numbers.
#[pyclass(frozen, module = "rcnn._rcnn")]
pub(crate) struct CocoRows(Arc<Vec<ResultRow>>);

/// A data set and results of chosen images and categories.
#[pyclass(frozen, module = "rcnn._rcnn")]
pub(crate) struct CocoPair(Evaluator);

/// Precision (T, R, K, A, M), recall (T, K, A, M) and scores (T, R, K, A, M).
type EvaluationArrays<'py> =
    (Bound<'py, PyArray5<f64>>, Bound<'py, PyArray4<f64>>, Bound<'py, PyArray5<f64>>);

#[pymethods]
impl CocoSet {
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> PyResult<CocoSet> {
        let set = guard::release(py, || DataSet::open(&path))?;
        Ok(CocoSet(Arc::new(set.map_err(|error| evaluate_error(py, &error))?)))
    }

    /// Nothing where anything is not as it usually is.
    #[staticmethod]
    fn of(
        images: &Bound<'_, PyList>,
        categories: &Bound<'_, PyList>,
        annotations: &Bound<'_, PyList>,
    ) -> Option<CocoSet> {
        let images: Option<Vec<Image>> =
            images.iter().map(|entry| Some(Image::new(id_of(&entry)?))).collect();
        let categories: Option<Vec<Category>> = categories.iter().map(|entry| category(&entry)).collect();
        let annotations: Option<Vec<Annotation>> =
            annotations.iter().map(|entry| annotation(&entry)).collect();
        let set = DataSet::of_rows(Path::new("the annotations"), images?, categories?, annotations?);
        Some(CocoSet(Arc::new(set)))
    }

    /// Ids of the images where all are plain integers.
    fn image_ids(&self) -> Option<Vec<i64>> {
        self.0.images().iter().map(|image| image.id.integer()).collect()
    }

    /// Ids of the categories where all are plain integers.
    fn category_ids(&self) -> Option<Vec<i64>> {
        self.0.categories().iter().map(|category| category.id.integer()).collect()
    }

    fn __deepcopy__<'py>(slf: Bound<'py, Self>, _memo: &Bound<'py, PyAny>) -> Bound<'py, Self> {
        slf
    }
}

#[pymethods]
impl CocoRows {
    /// Nothing where anything is not as it usually is.
    #[staticmethod]
    fn of(results: &Bound<'_, PyList>, own_areas: bool) -> Option<CocoRows> {
        // The first decides what all are.
        if results.get_item(0).ok()?.contains("caption").ok()? {
            return None;
        }
        let rows: Option<Vec<ResultRow>> = results.iter().map(|entry| result(&entry, own_areas)).collect();
        Some(CocoRows(Arc::new(rows?)))
    }

    /// Rows of image, x, y, width, height, score and category.
    #[staticmethod]
    fn of_array(array: PyReadonlyArray2<'_, f64>) -> Option<CocoRows> {
        let array = array.as_array();
        let whole = |value: f64| {
            (value.fract() == 0.0 && value.abs() < 1e15).then_some(value as i64).and_then(Id::new)
        };
        let row = |row: ndarray::ArrayView1<'_, f64>| {
            let &[image, x, y, width, height, score, category] = row.as_standard_layout().as_slice()? else {
                return None;
            };
            let (image, category) = (whole(image)?, whole(category)?);
            Some(ResultRow { image, category, bbox: [x, y, width, height], score, area: None })
        };
        let rows: Option<Vec<ResultRow>> = array.rows().into_iter().map(row).collect();
        Some(CocoRows(Arc::new(rows?)))
    }

    /// How many rows are on images that the data set does not have, and one of these.
    fn unknown(&self, set: &CocoSet) -> (usize, Option<i64>) {
        let known: std::collections::HashSet<Id> = set.0.images().iter().map(|image| image.id).collect();
        let mut unknown = self.0.iter().map(|row| row.image).filter(|image| !known.contains(image));
        let first = unknown.next();
        (usize::from(first.is_some()) + unknown.count(), first.and_then(Id::integer))
    }

    fn __deepcopy__<'py>(slf: Bound<'py, Self>, _memo: &Bound<'py, PyAny>) -> Bound<'py, Self> {
        slf
    }
}

/// What results are given as.
#[derive(FromPyObject)]
enum Given<'py> {
    Rows(Bound<'py, CocoRows>),
    File(PathBuf),
}

#[pymethods]
impl CocoPair {
    /// Results read against a data set; images and categories as `rcnn evaluate` takes them, all where there are none.
    #[new]
    fn new(
        py: Python<'_>,
        set: &CocoSet,
        results: Given<'_>,
        image_ids: Option<Vec<String>>,
        category_ids: Option<Vec<String>>,
        use_categories: bool,
    ) -> PyResult<CocoPair> {
        let params = Params { image_ids, category_ids, class_agnostic: !use_categories, ..Params::default() };
        let set = Arc::clone(&set.0);
        let pair = match results {
            Given::File(path) => guard::release(py, || {
                Evaluator::of((*set).clone(), &params, false, |lookup| Detections::open(&path, lookup))
            }),
            Given::Rows(rows) => {
                let rows = Arc::clone(&rows.get().0);
                guard::release(py, || {
                    Evaluator::of((*set).clone(), &params, false, |lookup| {
                        Ok(Detections::of_rows(Path::new("the results"), rows.iter().copied(), lookup))
                    })
                })
            }
        };
        Ok(CocoPair(pair?.map_err(|error| evaluate_error(py, &error))?))
    }

    /// Masks or key points of two files; `sigmas` are those of the key points.
    #[staticmethod]
    #[allow(clippy::too_many_arguments, reason = "Python's parameters")]
    fn shapes(
        py: Python<'_>,
        annotations: PathBuf,
        results: PathBuf,
        key_points: bool,
        sigmas: Vec<f64>,
        image_ids: Option<Vec<String>>,
        category_ids: Option<Vec<String>>,
        use_categories: bool,
    ) -> PyResult<CocoPair> {
        let kind = if key_points { IouType::Keypoints } else { IouType::Segm };
        let mut params =
            Params { image_ids, category_ids, class_agnostic: !use_categories, ..Params::of(kind) };
        if key_points {
            params.sigmas = sigmas;
        }
        let pair = guard::release(py, || Evaluator::open(&annotations, &results, &params, false))?;
        Ok(CocoPair(pair.map_err(|error| evaluate_error(py, &error))?))
    }

    fn __deepcopy__<'py>(slf: Bound<'py, Self>, _memo: &Bound<'py, PyAny>) -> Bound<'py, Self> {
        slf
    }

    /// Nothing arrives in another process, where the package evaluates what stands in the dictionaries.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, PyAny>, ()) {
        (slf.py().None().into_bound(slf.py()).get_type().into_any(), ())
    }

    /// Whether the results are a list that is not empty, how many are on images that the data set does not have, and one of
    /// these images.
    fn noticed(&self) -> (bool, u64, Option<&str>) {
        let noticed = &self.0.detections().noticed;
        let one = noticed.unknown_image_ids.keys().next().map(String::as_str);
        (noticed.form == ResultsForm::List && noticed.count > 0, noticed.unknown_images, one)
    }

    fn arrays<'py>(
        &self,
        py: Python<'py>,
        iou_thresholds: Vec<f64>,
        recall_thresholds: Vec<f64>,
        max_dets: Vec<usize>,
        area_ranges: Vec<(f64, f64)>,
    ) -> PyResult<EvaluationArrays<'py>> {
        let limits = max_dets.len();
        let mut max_dets = max_dets;
        // The summary, which is not asked for here, needs three.
        while let (Some(&last), true) = (max_dets.last(), max_dets.len() < 3) {
            max_dets.push(last);
        }
        let range = |(low, high)| AreaRange { label: String::new(), low, high };
        let area_ranges = area_ranges.into_iter().map(range).collect();
        let params = Params {
            iou_thresholds,
            recall_thresholds,
            max_dets,
            area_ranges,
            ..self.0.params(Default::default())
        };
        let arrays = guard::release(py, || {
            let arrays = self.0.arrays(&params)?;
            let (precision, recall, scores) = (arrays.precision(), arrays.recall(), arrays.scores());
            Ok::<_, coco_eval::EvaluateError>((
                precision.slice_move(s![.., .., .., .., ..limits]),
                recall.slice_move(s![.., .., .., ..limits]),
                scores.slice_move(s![.., .., .., .., ..limits]),
            ))
        })?;
        let (precision, recall, scores) = arrays.map_err(|error| evaluate_error(py, &error))?;
        Ok((
            precision.as_standard_layout().into_owned().into_pyarray(py),
            recall.as_standard_layout().into_owned().into_pyarray(py),
            scores.as_standard_layout().into_owned().into_pyarray(py),
        ))
    }
}

/// IoU of boxes (x, y, width, height) of detections (D, 4) with those of ground truths (G, 4), of which some are crowds.
#[pyfunction]
pub(crate) fn box_iou<'py>(
    py: Python<'py>,
    detections: PyReadonlyArray2<'py, f64>,
    truths: PyReadonlyArray2<'py, f64>,
    crowds: Vec<bool>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let (detections, truths) = (four(&detections)?, four(&truths)?);
    same_length("crowds", crowds.len(), truths.len())?;
    let iou = |(d, g): (usize, usize)| coco_eval::overlap(&detections[d], &truths[g], crowds[g]);
    Ok(Array2::from_shape_fn((detections.len(), truths.len()), iou).into_pyarray(py))
}

/// Rows of four numbers.
pub(crate) fn four<T: numpy::Element + Copy>(array: &PyReadonlyArray2<'_, T>) -> PyResult<Vec<[T; 4]>> {
    let array = array.as_array();
    if array.ncols() != 4 {
        let shape = array.shape();
        return Err(PyValueError::new_err(format!("boxes of (N, 4) are needed, not of {shape:?}")));
    }
    Ok(array.rows().into_iter().map(|row| std::array::from_fn(|i| row[i])).collect())
}

pub(crate) fn same_length(what: &str, given: usize, needed: usize) -> PyResult<()> {
    if given == needed {
        return Ok(());
    }
    Err(PyValueError::new_err(format!("{what}: {needed} are needed, not {given}")))
}

/// Places by threshold and detection (T, D), and by threshold and ground truth (T, G).
type Matches<'py> = (Bound<'py, PyArray2<i64>>, Bound<'py, PyArray2<i64>>);

/// For every threshold the ground truth that each detection takes and the detection that takes each ground truth last, by
/// their places; -1 where there is none. Detections are in order of score, ground truths with the ignored ones last.
#[pyfunction]
pub(crate) fn match_boxes<'py>(
    py: Python<'py>,
    ious: PyReadonlyArray2<'py, f64>,
    ignored: Vec<bool>,
    crowds: Vec<bool>,
    thresholds: Vec<f64>,
) -> PyResult<Matches<'py>> {
    let ious = ious.as_array();
    let (detections, truths) = ious.dim();
    same_length("ignored", ignored.len(), truths)?;
    same_length("crowds", crowds.len(), truths)?;
    let mut taken = Array2::from_elem((thresholds.len(), detections), -1);
    let mut takers = Array2::from_elem((thresholds.len(), truths), -1);
    for (t, threshold) in thresholds.into_iter().enumerate() {
        for d in 0..detections {
            let (mut best, mut found) = (threshold.min(1.0 - 1e-10), None);
            for g in 0..truths {
                if takers[[t, g]] >= 0 && !crowds[g] {
                    continue;
                }
                // A regular match is not given up for an ignored one.
                if ignored[g] && found.is_some_and(|found: usize| !ignored[found]) {
                    break;
                }
                // Written so that NaN, which is not below anything, is taken.
                let below = ious[[d, g]] < best;
                if !below {
                    (best, found) = (ious[[d, g]], Some(g));
                }
            }
            if let Some(g) = found {
                taken[[t, d]] = g as i64;
                takers[[t, g]] = d as i64;
            }
        }
    }
    Ok((taken.into_pyarray(py), takers.into_pyarray(py)))
}

fn evaluate_error(py: Python<'_>, error: &dyn std::fmt::Display) -> PyErr {
    error::named(py, "EvaluateError", &error.to_string())
}

fn member<'py>(
    entry: &Bound<'py, PyDict>,
    key: &Bound<'py, pyo3::types::PyString>,
) -> Option<Bound<'py, PyAny>> {
    entry.get_item(key).ok().flatten()
}

/// An integer, of numpy's kinds too; no bool, which pycocotools does not take everywhere.
fn id(value: &Bound<'_, PyAny>) -> Option<Id> {
    if value.is_instance_of::<PyBool>() {
        return None;
    }
    value.extract().ok().and_then(Id::new)
}

fn id_of(entry: &Bound<'_, PyAny>) -> Option<Id> {
    let entry = entry.cast::<PyDict>().ok()?;
    id(&member(entry, intern!(entry.py(), "id"))?)
}

/// A number, of numpy's kinds too; not what would have to be read as one.
fn number(value: &Bound<'_, PyAny>) -> Option<f64> {
    if value.is_instance_of::<PyBool>() { None } else { value.extract().ok() }
}

fn bbox(value: &Bound<'_, PyAny>) -> Option<[f64; 4]> {
    // Before anything of its length is allocated.
    if value.len().ok()? != 4 {
        return None;
    }
    let mut numbers = [0.0; 4];
    let list = value.cast::<PyList>().ok();
    for (place, to) in numbers.iter_mut().enumerate() {
        let item = match list {
            Some(list) => list.get_item(place),
            None => value.get_item(place),
        };
        *to = number(&item.ok()?)?;
    }
    Some(numbers)
}

fn category(entry: &Bound<'_, PyAny>) -> Option<Category> {
    let dict = entry.cast::<PyDict>().ok()?;
    let name = member(dict, intern!(entry.py(), "name")).and_then(|name| name.extract::<String>().ok());
    Some(Category::new(id_of(entry)?, name.as_deref()))
}

fn annotation(entry: &Bound<'_, PyAny>) -> Option<Annotation> {
    let (py, entry) = (entry.py(), entry.cast::<PyDict>().ok()?);
    let crowd = match member(entry, intern!(py, "iscrowd")) {
        None => None,
        Some(crowd) => match crowd.cast::<PyBool>() {
            Ok(crowd) => Some(crowd.is_true()),
            Err(_) => match id(&crowd)?.integer()? {
                0 => Some(false),
                1 => Some(true),
                _ => return None,
            },
        },
    };
    let area = match member(entry, intern!(py, "area")) {
        None => None,
        Some(area) => Some(number(&area)?),
    };
    Some(Annotation::new(
        id(&member(entry, intern!(py, "id"))?)?,
        id(&member(entry, intern!(py, "image_id"))?)?,
        id(&member(entry, intern!(py, "category_id"))?)?,
        bbox(&member(entry, intern!(py, "bbox"))?)?,
        area,
        crowd,
    ))
}

/// With `own_areas`, its `area`, which is needed then, stands where it is not that of the box.
fn result(entry: &Bound<'_, PyAny>, own_areas: bool) -> Option<ResultRow> {
    let (py, entry) = (entry.py(), entry.cast::<PyDict>().ok()?);
    let area = if own_areas { Some(number(&member(entry, intern!(py, "area"))?)?) } else { None };
    Some(ResultRow {
        area,
        image: id(&member(entry, intern!(py, "image_id"))?)?,
        category: id(&member(entry, intern!(py, "category_id"))?)?,
        bbox: bbox(&member(entry, intern!(py, "bbox"))?)?,
        score: number(&member(entry, intern!(py, "score"))?)?,
    })
}
