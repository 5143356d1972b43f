//! The edges of a mask as closed lines along the edges of its pixels.
//!
//! Edges run so that set pixels lie to their right, rows counted downwards; where four pixels meet of which two opposite ones
//! are set, these belong to two lines.

use std::collections::BTreeMap;
use std::ops::Range;

/// A corner between pixels: its column and row, counted from the upper left corner of the mask.
type Corner = [u32; 2];

/// The closed lines of set pixels, given column by column; corners in a row on one line are left out. Lines around set pixels
/// run clockwise, those around holes the other way.
pub(super) fn outlines(set: impl Iterator<Item = Range<u32>>, height: u32) -> Vec<Vec<Corner>> {
    let mut edges = Edges::default();
    let mut before = (0, Vec::new());
    for (column, rows) in (OutlineColumns { set: set.peekable(), height }) {
        if before.0 != column {
            // There is nothing between the two.
            edges.between(before.0, &before.1, &[]);
            before = (column, Vec::new());
        }
        edges.between(column, &before.1, &rows);
        edges.of_column(column, &rows);
        before = (column + 1, rows);
    }
    edges.between(before.0, &before.1, &[]);
    edges.lines()
}

/// OutlineColumns that have set pixels, each with its rows in rising order.
struct OutlineColumns<I: Iterator<Item = Range<u32>>> {
    set: std::iter::Peekable<I>,
    height: u32,
}

impl<I: Iterator<Item = Range<u32>>> Iterator for OutlineColumns<I> {
    type Item = (u32, Vec<Range<u32>>);

    fn next(&mut self) -> Option<Self::Item> {
        let height = self.height.max(1);
        let column = self.set.peek()?.start / height;
        let (top, mut rows): (u32, Vec<Range<u32>>) = (column * height, Vec::new());
        while let Some(run) = self.set.peek_mut() {
            if run.start / height != column {
                break;
            }
            let end = run.end.min(top.saturating_add(height));
            match rows.last_mut() {
                Some(last) if last.end == run.start - top => last.end = end - top,
                _ => rows.push(run.start - top..end - top),
            }
            if end < run.end {
                run.start = end;
                break;
            }
            self.set.next();
        }
        Some((column, rows))
    }
}

/// Where the edges that begin at each corner end; two at most, where two opposite pixels of four are set.
#[derive(Default)]
struct Edges(BTreeMap<Corner, Vec<Corner>>);

impl Edges {
    fn add(&mut self, from: Corner, to: Corner) {
        self.0.entry(from).or_default().push(to);
    }

    /// The upper and lower edges of a column's rows.
    fn of_column(&mut self, column: u32, rows: &[Range<u32>]) {
        for row in rows {
            self.add([column, row.start], [column + 1, row.start]);
            self.add([column + 1, row.end], [column, row.end]);
        }
    }

    /// The edges between the rows of two neighbouring columns, of which the right one is told.
    fn between(&mut self, column: u32, left: &[Range<u32>], right: &[Range<u32>]) {
        let bounds = left.iter().chain(right).flat_map(|row| [row.start, row.end]);
        let mut bounds: Vec<u32> = bounds.collect();
        bounds.sort_unstable();
        bounds.dedup();
        let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
        for span in bounds.windows(2) {
            let (top, bottom) = (span[0], span[1]);
            let has = |rows: &mut std::iter::Peekable<std::slice::Iter<'_, Range<u32>>>| {
                while rows.next_if(|row| row.end <= top).is_some() {}
                rows.peek().is_some_and(|row| row.start <= top)
            };
            match (has(&mut left), has(&mut right)) {
                (false, true) => self.add([column, bottom], [column, top]),
                (true, false) => self.add([column, top], [column, bottom]),
                _ => {}
            }
        }
    }

    /// Joins all edges into closed lines, from the leftmost uppermost corner on.
    fn lines(mut self) -> Vec<Vec<Corner>> {
        let mut lines = Vec::new();
        while let Some((&start, _)) = self.0.first_key_value() {
            let mut line = vec![start];
            let (mut from, mut at) = (start, start);
            while let Some(next) = self.take(from, at) {
                (from, at) = (at, next);
                if at == start {
                    break;
                }
                line.push(at);
            }
            lines.push(straightened(line));
        }
        lines
    }

    /// Takes the edge that goes on from a corner which was reached from another one: to the right where there are two.
    fn take(&mut self, from: Corner, at: Corner) -> Option<Corner> {
        let ends = self.0.get_mut(&at)?;
        let to_the_right = |to: &Corner| turn(from, at, *to) > 0;
        let place = ends.iter().position(to_the_right).unwrap_or(0);
        let next = (!ends.is_empty()).then(|| ends.swap_remove(place));
        if ends.is_empty() {
            self.0.remove(&at);
        }
        next
    }
}

/// Above 0 where the way turns to the right, rows counted downwards; 0 where it goes on straight.
fn turn(from: Corner, at: Corner, to: Corner) -> i64 {
    let step = |a: Corner, b: Corner| [i64::from(b[0]) - i64::from(a[0]), i64::from(b[1]) - i64::from(a[1])];
    let ([ax, ay], [bx, by]) = (step(from, at), step(at, to));
    ax * by - ay * bx
}

/// A closed line without the corners at which it goes on straight.
fn straightened(line: Vec<Corner>) -> Vec<Corner> {
    let count = line.len();
    let turns =
        |place: &usize| turn(line[(place + count - 1) % count], line[*place], line[(place + 1) % count]) != 0;
    (0..count).filter(turns).map(|place| line[place]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Rle;

    fn mask(rows: &[&str]) -> Rle {
        let (height, width) = (rows.len(), rows[0].len());
        let at = |x: usize, y: usize| u8::from(rows[y].as_bytes()[x] == b'#');
        let pixels: Vec<u8> = (0..width).flat_map(|x| (0..height).map(move |y| at(x, y))).collect();
        Rle::from_pixels(&pixels, height as u32, width as u32)
    }

    #[test]
    fn outlines_by_hand() {
        let one = mask(&["....", ".##.", "....", "...."]);
        assert_eq!(one.outlines(), [[[1, 1], [3, 1], [3, 2], [1, 2]]]);
        let corner = mask(&["#.", "##"]);
        assert_eq!(corner.outlines(), [[[0, 0], [1, 0], [1, 1], [2, 1], [2, 2], [0, 2]]]);
        let hole = mask(&["###", "#.#", "###"]);
        let (around, inside) = ([[0, 0], [3, 0], [3, 3], [0, 3]], [[1, 1], [1, 2], [2, 2], [2, 1]]);
        assert_eq!(hole.outlines(), [around, inside]);
        // Two pixels that touch at a corner are two.
        let (first, second) = ([[0, 0], [1, 0], [1, 1], [0, 1]], [[1, 1], [2, 1], [2, 2], [1, 2]]);
        assert_eq!(mask(&["#.", ".#"]).outlines(), [first, second]);
        let (first, second) = ([[0, 1], [1, 1], [1, 2], [0, 2]], [[1, 0], [2, 0], [2, 1], [1, 1]]);
        assert_eq!(mask(&[".#", "#."]).outlines(), [first, second]);
        assert!(mask(&["..", ".."]).outlines().is_empty());
        // A run over several columns.
        let full = Rle::new(3, 4, vec![0, 12]);
        assert_eq!(full.outlines(), [[[0, 0], [4, 0], [4, 3], [0, 3]]]);
    }

    /// What pycocotools' rule makes of the outlines is the mask again: inside an odd number of lines.
    #[test]
    fn outlines_enclose_the_mask() {
        let mut state = 7u32;
        for _ in 0..200 {
            let mut next = |below: u32| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) % below
            };
            let (height, width, thin) = (1 + next(9), 1 + next(9), 1 + next(4));
            let pixels: Vec<u8> = (0..height * width).map(|_| u8::from(next(4) < thin)).collect();
            let mask = Rle::from_pixels(&pixels, height, width);
            let mut again = vec![0; pixels.len()];
            for line in mask.outlines() {
                let corners: Vec<f64> = line.iter().flatten().map(|&side| f64::from(side)).collect();
                let inside = Rle::from_polygon(&corners, height, width).unwrap().pixels().unwrap();
                again.iter_mut().zip(inside).for_each(|(bit, other)| *bit ^= other);
            }
            assert_eq!(again, mask.pixels().unwrap(), "{mask:?}");
        }
    }
}
