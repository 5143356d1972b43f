//! OpenCV's `resize(…, INTER_LINEAR)` on 8 bits: no antialiasing, 11-bit weights, four bits of each row dropped.

/// Resizes interleaved RGB from `size` to `target`, both (height, width) above 0.
pub fn opencv(pixels: &[u8], size: (usize, usize), target: (usize, usize)) -> Vec<u8> {
    if size == target {
        return pixels.to_vec();
    }
    let columns = Axis::new(size.1, target.1, true);
    let rows = Axis::new(size.0, target.0, false);
    let mut out = Vec::with_capacity(3 * target.0 * target.1);
    let mut spread: [(Option<usize>, Vec<i32>); 2] = [(None, Vec::new()), (None, Vec::new())];
    for row in 0..target.0 {
        let (first, second) = (rows.first[row], rows.second[row]);
        if spread[1].0 == Some(first) {
            spread.swap(0, 1);
        }
        for (slot, source) in spread.iter_mut().zip([first, second]) {
            if slot.0 != Some(source) {
                *slot =
                    (Some(source), columns.spread(&pixels[3 * source * size.1..3 * (source + 1) * size.1]));
            }
        }
        let (a, b) = (rows.near[row], rows.far[row]);
        let sums = spread[0].1.iter().zip(&spread[1].1);
        out.extend(sums.map(|(&top, &bottom)| {
            let (top, bottom) = ((a * (top >> 4)) >> 16, (b * (bottom >> 4)) >> 16);
            ((top + bottom + 2) >> 2).clamp(0, 255) as u8
        }));
    }
    out
}

/// Source pixels and weights in 1/2048 of one axis.
struct Axis {
    first: Vec<usize>,
    second: Vec<usize>,
    near: Vec<i32>,
    far: Vec<i32>,
}

impl Axis {
    /// `border` drops the fraction of positions outside, as OpenCV does for columns but not for rows.
    fn new(input: usize, output: usize, border: bool) -> Axis {
        let last = input as i64 - 1;
        let mut axis = Axis { first: vec![], second: vec![], near: vec![], far: vec![] };
        let scale = input as f64 / output as f64;
        for i in 0..output {
            let position = ((i as f64 + 0.5) * scale - 0.5) as f32;
            let mut first = position.floor() as i64;
            let mut fraction = position - first as f32;
            if border && (first < 0 || first >= last) {
                (first, fraction) = (first.clamp(0, last), 0.0);
            }
            axis.first.push(first.clamp(0, last) as usize);
            axis.second.push((first + 1).clamp(0, last) as usize);
            axis.near.push(((1.0 - fraction) * 2048.0).round_ties_even() as i32);
            axis.far.push((fraction * 2048.0).round_ties_even() as i32);
        }
        axis
    }

    /// One row blended along the columns.
    fn spread(&self, row: &[u8]) -> Vec<i32> {
        let (row, _) = row.as_chunks::<3>();
        let mut out = Vec::with_capacity(3 * self.first.len());
        for i in 0..self.first.len() {
            let (first, second) = (row[self.first[i]], row[self.second[i]]);
            for (&a, &b) in first.iter().zip(&second) {
                out.push(i32::from(a) * self.near[i] + i32::from(b) * self.far[i]);
            }
        }
        out
    }
}
