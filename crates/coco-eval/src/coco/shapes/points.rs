//! Key points: x, y and visibility in turn, and how similar two sets of them are (`computeOks`).

use super::super::value::JsonValue;
use crate::evaluate::pairwise;

/// What similarity needs of an annotation.
#[derive(Clone, Copy, Debug)]
pub(super) struct TruthPoints<'a> {
    /// x, y and visibility in turn.
    pub(super) points: &'a [f64],
    pub(super) bbox: [f64; 4],
    pub(super) area: f64,
}

/// The key points of a record; `None` where there are none or they are no numbers.
pub(super) fn take(value: Option<&JsonValue>, points: &mut Vec<f64>) -> Option<()> {
    let Some(JsonValue::List(list)) = value else { return None };
    for number in list {
        points.push(number.number()?);
    }
    Some(())
}

/// What is wrong with key points of so many numbers.
pub(super) fn wrong_count(numbers: usize, sigmas: usize) -> String {
    format!(
        "{numbers} numbers as `keypoints`: x, y and visibility of each of {sigmas} key points expected, for which `--sigmas` has a \
         number each"
    )
}

/// The object key point similarity of a result's points with an annotation's: the mean over the visible ones of
/// exp(-d^2 / (2 * area * (2 * sigma)^2)). Where none is visible, distances to a box three times as wide and high as the
/// annotation's are taken instead.
///
/// `points` and the annotation's must be three numbers for each of `sigmas`; `scratch` is memory that is used again.
pub(super) fn similarity(
    points: &[f64],
    truth: &TruthPoints<'_>,
    sigmas: &[f64],
    scratch: &mut Vec<f64>,
) -> f64 {
    let seen = |point: &[f64]| point[2] > 0.0;
    let visible = truth.points.chunks_exact(3).filter(|point| seen(point)).count();
    let [left, top, width, height] = truth.bbox;
    let (x0, x1) = (left - width, left + width * 2.0);
    let (y0, y1) = (top - height, top + height * 2.0);
    // numpy's maximum is NaN where a side is.
    let beyond = |value: f64| if value.is_nan() || value > 0.0 { value } else { 0.0 };
    scratch.clear();
    for ((own, other), sigma) in points.chunks_exact(3).zip(truth.points.chunks_exact(3)).zip(sigmas) {
        if visible > 0 && !seen(other) {
            continue;
        }
        let (dx, dy) = if visible > 0 {
            (own[0] - other[0], own[1] - other[1])
        } else {
            (beyond(x0 - own[0]) + beyond(own[0] - x1), beyond(y0 - own[1]) + beyond(own[1] - y1))
        };
        let variance = (sigma * 2.0) * (sigma * 2.0);
        let distance = (dx * dx + dy * dy) / variance / (truth.area + f64::EPSILON) / 2.0;
        scratch.push((-distance).exp());
    }
    pairwise(scratch) / scratch.len() as f64
}
