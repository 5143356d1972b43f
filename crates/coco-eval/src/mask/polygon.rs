//! Polygons as masks (`rleFrPoly`): corners are rounded to a grid five times as fine as the pixels, edges are walked on that
//! grid, and where an edge enters the middle of a column of pixels, the pixels below change.
//!
//! pycocotools walks every step of an edge. Here only the steps into the middle of a column inside the image are looked at; they
//! are found by the same sums, so that the mask is the same.

use super::error::MaskError;

/// How many times finer the grid is.
const FINER: f64 = 5.0;

/// Corners farther away than this are refused: the differences of the grid's 32-bit places would run over.
const FARTHEST: f64 = 1e8;

/// A corner's place on the grid, rounded as a cast to `int` in C rounds.
fn place(corner: f64) -> Result<i32, MaskError> {
    // Written so that NaN is refused, too.
    if corner.abs() <= FARTHEST { Ok((FINER * corner + 0.5) as i32) } else { Err(MaskError::Far) }
}

/// What counts of one of a corner's two numbers, in half the memory: its place on the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CornerPlace(i32);

impl CornerPlace {
    /// Of a number that is none, or too far.
    const NOWHERE: CornerPlace = CornerPlace(i32::MIN);

    pub(crate) fn of(corner: f64) -> CornerPlace {
        place(corner).map_or(CornerPlace::NOWHERE, CornerPlace)
    }

    /// A number that has this place.
    pub(crate) fn corner(self) -> f64 {
        match self {
            CornerPlace::NOWHERE => f64::NAN,
            // The cast cuts off towards 0, so that below it a place is that of the numbers before it.
            CornerPlace(place) if place < 0 => (f64::from(place) - 0.75) / FINER,
            CornerPlace(place) => f64::from(place) / FINER,
        }
    }
}

/// The run lengths of a polygon's inside: x and y of its corners in turn, in pixels; a last number without a partner is left out.
pub(super) fn runs(corners: &[f64], height: u32, width: u32) -> Result<Vec<u32>, MaskError> {
    if height == 0 || width == 0 {
        return Err(MaskError::NoSize);
    }
    let pixels = height.checked_mul(width).ok_or(MaskError::TooLarge { height, width })?;
    let grid = corners
        .chunks_exact(2)
        .map(|corner| Ok((place(corner[0])?, place(corner[1])?)))
        .collect::<Result<Vec<(i32, i32)>, MaskError>>()?;
    let mut bounds = Vec::new();
    for (at, &start) in grid.iter().enumerate() {
        let end = grid[(at + 1) % grid.len()];
        edge(start, end, (height, width), &mut bounds);
    }
    bounds.push(pixels);
    bounds.sort_unstable();
    Ok(joined(bounds))
}

/// Bounds between pixels, where an edge enters the middles of columns.
fn edge((xs, ys): (i32, i32), (xe, ye): (i32, i32), (height, width): (u32, u32), bounds: &mut Vec<u32>) {
    if xs == xe {
        return;
    }
    let (dx, dy) = ((xe - xs).abs(), (ye - ys).abs());
    // The columns whose middles lie between the ends: steps from 5c + 2 to 5c + 3 or back.
    let (left, right) = (i64::from(xs.min(xe)), i64::from(xs.max(xe)));
    let first = ((left + 2).div_euclid(5)).max(0);
    let last = ((right - 3).div_euclid(5)).min(i64::from(width) - 1);
    // An edge is walked from the lower end of its longer side.
    let flat = dx >= dy;
    let flip = if flat { xs > xe } else { ys > ye };
    let ((xs, ys), (xe, ye)) = if flip { ((xe, ye), (xs, ys)) } else { ((xs, ys), (xe, ye)) };
    for column in first..=last {
        let middle = (5 * column + 2) as i32;
        let row = if flat {
            let slope = f64::from(ye - ys) / f64::from(dx);
            let v = |step: i32| (f64::from(ys) + slope * f64::from(step) + 0.5) as i32;
            let step = middle - xs;
            Some(v(step).min(v(step + 1)))
        } else {
            steep((xs, ys), xe, dy, middle)
        };
        if let Some(row) = row {
            let row = (f64::from(row) + 0.5) / FINER - 0.5;
            let row = row.max(0.0).min(f64::from(height)).ceil() as u32;
            bounds.push(column as u32 * height + row);
        }
    }
}

/// The lower of the two rows between which an edge that is higher than wide steps over the middle of a column.
fn steep((xs, ys): (i32, i32), xe: i32, dy: i32, middle: i32) -> Option<i32> {
    let slope = f64::from(xe - xs) / f64::from(dy);
    let u = |step: i32| (f64::from(xs) + slope * f64::from(step) + 0.5) as i32;
    // The first step that is beyond the middle; the estimate is at most a few steps off.
    let beyond = |step: i32| if slope > 0.0 { u(step) > middle } else { u(step) <= middle };
    let target = f64::from(middle) + if slope > 0.0 { 0.5 } else { 1.5 };
    let target = if slope > 0.0 { target } else { target - 1.0 };
    let mut step = (((target - f64::from(xs)) / slope).ceil() as i32).clamp(0, dy);
    while step > 0 && beyond(step - 1) {
        step -= 1;
    }
    while step <= dy && !beyond(step) {
        step += 1;
    }
    if step == 0 || step > dy {
        return None;
    }
    let (before, after) = (u(step - 1), u(step));
    (before != after && before.min(after) == middle).then(|| ys + step - 1)
}

/// Differences of sorted bounds; where two fall together, the runs on both sides of the nothing between them are one.
fn joined(mut bounds: Vec<u32>) -> Vec<u32> {
    let mut before = 0;
    for bound in &mut bounds {
        (*bound, before) = (*bound - before, *bound);
    }
    let mut kept = 1;
    let mut at = 1;
    while at < bounds.len() {
        if bounds[at] > 0 {
            bounds[kept] = bounds[at];
            kept += 1;
            at += 1;
        } else {
            if let Some(&next) = bounds.get(at + 1) {
                bounds[kept - 1] += next;
            }
            at += 2;
        }
    }
    bounds.truncate(kept);
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_stands_for_its_numbers() {
        for tenth in -400..400 {
            let corner = f64::from(tenth) / 13.0;
            let kept = CornerPlace::of(corner);
            assert_eq!(place(kept.corner()), place(corner), "{corner}");
        }
        for corner in [1e8, -1e8, 1e8 - 0.3, 0.2 - 1e8, -0.0] {
            assert_eq!(place(CornerPlace::of(corner).corner()), place(corner), "{corner}");
        }
        for corner in [f64::NAN, f64::INFINITY, -1.1e8] {
            assert_eq!(place(CornerPlace::of(corner).corner()), Err(MaskError::Far), "{corner}");
        }
    }
}
