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

/// Whether any of an annotation's key points is visible.
pub(super) fn any_visible(points: &[f64]) -> bool {
    points.iter().skip(2).step_by(3).any(|&visibility| visibility > 0.0)
}

/// The object key point similarity of a result's points with an annotation's: the mean over the visible ones of
/// exp(-d^2 / (2 * area * (2 * sigma)^2)). Where none is visible, distances to a box three times as wide and high as the
/// annotation's are taken instead, of all points.
///
/// `points` must be three numbers for each of `sigmas`, and so must be the annotation's if any of them is visible; `scratch` is
/// memory that is used again.
pub(super) fn similarity(
    points: &[f64],
    truth: &TruthPoints<'_>,
    sigmas: &[f64],
    scratch: &mut Vec<f64>,
) -> f64 {
    scratch.clear();
    let mut add = |dx: f64, dy: f64, sigma: f64| {
        let variance = (sigma * 2.0) * (sigma * 2.0);
        let distance = (dx * dx + dy * dy) / variance / (truth.area + f64::EPSILON) / 2.0;
        scratch.push((-distance).exp());
    };
    let own = points.chunks_exact(3).zip(sigmas);
    if any_visible(truth.points) {
        for ((own, sigma), other) in own.zip(truth.points.chunks_exact(3)) {
            if other[2] > 0.0 {
                add(own[0] - other[0], own[1] - other[1], *sigma);
            }
        }
    } else {
        let [left, top, width, height] = truth.bbox;
        let (x0, x1) = (left - width, left + width * 2.0);
        let (y0, y1) = (top - height, top + height * 2.0);
        // numpy's maximum is NaN where a side is.
        let beyond = |value: f64| if value.is_nan() || value > 0.0 { value } else { 0.0 };
        for (own, sigma) in own {
            let dx = beyond(x0 - own[0]) + beyond(own[0] - x1);
            add(dx, beyond(y0 - own[1]) + beyond(own[1] - y1), *sigma);
        }
    }
    pairwise(scratch) / scratch.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similarity_is_the_mean_over_visible_points() {
        // At a distance of sigma * 2 * sqrt(area) a point counts exp(-1/2); the invisible one does not count.
        let points = [10.0, 10.0, 2.0, 40.0, 40.0, 1.0, 0.0, 0.0, 0.0];
        let truth = TruthPoints { points: &points, bbox: [0.0, 0.0, 50.0, 50.0], area: 100.0 };
        let own = [10.0, 12.0, 0.0, 40.0, 40.0, 0.0, 99.0, 99.0, 0.0];
        let found = similarity(&own, &truth, &[0.1; 3], &mut Vec::new());
        assert!((found - ((-0.5f64).exp() + 1.0) / 2.0).abs() < 1e-12, "{found}");
        // Nothing is visible: what lies within the box and its surroundings is as good as can be.
        let hidden = TruthPoints { points: &[0.0; 9], ..truth };
        assert_eq!(similarity(&own, &hidden, &[0.1; 3], &mut Vec::new()), 1.0);
    }
}
