//! torchvision's resize: bilinear without antialiasing, on normalised float32 planes.
//!
//! The definition is `torch.nn.functional.interpolate(mode="bilinear", align_corners=False)` with the sizes given.

/// Where an input tensor's planes lie, and how large the picture in them is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planes {
    /// Height and width of the picture.
    pub size: (usize, usize),
    /// Height and width of a plane, at least the picture's.
    pub padded: (usize, usize),
}

/// Resizes an RGB picture of `size` (height, width) into three planes; everything outside the picture is 0.
///
/// Plane `c` takes the colour `order[c]` (0 red, 1 green, 2 blue), and a byte `v` of it stands for `values[c][v]`.
/// `pixels` has `3 * height * width` bytes, the result `3 * padded height * padded width` numbers.
pub fn normalised(
    pixels: &[u8],
    size: (usize, usize),
    planes: Planes,
    order: [usize; 3],
    values: &[[f32; 256]; 3],
) -> Vec<f32> {
    let mut out = vec![0.0; 3 * planes.padded.0 * planes.padded.1];
    let rows = FloatAxis::new(size.0, planes.size.0);
    let columns = FloatAxis::new(size.1, planes.size.1);
    let plane = planes.padded.0 * planes.padded.1;
    // Two source rows, spread over the output's columns, for three planes; most output rows share them.
    let mut upper = SpreadRow::new(planes.size.1);
    let mut lower = SpreadRow::new(planes.size.1);
    for row in 0..planes.size.0 {
        let (first, second, t) = rows.at(row);
        if lower.source == Some(first) {
            std::mem::swap(&mut upper, &mut lower);
        }
        upper.fill(first, pixels, size.1, &columns, order, values);
        lower.fill(second, pixels, size.1, &columns, order, values);
        for channel in 0..3 {
            let start = channel * plane + row * planes.padded.1;
            let target = &mut out[start..start + planes.size.1];
            let sources = upper.planes[channel].iter().zip(&lower.planes[channel]);
            for (value, (&a, &b)) in target.iter_mut().zip(sources) {
                *value = (1.0 - t) * a + t * b;
            }
        }
    }
    out
}

/// Source positions of one axis: `max(0, fma(n / o, i + 0.5, -0.5))` in float32.
struct FloatAxis {
    first: Vec<usize>,
    second: Vec<usize>,
    fraction: Vec<f32>,
}

impl FloatAxis {
    fn new(input: usize, output: usize) -> FloatAxis {
        let ratio = input as f32 / output as f32;
        let mut axis = FloatAxis { first: Vec::new(), second: Vec::new(), fraction: Vec::new() };
        for i in 0..output {
            let position = ratio.mul_add(i as f32 + 0.5, -0.5).max(0.0);
            let first = (position as usize).min(input - 1);
            axis.first.push(first);
            axis.second.push((first + 1).min(input - 1));
            axis.fraction.push(position - first as f32);
        }
        axis
    }

    fn at(&self, i: usize) -> (usize, usize, f32) {
        (self.first[i], self.second[i], self.fraction[i])
    }
}

/// A source row blended along the columns.
struct SpreadRow {
    source: Option<usize>,
    planes: [Vec<f32>; 3],
}

impl SpreadRow {
    fn new(width: usize) -> SpreadRow {
        SpreadRow { source: None, planes: std::array::from_fn(|_| vec![0.0; width]) }
    }

    fn fill(
        &mut self,
        source: usize,
        pixels: &[u8],
        width: usize,
        columns: &FloatAxis,
        order: [usize; 3],
        values: &[[f32; 256]; 3],
    ) {
        if self.source == Some(source) {
            return;
        }
        self.source = Some(source);
        let (row, _) = pixels[3 * source * width..3 * (source + 1) * width].as_chunks::<3>();
        for (channel, plane) in self.planes.iter_mut().enumerate() {
            let (values, colour) = (&values[channel], order[channel]);
            let places = columns.first.iter().zip(&columns.second).zip(&columns.fraction);
            for (value, ((&first, &second), &t)) in plane.iter_mut().zip(places) {
                let a = values[usize::from(row[first][colour])];
                let b = values[usize::from(row[second][colour])];
                *value = (1.0 - t) * a + t * b;
            }
        }
    }
}
