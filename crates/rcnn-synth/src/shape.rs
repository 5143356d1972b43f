//! Flat shapes as signed distances: how far a point is from the edge, and which way is out. Knows no colours.

use super::maths::{Point, at, direction};

/// A flat shape in an object's own units.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// A disc.
    Disc { centre: Point, radius: f32 },
    /// An ellipse along the axes; distances are near enough close to its edge.
    Ellipse { centre: Point, rx: f32, ry: f32 },
    /// A straight bar with round ends, from one radius to another.
    Bar { from: Point, to: Point, start: f32, end: f32 },
    /// A closed polygon, grown by a radius that rounds its corners.
    Polygon { points: Vec<Point>, round: f32 },
    /// A line of this radius through the points.
    Path { points: Vec<Point>, radius: f32 },
    /// What any of them covers.
    Any(Vec<Shape>),
    /// The first without the second.
    Without(Box<Shape>, Box<Shape>),
}

/// Where a point stands towards a shape's edge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Near {
    /// Distance from the edge; below 0 inside.
    pub(super) distance: f32,
    /// The way out, of length 1.
    pub(super) out: Point,
}

impl Shape {
    /// An upright rectangle from its centre, half its width, half its height and the radius of its corners.
    pub(super) fn slab(centre: Point, half_width: f32, half_height: f32, round: f32) -> Shape {
        let (w, h) = (half_width - round, half_height - round);
        let corners = [at(-w, -h), at(w, -h), at(w, h), at(-w, h)];
        Shape::Polygon { points: corners.iter().map(|&corner| corner + centre).collect(), round }
    }

    /// A regular polygon around a centre, its first corner at an angle in full turns.
    pub(super) fn regular(centre: Point, radius: f32, corners: usize, first: f32, round: f32) -> Shape {
        let corner =
            |index: usize| direction(first + index as f32 / corners as f32) * (radius - round) + centre;
        Shape::Polygon { points: (0..corners).map(corner).collect(), round }
    }

    /// A disc.
    pub(super) fn disc(centre: Point, radius: f32) -> Shape {
        Shape::Disc { centre, radius }
    }

    /// A bar of one radius.
    pub(super) fn bar(from: Point, to: Point, radius: f32) -> Shape {
        Shape::Bar { from, to, start: radius, end: radius }
    }

    /// A polygon from coordinates.
    pub(super) fn polygon(corners: &[(f32, f32)], round: f32) -> Shape {
        Shape::Polygon { points: corners.iter().map(|&(x, y)| at(x, y)).collect(), round }
    }

    /// This shape with a hole.
    pub(super) fn without(self, hole: Shape) -> Shape {
        Shape::Without(Box::new(self), Box::new(hole))
    }

    /// Distance and direction of the edge, seen from a point.
    pub(super) fn near(&self, point: Point) -> Near {
        match self {
            Shape::Disc { centre, radius } => {
                let way = point - *centre;
                Near { distance: way.length() - radius, out: way.unit() }
            }
            Shape::Ellipse { centre, rx, ry } => {
                let way = point - *centre;
                let scaled = at(way.x / rx, way.y / ry).length();
                let slope = at(way.x / (rx * rx), way.y / (ry * ry));
                let steep = slope.length();
                // The first-order distance, which is exact on the edge; in the very middle there is no slope.
                let distance = if steep > 1e-6 { scaled * (scaled - 1.0) / steep } else { -rx.min(*ry) };
                Near { distance, out: slope.unit() }
            }
            Shape::Bar { from, to, start, end } => {
                let (share, way) = to_segment(point, *from, *to);
                Near { distance: way.length() - (start + (end - start) * share), out: way.unit() }
            }
            Shape::Path { points, radius } => {
                let nearest = points
                    .windows(2)
                    .map(|pair| to_segment(point, pair[0], pair[1]).1)
                    .fold(at(1e9, 1e9), |best, way| if way.dot(way) < best.dot(best) { way } else { best });
                Near { distance: nearest.length() - radius, out: nearest.unit() }
            }
            Shape::Polygon { points, round } => near_polygon(point, points, *round),
            Shape::Any(shapes) => shapes.iter().map(|shape| shape.near(point)).fold(
                Near { distance: f32::INFINITY, out: at(1.0, 0.0) },
                |best, near| {
                    if near.distance < best.distance { near } else { best }
                },
            ),
            Shape::Without(shape, hole) => {
                let (near, hole) = (shape.near(point), hole.near(point));
                if -hole.distance > near.distance {
                    Near { distance: -hole.distance, out: hole.out * -1.0 }
                } else {
                    near
                }
            }
        }
    }

    /// Corners of a rectangle that holds the shape.
    pub(super) fn bounds(&self) -> (Point, Point) {
        match self {
            Shape::Disc { centre, radius } => around(&[*centre], *radius),
            Shape::Ellipse { centre, rx, ry } => (*centre - at(*rx, *ry), *centre + at(*rx, *ry)),
            Shape::Bar { from, to, start, end } => around(&[*from, *to], start.max(*end)),
            Shape::Polygon { points, round } => around(points, *round),
            Shape::Path { points, radius } => around(points, *radius),
            Shape::Any(shapes) => {
                let bounds = shapes.iter().map(Shape::bounds);
                bounds.reduce(|(a, b), (c, d)| (low(a, c), high(b, d))).unwrap_or_default()
            }
            Shape::Without(shape, _) => shape.bounds(),
        }
    }
}

pub(super) fn low(a: Point, b: Point) -> Point {
    at(a.x.min(b.x), a.y.min(b.y))
}

pub(super) fn high(a: Point, b: Point) -> Point {
    at(a.x.max(b.x), a.y.max(b.y))
}

fn around(points: &[Point], radius: f32) -> (Point, Point) {
    let first = points.first().copied().unwrap_or_default();
    let least = points.iter().fold(first, |corner, &point| low(corner, point));
    let most = points.iter().fold(first, |corner, &point| high(corner, point));
    (least - at(radius, radius), most + at(radius, radius))
}

/// How far along the segment (0 to 1) the nearest point is, and the way from there.
fn to_segment(point: Point, from: Point, to: Point) -> (f32, Point) {
    let (way, along) = (point - from, to - from);
    let share = (way.dot(along) / along.dot(along).max(1e-12)).clamp(0.0, 1.0);
    (share, way - along * share)
}

fn near_polygon(point: Point, points: &[Point], round: f32) -> Near {
    let mut inside = false;
    let mut nearest = at(1e9, 1e9);
    let mut edge = at(1.0, 0.0);
    for (index, &to) in points.iter().enumerate() {
        let from = points[if index == 0 { points.len() - 1 } else { index - 1 }];
        let (_, way) = to_segment(point, from, to);
        if way.dot(way) < nearest.dot(nearest) {
            (nearest, edge) = (way, to - from);
        }
        // A ray to the right crosses the outline an odd number of times from inside.
        if (from.y > point.y) != (to.y > point.y)
            && point.x < from.x + (to.x - from.x) * (point.y - from.y) / (to.y - from.y)
        {
            inside = !inside;
        }
    }
    let distance = nearest.length();
    if distance < 1e-7 {
        return Near { distance: -round, out: edge.across().unit() };
    }
    let sign = if inside { -1.0 } else { 1.0 };
    Near { distance: sign * distance - round, out: nearest.unit() * sign }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(shape: &Shape, x: f32, y: f32) -> f32 {
        shape.near(at(x, y)).distance
    }

    #[test]
    fn distances_are_distances() {
        let slab = Shape::slab(at(1.0, 0.0), 2.0, 1.0, 0.25);
        assert!((distance(&slab, 1.0, 0.0) + 1.0).abs() < 1e-6);
        assert!((distance(&slab, 5.0, 0.0) - 2.0).abs() < 1e-6);
        let ring = Shape::disc(at(0.0, 0.0), 2.0).without(Shape::disc(at(0.0, 0.0), 1.0));
        assert!((distance(&ring, 0.5, 0.0) - 0.5).abs() < 1e-6);
        assert!((distance(&ring, 1.25, 0.0) + 0.25).abs() < 1e-6);
        let path = Shape::Path { points: vec![at(0.0, 0.0), at(4.0, 0.0), at(4.0, 4.0)], radius: 0.5 };
        assert!((distance(&path, 5.0, 2.0) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn bounds_hold_the_shape() {
        let shapes = [
            Shape::regular(at(0.3, 0.1), 0.5, 6, 0.1, 0.05),
            Shape::Ellipse { centre: at(-0.2, 0.0), rx: 0.5, ry: 0.2 },
            Shape::Bar { from: at(-0.5, 0.0), to: at(0.5, 0.3), start: 0.1, end: 0.2 },
            Shape::Any(vec![Shape::disc(at(0.5, 0.5), 0.2), Shape::bar(at(0.0, 0.0), at(-0.4, -0.4), 0.1)]),
        ];
        for shape in shapes {
            let (least, most) = shape.bounds();
            for step in 0..10_000 {
                let point = at((step % 100) as f32 / 50.0 - 1.0, (step / 100) as f32 / 50.0 - 1.0);
                let within =
                    point.x >= least.x && point.x <= most.x && point.y >= least.y && point.y <= most.y;
                assert!(within || shape.near(point).distance > -1e-5, "{shape:?} at {point:?}");
            }
        }
    }
}
