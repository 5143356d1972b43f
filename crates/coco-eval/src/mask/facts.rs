//! A mask as intervals of set pixels, and what is known of it without another: area, box, whether it is written as usual.
//!
//! Two masks that are written as usual are compared by their intervals, with the outcome of pycocotools' walk over all runs.

use super::error::MaskError;
use super::text::CountsReader;

/// Set pixels in a row, column by column: from the first to behind the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PixelRun {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// What is known of a mask.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct MaskFacts {
    pub(crate) height: u32,
    pub(crate) width: u32,
    /// Set pixels, as 32 bits count them (`rleArea`).
    pub(crate) area: u32,
    /// The box around them (`rleToBbox`): left, top, width, height; where there are runs and no pixel is set, what is left when
    /// 32 bits run over.
    pub(crate) bbox: [f64; 4],
    /// All pixels by the run lengths.
    pub(crate) sum: u64,
    /// No run but the first is empty, and together they are of as many pixels as the size says.
    pub(crate) plain: bool,
}

impl MaskFacts {
    /// Whether the run lengths are of as many pixels as the size says.
    pub(crate) fn whole(&self) -> bool {
        self.sum == u64::from(self.height) * u64::from(self.width)
    }

    /// Reads a text of run lengths, adding its intervals to those that are there.
    pub(crate) fn read(
        text: &[u8],
        size: (u32, u32),
        intervals: &mut Vec<PixelRun>,
    ) -> Result<MaskFacts, MaskError> {
        let first = intervals.len();
        if read_usual(text, size, intervals).is_some() {
            return MaskFacts::of_intervals(&intervals[first..], size);
        }
        intervals.truncate(first);
        let mut reader = CountsReader::new(text);
        intervals.reserve(text.len() / 2);
        let mut gathered = FactsBuilder::new(size, intervals);
        while let Some(run) = reader.next() {
            gathered.add(run?);
        }
        gathered.facts()
    }

    /// The facts of intervals of a mask that has a size, in rising order and with gaps between them.
    pub(crate) fn of_intervals(
        intervals: &[PixelRun],
        (height, width): (u32, u32),
    ) -> Result<MaskFacts, MaskError> {
        let sum = u64::from(height) * u64::from(width);
        let mut facts = MaskFacts { height, width, sum, plain: sum < 1 << 31, ..MaskFacts::default() };
        if !facts.plain {
            return MaskFacts::of_runs(&runs_of(intervals, sum), (height, width), &mut Vec::new());
        }
        let (Some(first), Some(last)) = (intervals.first(), intervals.last()) else { return Ok(facts) };
        let divisor = Divisor::new(height);
        let (mut area, mut top, mut bottom) = (0, u32::MAX, 0);
        for run in intervals {
            area += run.end - run.start;
            let start = run.start - divisor.quotient(run.start) * height;
            let end = start + (run.end - run.start);
            // A run over the end of a column goes on at the top of the next one.
            let over = end > height;
            top = top.min(if over { 0 } else { start });
            bottom = bottom.max(if over { height } else { end });
        }
        let (left, right) = (divisor.quotient(first.start), divisor.quotient(last.end - 1));
        facts.area = area;
        facts.bbox = [left, top, right + 1 - left, bottom - top].map(f64::from);
        Ok(facts)
    }

    /// The facts of run lengths.
    pub(crate) fn of_runs(
        runs: &[u32],
        size: (u32, u32),
        intervals: &mut Vec<PixelRun>,
    ) -> Result<MaskFacts, MaskError> {
        let mut gathered = FactsBuilder::new(size, intervals);
        runs.iter().for_each(|&run| gathered.add(run));
        gathered.facts()
    }
}

/// Facts while runs come in.
struct FactsBuilder<'a> {
    intervals: &'a mut Vec<PixelRun>,
    height: u32,
    width: u32,
    count: usize,
    /// Where the next run begins.
    at: u32,
    area: u32,
    sum: u64,
    /// A run behind the first is empty.
    gaps: bool,
    /// The column at hand and its first pixel.
    column: u32,
    first: u32,
    /// Left, top, right and bottom, all inside: as pycocotools has it, at most width and height on the left and at the top.
    edges: [u32; 4],
}

impl<'a> FactsBuilder<'a> {
    fn new((height, width): (u32, u32), intervals: &'a mut Vec<PixelRun>) -> FactsBuilder<'a> {
        FactsBuilder {
            intervals,
            height,
            width,
            count: 0,
            at: 0,
            area: 0,
            sum: 0,
            gaps: false,
            column: 0,
            first: 0,
            edges: [width, height, 0, 0],
        }
    }

    #[inline(always)]
    fn add(&mut self, run: u32) {
        let (start, end) = (self.at, self.at.wrapping_add(run));
        self.at = end;
        self.sum += u64::from(run);
        let set = self.count % 2 == 1;
        self.gaps |= run == 0 && self.count > 0;
        self.count += 1;
        if set && run > 0 {
            self.area = self.area.wrapping_add(run);
            self.intervals.push(PixelRun { start, end });
            if self.height > 0 {
                self.stretch(start, end.wrapping_sub(1));
            }
        }
    }

    /// Makes room for the pixels from the first to the last.
    #[inline(always)]
    fn stretch(&mut self, first: u32, last: u32) {
        let height = self.height;
        if first < self.first {
            // 32 bits have run over.
            (self.column, self.first) = (0, 0);
        }
        let ahead = first - self.first;
        if ahead >= height {
            // Mostly it is the next column, for which no division is needed.
            let columns = if ahead - height < height { 1 } else { ahead / height };
            self.column += columns;
            self.first += columns * height;
        }
        let (column, top) = (self.column, first - self.first);
        let (right, top, bottom) = match last.checked_sub(self.first) {
            Some(bottom) if bottom < height => (column, top, bottom),
            _ if last / height > column => (last / height, 0, height - 1),
            _ => (last / height, top, last % height),
        };
        let edges = self.edges;
        self.edges = [edges[0].min(column), edges[1].min(top), edges[2].max(right), edges[3].max(bottom)];
    }

    fn facts(&self) -> Result<MaskFacts, MaskError> {
        let (height, width) = (self.height, self.width);
        if height == 0 && !self.intervals.is_empty() && self.area > 0 {
            return Err(MaskError::NoSize);
        }
        let mut whole = MaskFacts { height, width, area: self.area, sum: self.sum, ..MaskFacts::default() };
        // Above 2^31 pixels a sum of two runs need not fit.
        whole.plain = !self.gaps && whole.whole() && self.sum < 1 << 31;
        let [left, top, right, bottom] = self.edges;
        let side = |low: u32, high: u32| f64::from(high.wrapping_sub(low).wrapping_add(1));
        if self.count >= 2 {
            whole.bbox = [f64::from(left), f64::from(top), side(left, right), side(top, bottom)];
        }
        Ok(whole)
    }
}

/// Divides by a number with a multiplication.
struct Divisor(u64);

impl Divisor {
    /// 62 bits of one over the divisor, rounded up: enough for the whole part of a quotient of two numbers whose product is below
    /// 2^62.
    fn new(divisor: u32) -> Divisor {
        Divisor((1 << 62) / u64::from(divisor.max(1)) + 1)
    }

    #[inline(always)]
    fn quotient(&self, number: u32) -> u32 {
        ((u128::from(number) * u128::from(self.0)) >> 62) as u32
    }
}

/// Reads a text of run lengths of which none but the first is 0 and which are together of as many pixels as the size says; nothing
/// for any other text, and then the intervals mean nothing.
fn read_usual(text: &[u8], (height, width): (u32, u32), intervals: &mut Vec<PixelRun>) -> Option<()> {
    let pixels = u64::from(height) * u64::from(width);
    if pixels == 0 || pixels >= 1 << 31 {
        return None;
    }
    let mut codes = UsualCodes { text, at: 0 };
    let first = intervals.len();
    // A run takes a character at least.
    intervals.resize(first + text.len() / 2 + 1, PixelRun { start: 0, end: 0 });
    let found = &mut intervals[first..];
    let mut unset = codes.next()?;
    let (mut at, mut least) = (i64::from(unset), i64::from(unset) + 1);
    // The third number is no difference, as the first three are not.
    unset = 0;
    let (mut set, mut count) = (0i32, 0);
    while codes.at < text.len() {
        set = set.wrapping_add(codes.next()?);
        let start = at;
        at += i64::from(set);
        *found.get_mut(count)? = PixelRun { start: start as u32, end: at as u32 };
        count += 1;
        least = least.min(set.into());
        if codes.at == text.len() {
            break;
        }
        unset = unset.wrapping_add(codes.next()?);
        at += i64::from(unset);
        least = least.min(unset.into());
    }
    intervals.truncate(first + count);
    (least > 0 && at == pixels as i64).then_some(())
}

/// The numbers of a text as most are: of few characters.
struct UsualCodes<'a> {
    text: &'a [u8],
    at: usize,
}

impl UsualCodes<'_> {
    #[inline(always)]
    fn next(&mut self) -> Option<i32> {
        let code = self.text.get(self.at)?.wrapping_sub(48);
        self.at += 1;
        if code < 32 {
            // The sign is the highest of five bits.
            return Some(i32::from(code ^ 16) - 16);
        }
        self.long(code)
    }

    /// A number of two to six characters.
    fn long(&mut self, first: u8) -> Option<i32> {
        let (mut code, mut value, mut shift) = (first, u32::from(first & 31), 5);
        while code & 32 != 0 {
            if code >= 64 || shift == 30 {
                return None;
            }
            code = self.text.get(self.at)?.wrapping_sub(48);
            self.at += 1;
            value |= u32::from(code & 31) << shift;
            shift += 5;
        }
        let above = 32 - shift;
        (code < 64).then_some((value << above) as i32 >> above)
    }
}

/// How many pixels two masks have in common, by their intervals.
#[inline]
pub(crate) fn in_common(a: &[PixelRun], b: &[PixelRun]) -> u32 {
    let (Some(first_a), Some(first_b)) = (a.first(), b.first()) else { return 0 };
    // What ends before the other begins is passed over at once.
    let mut i = a.partition_point(|own| own.end <= first_b.start);
    let mut j = b.partition_point(|own| own.end <= first_a.start);
    let mut both = 0u32;
    while let (Some(one), Some(other)) = (a.get(i), b.get(j)) {
        let (start, end) = (one.start.max(other.start), one.end.min(other.end));
        both += end.saturating_sub(start);
        let first_ends = one.end <= other.end;
        i += usize::from(first_ends);
        j += usize::from(!first_ends);
    }
    both
}

/// The run lengths of a mask of so many pixels that is written as usual, of its intervals.
pub(crate) fn runs_of(intervals: &[PixelRun], pixels: u64) -> Vec<u32> {
    let (mut runs, mut at) = (Vec::with_capacity(2 * intervals.len() + 1), 0);
    for interval in intervals {
        runs.extend([interval.start - at, interval.end - interval.start]);
        at = interval.end;
    }
    let left = pixels as u32 - at;
    if left > 0 {
        runs.push(left);
    }
    runs
}
