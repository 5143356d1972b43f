//! A mask as the path of an SVG. Knows no page.

use std::fmt::Write;

use coco_eval::Rle;

/// The `d` of a path around a mask's pixels; corners that are nearer than `tolerance` pixels to a straight line are left out.
/// What is inside an odd number of its lines is the mask.
pub(super) fn path(mask: &Rle, tolerance: f64) -> String {
    let mut path = String::new();
    for line in mask.outlines() {
        let corners = simplified(&line, tolerance);
        // Specks that the page could not show.
        if corners.len() < 3 {
            continue;
        }
        for (place, [x, y]) in corners.iter().enumerate() {
            // Writing to a string does not fail.
            let _ = write!(path, "{}{x} {y}", if place == 0 { "M" } else { "L" });
        }
        path.push('Z');
    }
    path
}

/// A closed line with fewer corners (Ramer 1972, Douglas and Peucker 1973), from its first corner to the one farthest from it
/// and back.
fn simplified(line: &[[u32; 2]], tolerance: f64) -> Vec<[u32; 2]> {
    let Some(&first) = line.first() else { return Vec::new() };
    let apart = |corner: &[u32; 2]| {
        let [x, y] = [0, 1].map(|axis| f64::from(corner[axis]) - f64::from(first[axis]));
        x.hypot(y)
    };
    let far = (0..line.len()).max_by(|&a, &b| apart(&line[a]).total_cmp(&apart(&line[b]))).unwrap_or(0);
    let closed: Vec<[u32; 2]> = line.iter().copied().chain([first]).collect();
    let mut kept = vec![false; closed.len()];
    (kept[0], kept[far]) = (true, true);
    let mut spans = vec![(0, far), (far, closed.len() - 1)];
    while let Some((from, to)) = spans.pop() {
        let distance = |place: usize| from_segment(closed[place], closed[from], closed[to]);
        let farthest = (from + 1..to).max_by(|&a, &b| distance(a).total_cmp(&distance(b)));
        if let Some(place) = farthest.filter(|&place| distance(place) > tolerance) {
            kept[place] = true;
            spans.extend([(from, place), (place, to)]);
        }
    }
    line.iter().zip(kept).filter(|(_, kept)| *kept).map(|(corner, _)| *corner).collect()
}

/// How far a corner is from a line between two others.
fn from_segment(corner: [u32; 2], from: [u32; 2], to: [u32; 2]) -> f64 {
    let step = |a: [u32; 2], b: [u32; 2]| [0, 1].map(|axis| f64::from(b[axis]) - f64::from(a[axis]));
    let ([px, py], [sx, sy]) = (step(from, corner), step(from, to));
    let length = sx * sx + sy * sy;
    let share = if length > 0.0 { ((px * sx + py * sy) / length).clamp(0.0, 1.0) } else { 0.0 };
    (px - share * sx).hypot(py - share * sy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_a_path_with_holes() {
        // 5 x 5 pixels around one that is not set.
        let pixels: Vec<u8> = (0..25).map(|place| u8::from(place != 12)).collect();
        let mask = Rle::from_pixels(&pixels, 5, 5);
        assert_eq!(path(&mask, 0.1), "M0 0L5 0L5 5L0 5ZM2 2L2 3L3 3L3 2Z");
        assert_eq!(path(&Rle::new(5, 5, vec![25]), 0.1), "");
    }

    #[test]
    fn stairs_become_a_slope() {
        // The lower left half of a square: each column begins one row further down.
        let pixels: Vec<u8> = (0..20).flat_map(|x| (0..20).map(move |y| u8::from(y >= x))).collect();
        let mask = Rle::from_pixels(&pixels, 20, 20);
        assert!(path(&mask, 0.1).matches('L').count() > 30);
        let found = path(&mask, 1.0);
        assert!(found.matches('L').count() < 6, "{found}");
    }
}
