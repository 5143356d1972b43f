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
        let mut reader = CountsReader::new(text);
        intervals.reserve(text.len() / 2);
        let mut gathered = FactsBuilder::new(size, intervals);
        while let Some(run) = reader.next() {
            gathered.add(run?);
        }
        gathered.facts()
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

/// The run lengths of a mask that is written as usual, of its intervals.
pub(crate) fn runs_of(intervals: &[PixelRun], facts: &MaskFacts) -> Vec<u32> {
    let (mut runs, mut at) = (Vec::with_capacity(2 * intervals.len() + 1), 0);
    for interval in intervals {
        runs.extend([interval.start - at, interval.end - interval.start]);
        at = interval.end;
    }
    let left = facts.sum as u32 - at;
    if left > 0 {
        runs.push(left);
    }
    runs
}
