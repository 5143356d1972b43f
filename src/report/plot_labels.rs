//! Where the names in a plot go: rectangles beside points, over nothing that is drawn. Knows no text and no colour.

use std::f64::consts::TAU;

use crate::draw::Rect;

/// Directions that are tried at each distance, the first to the right.
const DIRECTIONS: usize = 16;

/// Distances that are tried, in heights of a name.
const RINGS: usize = 16;

/// Where a name is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NamePlace {
    /// The rectangle of its letters.
    pub(super) at: Rect,
    /// The ends of the line that leads from the point to a name that is not beside it.
    pub(super) leader: Option<[(i64, i64); 2]>,
}

/// A point with its interval and its name, in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct NamedPoint {
    /// The point's centre.
    pub(super) centre: (i64, i64),
    /// The upper and the lower end of the interval.
    pub(super) interval: (i64, i64),
    /// Width and height of the name.
    pub(super) name: (i64, i64),
}

/// Places all names within a page, the earlier points first: the nearest place where a name covers no point, no interval,
/// no other name and no leader, or, where there is none, the one that covers the least. `radius` is that of the points.
pub(super) fn place(page: Rect, points: &[NamedPoint], radius: i64) -> Vec<NamePlace> {
    let marks: Vec<Rect> = points.iter().flat_map(|point| marks(point, radius)).collect();
    let mut placed: Vec<NamePlace> = Vec::new();
    for point in points {
        let mut least: Option<(i64, NamePlace)> = None;
        for ring in 0..RINGS {
            let free = (0..DIRECTIONS)
                .filter_map(|direction| candidate(&page, point, radius, ring, direction))
                .map(|place| (covered(&place, &marks, &placed), place))
                .min_by_key(|(covered, _)| *covered);
            let Some(best) = free else { continue };
            if least.is_none_or(|(covered, _)| best.0 < covered) {
                least = Some(best);
            }
            if best.0 == 0 {
                break;
            }
        }
        let beside =
            || Rect { x: point.centre.0, y: point.centre.1, width: point.name.0, height: point.name.1 };
        placed.push(least.map_or_else(|| NamePlace { at: beside(), leader: None }, |(_, place)| place));
    }
    placed
}

/// What is drawn of a point: its circle, and the line of its interval.
fn marks(point: &NamedPoint, radius: i64) -> [Rect; 2] {
    let ((x, y), (top, bottom)) = (point.centre, point.interval);
    let circle = Rect { x: x - radius, y: y - radius, width: 2 * radius, height: 2 * radius };
    let third = (radius / 3).max(1);
    [circle, Rect { x: x - third, y: top, width: 2 * third, height: (bottom - top).max(1) }]
}

/// A place for the name at this distance and in this direction, if it lies within the page.
fn candidate(
    page: &Rect,
    point: &NamedPoint,
    radius: i64,
    ring: usize,
    direction: usize,
) -> Option<NamePlace> {
    let ((x, y), (width, height)) = (point.centre, point.name);
    // Right, then a step to either side, and so on, the left last.
    let step = direction.div_ceil(2) as f64 * if direction.is_multiple_of(2) { 1.0 } else { -1.0 };
    let angle = step * TAU / DIRECTIONS as f64;
    // On a square rather than a circle, as names are wide.
    let (right, down) = ((1.5 * angle.cos()).clamp(-1.0, 1.0), (1.5 * angle.sin()).clamp(-1.0, 1.0));
    let gap = radius + radius / 2 + ring as i64 * height;
    let along = |share: f64, half: i64| (share * (gap + half) as f64).round() as i64;
    let at = Rect {
        x: x + along(right, width / 2) - width / 2,
        y: y + along(down, height / 2) - height / 2,
        width,
        height,
    };
    if at.overlap(page) < width * height {
        return None;
    }
    let nearest = (x.clamp(at.x, at.x + width), y.clamp(at.y, at.y + height));
    let leader = (ring > 0).then_some([(x, y), nearest]);
    Some(NamePlace { at, leader })
}

/// Pixels of what is drawn that a name would cover, and of other names that its leader would.
fn covered(place: &NamePlace, marks: &[Rect], placed: &[NamePlace]) -> i64 {
    let names = placed.iter().map(|other| place.at.overlap(&other.at));
    let under = marks.iter().map(|mark| place.at.overlap(mark));
    let led = placed.iter().filter_map(|other| other.leader).map(|leader| crossed(&leader, &place.at));
    let leads = place.leader.iter().flat_map(|leader| placed.iter().map(|other| crossed(leader, &other.at)));
    names.chain(under).chain(led).chain(leads).sum()
}

/// Pixels of a line within a rectangle, about.
fn crossed([from, to]: &[(i64, i64); 2], rect: &Rect) -> i64 {
    let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs()).max(1);
    let at = |step: i64| Rect {
        x: from.0 + (to.0 - from.0) * step / steps,
        y: from.1 + (to.1 - from.1) * step / steps,
        width: 1,
        height: 1,
    };
    (0..=steps).map(|step| at(step).overlap(rect)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: Rect = Rect { x: 0, y: 0, width: 800, height: 500 };

    fn point(x: i64, y: i64) -> NamedPoint {
        NamedPoint { centre: (x, y), interval: (y - 60, y + 60), name: (90, 18) }
    }

    #[test]
    fn a_lone_name_is_right_of_its_point() {
        let placed = place(PAGE, &[point(400, 250)], 6);
        assert_eq!(placed[0].at, Rect { x: 409, y: 241, width: 90, height: 18 });
        assert_eq!(placed[0].leader, None);
    }

    #[test]
    fn a_name_at_the_right_edge_is_left_of_its_point() {
        let placed = place(PAGE, &[point(790, 250)], 6);
        assert!(placed[0].at.x + 90 < 790 && placed[0].leader.is_none(), "{placed:?}");
    }

    #[test]
    fn names_of_a_crowd_cover_nothing() {
        let points: Vec<NamedPoint> = (0..12).map(|k| point(400 + 3 * (k % 4), 250 + 5 * (k / 4))).collect();
        let placed = place(PAGE, &points, 6);
        let drawn: Vec<Rect> = points.iter().flat_map(|point| marks(point, 6)).collect();
        for (number, name) in placed.iter().enumerate() {
            assert_eq!(name.at.overlap(&PAGE), 90 * 18);
            assert!(drawn.iter().all(|mark| mark.overlap(&name.at) == 0), "{number}: {name:?}");
            for other in &placed[number + 1..] {
                assert_eq!(name.at.overlap(&other.at), 0, "{name:?} {other:?}");
                assert!(other.leader.is_none_or(|leader| crossed(&leader, &name.at) == 0));
                assert!(name.leader.is_none_or(|leader| crossed(&leader, &other.at) == 0));
            }
        }
    }
}
