//! What encloses an object more closely than its box: closed lines, from polygons or masks. Knows no form.

use coco_eval::Rle;
use serde_json::Value;

/// Corners of a closed line, x and y in pixels.
pub(super) type Line = Vec<[f64; 2]>;

/// The lines of a COCO `segmentation`: polygons, or those around a mask's pixels.
pub(super) fn of_segmentation(value: &Value) -> Option<Vec<Line>> {
    let lines = match value {
        Value::Array(polygons) => polygons.iter().map(polygon).collect::<Option<Vec<Line>>>()?,
        Value::Object(_) => of_mask(&serde_json::from_value(value.clone()).ok()?),
        _ => return None,
    };
    (!lines.is_empty()).then_some(lines)
}

/// x and y in turn; three corners or more.
fn polygon(numbers: &Value) -> Option<Line> {
    let numbers: Option<Vec<f64>> = numbers.as_array()?.iter().map(Value::as_f64).collect();
    let corners: Line = numbers?.chunks_exact(2).map(|corner| [corner[0], corner[1]]).collect();
    (corners.len() >= 3).then_some(corners)
}

/// The lines around a mask's pixels.
pub(crate) fn of_mask(mask: &Rle) -> Vec<Line> {
    let corner = |[x, y]: [u32; 2]| [f64::from(x), f64::from(y)];
    mask.outlines().into_iter().map(|line| line.into_iter().map(corner).collect()).collect()
}

/// All lines as one, for forms in which an object has one polygon: from each to the next there and back again over the
/// corners that are nearest to each other, which encloses the same pixels, holes left out.
pub(super) fn joined(lines: &[Line]) -> Line {
    let mut lines = lines.iter().filter(|line| !line.is_empty());
    let mut one = lines.next().cloned().unwrap_or_default();
    for line in lines {
        let (from, to) = nearest(&one, line);
        let around = line[to..].iter().chain(&line[..=to]).copied();
        let detour: Line = around.chain([one[from]]).collect();
        one.splice(from + 1..from + 1, detour);
    }
    one
}

/// Pairs of corners that are looked at to find the nearest; of longer lines every so many corners.
const LOOKED_AT: usize = 1 << 20;

/// The places of two corners that are near to each other.
fn nearest(one: &[[f64; 2]], other: &[[f64; 2]]) -> (usize, usize) {
    let step = (one.len().saturating_mul(other.len()) / LOOKED_AT).isqrt() + 1;
    let mut best = (f64::INFINITY, (0, 0));
    for (i, [x, y]) in one.iter().enumerate().step_by(step) {
        for (j, [u, v]) in other.iter().enumerate().step_by(step) {
            let distance = (x - u).powi(2) + (y - v).powi(2);
            if distance < best.0 {
                best = (distance, (i, j));
            }
        }
    }
    best.1
}

/// The area inside a closed line (the shoelace formula).
pub(super) fn area(line: &[[f64; 2]]) -> f64 {
    let next = line.iter().cycle().skip(1);
    let twice: f64 = line.iter().zip(next).map(|([x, y], [u, v])| x * v - u * y).sum();
    twice.abs() / 2.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn segmentations_are_polygons_or_masks() {
        let square = vec![[0.0, 0.0], [1.5, 0.0], [1.5, 1.0]];
        assert_eq!(of_segmentation(&json!([[0, 0, 1.5, 0, 1.5, 1]])), Some(vec![square]));
        // pycocotools' text of a mask of 2 x 2 whose second column is set.
        let mask = json!({"size": [2, 2], "counts": "22"});
        let column = vec![[1.0, 0.0], [2.0, 0.0], [2.0, 2.0], [1.0, 2.0]];
        assert_eq!(of_segmentation(&mask), Some(vec![column]));
        for nothing in [json!([]), json!([[1, 2, 3, 4]]), json!("x"), json!({"size": [1, 1]}), json!(null)] {
            assert_eq!(of_segmentation(&nothing), None, "{nothing}");
        }
    }

    #[test]
    fn several_lines_are_joined_to_one_that_encloses_the_same() {
        let rows = ["####.", "#..#.", "####.", "....#", "##..#"];
        let pixels: Vec<u8> =
            (0..5).flat_map(|x| rows.map(move |row| u8::from(row.as_bytes()[x] == b'#'))).collect();
        let mask = Rle::from_pixels(&pixels, 5, 5);
        let lines = of_mask(&mask);
        assert_eq!(lines.len(), 4);
        let one = joined(&lines);
        assert_eq!(area(&one), f64::from(mask.area()));
        let corners: Vec<f64> = one.iter().flatten().copied().collect();
        assert_eq!(Rle::from_polygon(&corners, 5, 5), Ok(mask));
    }
}
