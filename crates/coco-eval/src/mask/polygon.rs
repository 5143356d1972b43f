//! Polygons as masks (`rleFrPoly`): corners are rounded to a grid five times as fine as the pixels, edges are walked on that
//! grid, and where an edge enters the middle of a column of pixels, the pixels below change.
//!
//! pycocotools walks every step of an edge. Here only the steps into the middle of a column inside the image are looked at; they
//! are found by the same sums, so that the mask is the same.

use super::error::MaskError;
use super::facts::{PixelRun, runs_of};

/// How many times finer the grid is.
const FINER: f64 = 5.0;

/// Corners farther away than this are refused: the differences of the grid's 32-bit places would run over.
const FARTHEST: f64 = 1e8;

/// What counts of one of a corner's two numbers, in half the memory: its place on the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CornerPlace(i32);

impl CornerPlace {
    /// Of a number that is none, or too far.
    const NOWHERE: CornerPlace = CornerPlace(i32::MIN);

    /// The place of a number, rounded as a cast to `int` in C rounds.
    #[inline]
    pub(crate) fn of(corner: f64) -> CornerPlace {
        // Written so that NaN is refused, too.
        if corner.abs() <= FARTHEST {
            CornerPlace((FINER * corner + 0.5) as i32)
        } else {
            CornerPlace::NOWHERE
        }
    }
}

/// The run lengths of a polygon's inside: x and y of its corners in turn, in pixels; a last number without a partner is left out.
pub(super) fn runs(corners: &[f64], height: u32, width: u32) -> Result<Vec<u32>, MaskError> {
    let (mut drawing, mut inside) = (PolygonDrawing::default(), Vec::new());
    let corners = corners.iter().map(|&corner| CornerPlace::of(corner));
    drawing.draw(corners, (height, width), &mut inside)?;
    Ok(runs_of(&inside, u64::from(height) * u64::from(width)))
}

/// A polygon while it is drawn, in memory that is used again.
#[derive(Clone, Debug, Default)]
pub(crate) struct PolygonDrawing {
    /// The corners on the grid.
    grid: Vec<(i32, i32)>,
    /// Where an edge enters the middle of a column: the column, counted from the first one, and the bound between pixels.
    crossings: Vec<(u32, u32)>,
    /// By column, where its bounds begin among the sorted ones.
    starts: Vec<u32>,
    /// All bounds in order.
    sorted: Vec<u32>,
}

impl PolygonDrawing {
    /// Adds the inside of a polygon, x and y of its corners in turn, to what is there: set pixels in a row, column by column.
    pub(crate) fn draw(
        &mut self,
        corners: impl Iterator<Item = CornerPlace>,
        (height, width): (u32, u32),
        inside: &mut Vec<PixelRun>,
    ) -> Result<(), MaskError> {
        if height == 0 || width == 0 {
            return Err(MaskError::NoSize);
        }
        let pixels = height.checked_mul(width).ok_or(MaskError::TooLarge { height, width })?;
        self.grid.clear();
        let mut corners = corners;
        while let (Some(x), Some(y)) = (corners.next(), corners.next()) {
            if x == CornerPlace::NOWHERE || y == CornerPlace::NOWHERE {
                return Err(MaskError::Far);
            }
            self.grid.push((x.0, y.0));
        }
        self.cross(height, width);
        self.sort();
        // A bound that stands twice is none. Behind the last one may be set pixels up to the end.
        let first = inside.len();
        let (pairs, rest) = self.sorted.as_chunks::<2>();
        for &[start, end] in pairs.iter().chain(rest.first().map(|&start| [start, pixels]).as_ref()) {
            match inside[first..].last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ if start < end => inside.push(PixelRun { start, end }),
                _ => {}
            }
        }
        Ok(())
    }

    /// Finds the bounds between pixels, where edges enter the middles of columns.
    fn cross(&mut self, height: u32, width: u32) {
        self.crossings.clear();
        self.starts.clear();
        let Some(&last) = self.grid.last() else { return };
        let (left, right) = self
            .grid
            .iter()
            .fold((i32::MAX, i32::MIN), |(low, high), corner| (low.min(corner.0), high.max(corner.0)));
        let Some((first, end)) = columns(left, right, width) else { return };
        self.starts.resize((end - first) as usize + 2, 0);
        let mut from = last;
        for &to in &self.grid {
            edge(from, to, (height, width), |column, bound| {
                let place = column - first;
                // One behind its own, where the next column begins.
                self.starts[place as usize + 1] += 1;
                self.crossings.push((place, bound));
            });
            from = to;
        }
    }

    /// Puts the bounds in order: by columns first, of which most have two.
    fn sort(&mut self) {
        self.sorted.clear();
        self.sorted.resize(self.crossings.len(), 0);
        let mut sum = 0;
        for start in &mut self.starts {
            sum += *start;
            *start = sum;
        }
        for &(place, bound) in &self.crossings {
            let at = &mut self.starts[place as usize];
            self.sorted[*at as usize] = bound;
            *at += 1;
        }
        // Now each column's place has its end.
        let mut start = 0;
        for &end in &self.starts {
            let own = &mut self.sorted[start..end as usize];
            match own {
                [a, b] => (*a, *b) = ((*a).min(*b), (*a).max(*b)),
                [] | [_] => {}
                more => more.sort_unstable(),
            }
            start = end as usize;
        }
    }
}

/// The first and the last column inside the image whose middle lies between two places: there is a step from 5c + 2 to 5c + 3.
fn columns(left: i32, right: i32, width: u32) -> Option<(u32, u32)> {
    let first = ((i64::from(left) + 2).div_euclid(5)).max(0);
    let last = ((i64::from(right) - 3).div_euclid(5)).min(i64::from(width) - 1);
    (first <= last).then_some((first as u32, last as u32))
}

/// Tells the columns whose middles an edge enters, from left to right, and the bound between pixels there.
#[inline(always)]
fn edge(
    (xs, ys): (i32, i32),
    (xe, ye): (i32, i32),
    (height, width): (u32, u32),
    mut enter: impl FnMut(u32, u32),
) {
    if xs == xe {
        return;
    }
    let Some((first, last)) = columns(xs.min(xe), xs.max(xe), width) else { return };
    let (dx, dy) = ((xe - xs).abs(), (ye - ys).abs());
    // An edge is walked from the lower end of its longer side.
    let flat = dx >= dy;
    let flip = if flat { xs > xe } else { ys > ye };
    let ((xs, ys), (xe, ye)) = if flip { ((xe, ye), (xs, ys)) } else { ((xs, ys), (xe, ye)) };
    // Pixels above the middle of a row on the grid: the sum is rounded up when it is divided by five.
    let mut bound = |column: u32, row: i32| {
        let above = (row.max(-2) + 2) as u32 / 5;
        enter(column, column * height + above.min(height));
    };
    if flat {
        let slope = f64::from(ye - ys) / f64::from(dx);
        // The lower one of two steps.
        let back = i32::from(slope < 0.0);
        for column in first..=last {
            let step = 5 * column as i32 + 2 - xs + back;
            bound(column, (f64::from(ys) + slope * f64::from(step) + 0.5) as i32);
        }
    } else {
        let slopes = (f64::from(xe - xs) / f64::from(dy), f64::from(dy) / f64::from(xe - xs));
        for column in first..=last {
            if let Some(row) = steep((xs, ys), slopes, dy, 5 * column as i32 + 2) {
                bound(column, row);
            }
        }
    }
}

/// The lower of the two rows between which an edge that is higher than wide steps over the middle of a column; its slopes are the
/// columns a row and the rows a column.
#[inline(always)]
fn steep((xs, ys): (i32, i32), (slope, inverse): (f64, f64), dy: i32, middle: i32) -> Option<i32> {
    let u = |step: i32| (f64::from(xs) + slope * f64::from(step) + 0.5) as i32;
    let rising = slope > 0.0;
    let beyond = |column: i32| (column > middle) == rising;
    // The first step that is beyond the middle; the estimate is hardly ever off.
    let estimate = ((f64::from(middle) + 0.5 - f64::from(xs)) * inverse) as i32;
    let mut step = estimate.saturating_add(1).clamp(1, dy);
    let (mut before, mut after) = (u(step - 1), u(step));
    while step > 1 && beyond(before) {
        step -= 1;
        (before, after) = (u(step - 1), before);
    }
    while step < dy && !beyond(after) {
        step += 1;
        (before, after) = (after, u(step));
    }
    let over = !beyond(before) && beyond(after) && before.min(after) == middle;
    over.then_some(ys + step - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Corners are refused as they were given; pycocotools leaves these to chance.
    #[test]
    fn far_corners_are_refused() {
        for corner in [f64::NAN, f64::INFINITY, -1.1e8] {
            assert_eq!(runs(&[0.0, 0.0, 9.0, 0.0, corner, 9.0], 9, 9), Err(MaskError::Far), "{corner}");
        }
        assert_eq!(runs(&[0.0, 0.0, 9.0, 0.0, 1e8], 9, 9), Ok(vec![81]));
    }

    #[test]
    fn drawing_leaves_what_is_there() {
        let square = [0.0, 0.0, 0.0, 2.0, 2.0, 2.0, 2.0, 0.0].map(CornerPlace::of);
        let (mut drawing, mut inside) = (PolygonDrawing::default(), vec![PixelRun { start: 0, end: 0 }]);
        for _ in 0..2 {
            drawing.draw(square.iter().copied(), (2, 3), &mut inside).unwrap();
        }
        let (before, square) = (PixelRun { start: 0, end: 0 }, PixelRun { start: 0, end: 4 });
        assert_eq!(inside, [before, square, square]);
    }
}
