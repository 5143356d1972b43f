//! OpenCV's `resize(…, INTER_LINEAR)` on 8 bits: no antialiasing, 11-bit weights, four bits of each row dropped.

/// Resizes interleaved RGB from `size` to `target`, both (height, width) above 0.
pub fn opencv(pixels: &[u8], size: (usize, usize), target: (usize, usize)) -> Vec<u8> {
    if size == target {
        return pixels.to_vec();
    }
    let columns = Axis::new(size.1, target.1, true);
    let rows = Axis::new(size.0, target.0, false);
    let width = 3 * target.1;
    let mut out = vec![0; width * target.0];
    // Two source rows, spread over the output's columns; most output rows share them.
    let mut upper = Spread { source: None, values: vec![0; width] };
    let mut lower = upper.clone();
    for (row, out) in out.chunks_exact_mut(width).enumerate() {
        if lower.source == Some(rows.first[row]) {
            std::mem::swap(&mut upper, &mut lower);
        }
        upper.fill(rows.first[row], pixels, size.1, &columns);
        lower.fill(rows.second[row], pixels, size.1, &columns);
        let (near, far) = (rows.near[row], rows.far[row]);
        for ((out, &top), &bottom) in out.iter_mut().zip(&upper.values).zip(&lower.values) {
            *out = ((upper_half(near, top) + upper_half(far, bottom) + 2) >> 2).clamp(0, 255) as u8;
        }
    }
    out
}

/// Of a product of 32 bits; below 1,021 here. One instruction on eight values.
fn upper_half(a: i16, b: i16) -> i16 {
    ((i32::from(a) * i32::from(b)) >> 16) as i16
}

/// A source row blended along the columns, its values without their last four bits: up to 32,640.
#[derive(Clone)]
struct Spread {
    source: Option<usize>,
    values: Vec<i16>,
}

impl Spread {
    fn fill(&mut self, source: usize, pixels: &[u8], width: usize, columns: &Axis) {
        if self.source == Some(source) {
            return;
        }
        self.source = Some(source);
        let (row, _) = pixels[3 * source * width..3 * (source + 1) * width].as_chunks::<3>();
        let places = columns.first.iter().zip(&columns.second);
        let weights = columns.near.iter().zip(&columns.far);
        let targets = self.values.as_chunks_mut::<3>().0;
        for ((target, (&first, &second)), (&near, &far)) in targets.iter_mut().zip(places).zip(weights) {
            let (first, second) = (row[first], row[second]);
            let (near, far) = (i32::from(near), i32::from(far));
            *target = std::array::from_fn(|i| {
                ((i32::from(first[i]) * near + i32::from(second[i]) * far) >> 4) as i16
            });
        }
    }
}

/// Source pixels and weights in 1/2048 of one axis.
struct Axis {
    first: Vec<usize>,
    second: Vec<usize>,
    near: Vec<i16>,
    far: Vec<i16>,
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
            axis.near.push(((1.0 - fraction) * 2048.0).round_ties_even() as i16);
            axis.far.push((fraction * 2048.0).round_ties_even() as i16);
        }
        axis
    }
}
