//! OpenCV's `resize(…, INTER_CUBIC)` on 8 bits: four taps an axis with a = -0.75, no antialiasing, borders repeated.
//!
//! OpenCV has two arithmetics for it. Its wheels for x86 hand the work to Intel's IPP, which keeps weights and sums in
//! float32 and rounds once; the order of its sums differs from processor to processor. [`opencv_cubic`] computes the same
//! sums in float64, which is within 20 samples in a million of each of them. Without IPP weights have 11 bits, and
//! [`opencv_cubic_fixed`] repeats that bit for bit.

/// Resizes interleaved RGB from `size` to `target`, both (height, width) above 0: all sums in float64, cast to float32 and
/// rounded once, half to even.
pub fn opencv_cubic(pixels: &[u8], size: (usize, usize), target: (usize, usize)) -> Vec<u8> {
    if size == target {
        return pixels.to_vec();
    }
    let taps = |input, output| -> Vec<CubicTaps<f64>> {
        let whole = |i| {
            let position = (i as f64 + 0.5) * (input as f64 / output as f64) - 0.5;
            let first = position.floor();
            CubicTaps { from: around(first, input), weights: weights(position - first) }
        };
        (0..output).map(whole).collect()
    };
    let (rows, columns) = (taps(size.0, target.0), taps(size.1, target.1));
    let mut source = SourceRows::new(pixels, size.1, |pixels: [[u8; 3]; 4], weights: &[f64; 4]| {
        std::array::from_fn(|channel| weighted(pixels.map(|pixel| f64::from(pixel[channel])), weights))
    });
    let mut out = Vec::with_capacity(3 * target.0 * target.1);
    for tap in &rows {
        let [a, b, c, d] = source.four(tap.from, &columns);
        let sums =
            a.iter().zip(b).zip(c).zip(d).map(|(((&a, &b), &c), &d)| weighted([a, b, c, d], &tap.weights));
        out.extend(sums.map(|sum| (sum as f32).round_ties_even() as u8));
    }
    out
}

/// The same with weights of 11 bits: sums of integers across, then down in float32 from the last tap to the first, rounded
/// half to even. The samples at a row's end that do not fill eight are summed in integers and rounded half up.
pub fn opencv_cubic_fixed(pixels: &[u8], size: (usize, usize), target: (usize, usize)) -> Vec<u8> {
    if size == target {
        return pixels.to_vec();
    }
    let taps = |input, output| -> Vec<CubicTaps<i32>> {
        let whole = |i| {
            let position = ((i as f64 + 0.5) * (input as f64 / output as f64) - 0.5) as f32;
            let first = position.floor();
            let weights =
                weights(position - first).map(|weight: f32| (weight * 2048.0).round_ties_even() as i32);
            CubicTaps { from: around(f64::from(first), input), weights }
        };
        (0..output).map(whole).collect()
    };
    let (rows, columns) = (taps(size.0, target.0), taps(size.1, target.1));
    let mut source = SourceRows::new(pixels, size.1, |pixels: [[u8; 3]; 4], weights: &[i32; 4]| {
        std::array::from_fn(|channel| weighted(pixels.map(|pixel| i32::from(pixel[channel])), weights))
    });
    let width = 3 * target.1;
    let in_eights = width - width % 8;
    let mut out = Vec::with_capacity(target.0 * width);
    for tap in &rows {
        let parts = tap.weights.map(|weight| weight as f32 * (1.0 / 4_194_304.0));
        let [a, b, c, d] = source.four(tap.from, &columns);
        let samples = a.iter().zip(b).zip(c).zip(d).map(|(((&a, &b), &c), &d)| [a, b, c, d]);
        out.extend(samples.enumerate().map(|(i, samples)| {
            if i < in_eights {
                let [a, b, c, d] = samples.map(|sample| sample as f32);
                return (((d * parts[3] + c * parts[2]) + b * parts[1]) + a * parts[0]).round_ties_even()
                    as u8;
            }
            let sum = weighted(samples.map(i64::from), &tap.weights.map(i64::from));
            ((sum + (1 << 21)) >> 22).clamp(0, 255) as u8
        }));
    }
    out
}

/// Four source pixels of an axis and their weights.
struct CubicTaps<T> {
    from: [usize; 4],
    weights: [T; 4],
}

/// The pixels from one before `first` on; those outside are the border's.
fn around(first: f64, input: usize) -> [usize; 4] {
    [-1, 0, 1, 2].map(|step| (first as i64 + step).clamp(0, input as i64 - 1) as usize)
}

/// The cubic convolution kernel with a = -0.75 at four pixels, of which the second is `x` away; the last one is what is
/// left to 1.
fn weights<T>(x: T) -> [T; 4]
where
    T: Copy + From<f32> + std::ops::Add<Output = T> + std::ops::Sub<Output = T> + std::ops::Mul<Output = T>,
{
    let [a, one, two, three] = [-0.75, 1.0, 2.0, 3.0].map(T::from);
    let [four, five, eight] = [4.0, 5.0, 8.0].map(T::from);
    let near = |x: T| ((a + two) * x - (a + three)) * x * x + one;
    let before = x + one;
    let first = ((a * before - five * a) * before + eight * a) * before - four * a;
    let (second, third) = (near(x), near(one - x));
    [first, second, third, one - first - second - third]
}

fn weighted<T: Copy + std::ops::Add<Output = T> + std::ops::Mul<Output = T>>(
    [a, b, c, d]: [T; 4],
    weights: &[T; 4],
) -> T {
    a * weights[0] + b * weights[1] + c * weights[2] + d * weights[3]
}

/// Source rows, summed across; the last four are kept, as most output rows share them.
struct SourceRows<'a, T, F> {
    pixels: &'a [u8],
    width: usize,
    sum: F,
    kept: [(Option<usize>, Vec<T>); 4],
}

impl<'a, T, F: Fn([[u8; 3]; 4], &[T; 4]) -> [T; 3]> SourceRows<'a, T, F> {
    fn new(pixels: &'a [u8], width: usize, sum: F) -> Self {
        SourceRows { pixels, width, sum, kept: std::array::from_fn(|_| (None, Vec::new())) }
    }

    /// Four rows by their numbers, which rise.
    fn four(&mut self, numbers: [usize; 4], columns: &[CubicTaps<T>]) -> [&[T]; 4] {
        for number in numbers {
            if self.kept.iter().any(|(kept, _)| *kept == Some(number)) {
                continue;
            }
            let idle = |(kept, _): &(Option<usize>, Vec<T>)| kept.is_none_or(|kept| !numbers.contains(&kept));
            // Of four that are kept, one at least is none of the four numbers.
            let place = self.kept.iter().position(idle).unwrap_or(0);
            let start = 3 * number * self.width;
            let row = self.pixels[start..start + 3 * self.width].as_chunks::<3>().0;
            let (kept, values) = &mut self.kept[place];
            *kept = Some(number);
            values.clear();
            values.extend(
                columns.iter().flat_map(|tap| (self.sum)(tap.from.map(|from| row[from]), &tap.weights)),
            );
        }
        let place = |number| self.kept.iter().position(|(kept, _)| *kept == Some(number)).unwrap_or(0);
        numbers.map(|number| self.kept[place(number)].1.as_slice())
    }
}
