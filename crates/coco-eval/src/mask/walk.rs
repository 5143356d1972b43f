//! Two masks walked side by side, run by run, as pycocotools does it.
//!
//! This is the definition. Masks that are written in the usual way are compared faster by their intervals.

/// A mask's runs while they are walked.
struct RunWalk<'a> {
    left: u32,
    set: bool,
    rest: std::slice::Iter<'a, u32>,
}

impl<'a> RunWalk<'a> {
    fn new(runs: &'a [u32]) -> RunWalk<'a> {
        let mut rest = runs.iter();
        RunWalk { left: rest.next().copied().unwrap_or(0), set: false, rest }
    }

    /// Nothing is left.
    fn ended(&self) -> bool {
        self.left == 0 && self.rest.len() == 0
    }

    /// Takes pixels off the run at hand; where nothing is left of it, the next one follows.
    fn take(&mut self, count: u32) {
        self.left = self.left.saturating_sub(count);
        if self.left == 0
            && let Some(&next) = self.rest.next()
        {
            (self.left, self.set) = (next, !self.set);
        }
    }
}

/// Pixels in a row that are alike in both masks.
struct Piece {
    count: u32,
    /// Whether they are set in each.
    set: [bool; 2],
    /// Whether the next ones are.
    next: [bool; 2],
    /// There are none.
    over: bool,
}

/// Steps of the loop that `rleIou` and `rleMerge` share. It is over where nothing is left of both runs at hand, and so also
/// where both masks have an empty run at one place.
///
/// With masks of different numbers of pixels pycocotools' loop has no end; here the shorter one goes on without set pixels.
struct Walk<'a> {
    a: RunWalk<'a>,
    b: RunWalk<'a>,
    over: bool,
}

impl<'a> Walk<'a> {
    fn new(a: &'a [u32], b: &'a [u32]) -> Walk<'a> {
        Walk { a: RunWalk::new(a), b: RunWalk::new(b), over: false }
    }
}

impl Iterator for Walk<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if self.over {
            return None;
        }
        let (a, b) = (&mut self.a, &mut self.b);
        let count = match (a.ended(), b.ended()) {
            (true, false) => b.left,
            (false, true) => a.left,
            _ => a.left.min(b.left),
        };
        let set = [a.set, b.set];
        a.take(count);
        b.take(count);
        a.set &= !(a.ended() && b.left > 0);
        b.set &= !(b.ended() && a.left > 0);
        self.over = a.left.wrapping_add(b.left) == 0;
        Some(Piece { count, set, next: [a.set, b.set], over: self.over })
    }
}

/// The pixels that are set in both of two masks, and those that are set in any (the loop of `rleIou`).
pub(crate) fn common(a: &[u32], b: &[u32]) -> (u32, u32) {
    let (mut both, mut any) = (0u32, 0u32);
    for Piece { count, set, .. } in Walk::new(a, b) {
        match set {
            [true, true] => (both, any) = (both.wrapping_add(count), any.wrapping_add(count)),
            [false, false] => {}
            _ => any = any.wrapping_add(count),
        }
    }
    (both, any)
}

/// The runs of what two masks have in common, or of what is in any of them (a step of `rleMerge`).
pub(super) fn merged(a: &[u32], b: &[u32], intersect: bool) -> Vec<u32> {
    let (mut runs, mut run, mut value) = (Vec::new(), 0u32, false);
    for Piece { count, next: [a, b], over, .. } in Walk::new(a, b) {
        run = run.wrapping_add(count);
        let next = if intersect { a && b } else { a || b };
        if over || next != value {
            runs.push(std::mem::take(&mut run));
        }
        value = next;
    }
    runs
}
