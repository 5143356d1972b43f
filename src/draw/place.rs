//! Where labels go: rectangles among rectangles. Knows no text, colour or pixel.

/// A rectangle of whole pixels; the far edges are `x + width` and `y + height`, not one less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rect {
    pub(crate) x: i64,
    pub(crate) y: i64,
    pub(crate) width: i64,
    pub(crate) height: i64,
}

impl Rect {
    /// Pixels that both cover.
    pub(crate) fn overlap(&self, other: &Rect) -> i64 {
        let wide = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let tall = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        wide.max(0) * tall.max(0)
    }

    /// Whether all of the other is within this one.
    #[cfg(test)]
    pub(super) fn contains(&self, other: &Rect) -> bool {
        self.overlap(other) == other.width * other.height
    }

    /// Smaller by this much on every side; empty where there is nothing left.
    pub(super) fn shrink(&self, by: i64) -> Rect {
        let (width, height) = ((self.width - 2 * by).max(0), (self.height - 2 * by).max(0));
        Rect { x: self.x + by, y: self.y + by, width, height }
    }
}

/// A picture with its boxes and the labels placed so far.
pub(super) struct LabelPlacer<'a> {
    page: Rect,
    boxes: &'a [Rect],
    taken: Vec<Rect>,
}

impl<'a> LabelPlacer<'a> {
    pub(super) fn new(page: Rect, boxes: &'a [Rect]) -> LabelPlacer<'a> {
        LabelPlacer { page, boxes, taken: Vec::new() }
    }

    /// Keeps later labels away from this one.
    pub(super) fn take(&mut self, label: Rect) {
        self.taken.push(label);
    }

    /// The best free place for a label of this size by the box with this index, if there is any.
    ///
    /// Covering the own object costs most, covering others' half, and earlier candidates win ties: above, below,
    /// beside, inside.
    pub(super) fn find(&self, index: usize, width: i64, height: i64) -> Option<Rect> {
        if width > self.page.width || height > self.page.height {
            return None;
        }
        let own = self.boxes[index];
        let mut best: Option<(i64, Rect)> = None;
        for (rank, (x, y)) in candidates(own, width, height).into_iter().enumerate() {
            let x = x.clamp(self.page.x, self.page.x + self.page.width - width);
            let y = y.clamp(self.page.y, self.page.y + self.page.height - height);
            let label = Rect { x, y, width, height };
            if self.taken.iter().any(|taken| taken.overlap(&label) > 0) {
                continue;
            }
            let others = self.boxes.iter().enumerate().filter(|(other, _)| *other != index);
            let covered: i64 = others.map(|(_, other)| other.overlap(&label)).sum();
            // A later candidate is as bad as covering a fiftieth of the label more.
            let cost = 100 * label.overlap(&own) + 50 * covered + 2 * width * height * rank as i64;
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, label));
            }
        }
        best.map(|(_, label)| label)
    }
}

/// Upper left corners, the most usual first. Labels touch their box's line, so that no one takes them for a
/// neighbour's.
fn candidates(own: Rect, width: i64, height: i64) -> Vec<(i64, i64)> {
    let (left, right) = (own.x, own.x + own.width);
    let (top, bottom) = (own.y, own.y + own.height);
    let mut corners = vec![
        (left, top - height),
        (left, bottom),
        (right - width, top - height),
        (right - width, bottom),
        (right, top),
        (left - width, top),
        (right, bottom - height),
        (left - width, bottom - height),
        (left, top),
        (left, bottom - height),
        (right - width, top),
        (right - width, bottom - height),
    ];
    // Then anywhere along the four edges, and over the corners.
    let across = |step: i64| left - width + step * (own.width + width) / 8;
    let down = |step: i64| top - height + step * (own.height + height) / 8;
    corners.extend((0..=8).flat_map(|step| [(across(step), top - height), (across(step), bottom)]));
    corners.extend((0..=8).flat_map(|step| [(right, down(step)), (left - width, down(step))]));
    // And inside, line under line.
    let lines = (own.height / height.max(1)).min(12);
    corners.extend((1..lines).map(|line| (left, top + line * height)));
    corners
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: Rect = Rect { x: 0, y: 0, width: 300, height: 300 };

    #[test]
    fn a_lone_label_sits_on_its_box() {
        let boxes = [Rect { x: 100, y: 100, width: 50, height: 40 }];
        let found = LabelPlacer::new(PAGE, &boxes).find(0, 60, 14);
        assert_eq!(found, Some(Rect { x: 100, y: 86, width: 60, height: 14 }));
    }

    #[test]
    fn a_second_label_takes_the_next_place() {
        let boxes = [Rect { x: 100, y: 100, width: 50, height: 40 }; 2];
        let mut place = LabelPlacer::new(PAGE, &boxes);
        place.take(Rect { x: 100, y: 86, width: 60, height: 14 });
        assert_eq!(place.find(1, 60, 14), Some(Rect { x: 100, y: 140, width: 60, height: 14 }));
    }

    #[test]
    fn a_label_avoids_a_neighbour() {
        let boxes =
            [Rect { x: 100, y: 100, width: 50, height: 40 }, Rect { x: 80, y: 40, width: 90, height: 58 }];
        assert_eq!(LabelPlacer::new(PAGE, &boxes).find(0, 60, 14).map(|label| label.y), Some(140));
    }

    #[test]
    fn nothing_is_found_for_a_label_wider_than_the_picture() {
        assert_eq!(LabelPlacer::new(PAGE, &[PAGE]).find(0, 301, 14), None);
    }
}
