//! Points, angles and curves in arithmetic that every machine does alike.
//!
//! Only `+ - * /`, `sqrt`, `floor` and comparisons, which IEEE 754 fixes to the last bit: a platform's own sine
//! or power may differ in the last place, and a scene must not. `mul_add` is out for the same reason.

use std::ops::{Add, Mul, Sub};

/// A point or a vector.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Point {
    pub(super) x: f32,
    pub(super) y: f32,
}

/// A point from its coordinates.
pub(super) const fn at(x: f32, y: f32) -> Point {
    Point { x, y }
}

impl Add for Point {
    type Output = Point;
    fn add(self, other: Point) -> Point {
        at(self.x + other.x, self.y + other.y)
    }
}

impl Sub for Point {
    type Output = Point;
    fn sub(self, other: Point) -> Point {
        at(self.x - other.x, self.y - other.y)
    }
}

impl Mul<f32> for Point {
    type Output = Point;
    fn mul(self, by: f32) -> Point {
        at(self.x * by, self.y * by)
    }
}

impl Point {
    pub(super) fn dot(self, other: Point) -> f32 {
        self.x * other.x + self.y * other.y
    }

    pub(super) fn length(self) -> f32 {
        self.dot(self).sqrt()
    }

    /// Length 1 in the same direction; to the right where there is no direction.
    pub(super) fn unit(self) -> Point {
        let length = self.length();
        if length > 1e-9 { self * (1.0 / length) } else { at(1.0, 0.0) }
    }

    /// A quarter turn on.
    pub(super) fn across(self) -> Point {
        at(-self.y, self.x)
    }

    /// Turned by this share of a full turn.
    pub(super) fn turn(self, turns: f32) -> Point {
        let way = direction(turns);
        at(self.x * way.x - self.y * way.y, self.x * way.y + self.y * way.x)
    }
}

/// Sine of an angle in full turns; within 2e-6.
pub(super) fn sine(turns: f32) -> f32 {
    let turns = turns - (turns + 0.5).floor();
    // Fold the half turns onto the quarter around 0, where the series converges fast.
    let turns = if turns > 0.25 {
        0.5 - turns
    } else if turns < -0.25 {
        -0.5 - turns
    } else {
        turns
    };
    let x = turns * std::f32::consts::TAU;
    let square = x * x;
    let series =
        1.0 + square * (-1.0 / 6.0 + square * (1.0 / 120.0 + square * (-1.0 / 5040.0 + square / 362_880.0)));
    x * series
}

/// The unit vector at an angle in full turns.
pub(super) fn direction(turns: f32) -> Point {
    at(sine(turns + 0.25), sine(turns))
}

pub(super) fn mix(a: f32, b: f32, share: f32) -> f32 {
    a + (b - a) * share
}

/// 0 below low, 1 above high, smooth between.
pub(super) fn ramp(low: f32, high: f32, value: f32) -> f32 {
    let share = ((value - low) / (high - low)).clamp(0.0, 1.0);
    share * share * (3.0 - 2.0 * share)
}

/// A smooth curve through the points (Catmull and Rom's), with this many steps between two of them; closed or open.
pub(super) fn curve(points: &[Point], steps: usize, closed: bool) -> Vec<Point> {
    let count = points.len();
    let pick = |index: isize| {
        let last = count as isize - 1;
        points[if closed { index.rem_euclid(count as isize) } else { index.clamp(0, last) } as usize]
    };
    let spans = if closed { count } else { count.saturating_sub(1) };
    let mut through = Vec::with_capacity(spans * steps + 1);
    for span in 0..spans as isize {
        let [a, b, c, d] = [pick(span - 1), pick(span), pick(span + 1), pick(span + 2)];
        for step in 0..steps {
            let t = step as f32 / steps as f32;
            let (t2, t3) = (t * t, t * t * t);
            let from_a = a * (-0.5 * t + t2 - 0.5 * t3);
            let from_b = b * (1.0 - 2.5 * t2 + 1.5 * t3);
            let from_c = c * (0.5 * t + 2.0 * t2 - 1.5 * t3);
            let from_d = d * (-0.5 * t2 + 0.5 * t3);
            through.push(from_a + from_b + from_c + from_d);
        }
    }
    if !closed && count > 0 {
        through.push(points[count - 1]);
    }
    through
}

/// Points on an arc around a centre, from one angle to another in full turns.
pub(super) fn arc(centre: Point, radius: f32, from: f32, to: f32, steps: usize) -> Vec<Point> {
    (0..=steps).map(|step| centre + direction(mix(from, to, step as f32 / steps as f32)) * radius).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sine_is_sine() {
        for step in -40..=40 {
            let turns = step as f32 / 16.0;
            let truth = f64::from(turns) * std::f64::consts::TAU;
            assert!((f64::from(sine(turns)) - truth.sin()).abs() < 5e-6, "{turns}");
            assert!((f64::from(direction(turns).x) - truth.cos()).abs() < 5e-6, "{turns}");
        }
    }

    #[test]
    fn a_curve_passes_its_points() {
        let points = [at(0.0, 0.0), at(1.0, 2.0), at(3.0, 1.0)];
        let open = curve(&points, 4, false);
        assert_eq!((open[0], open[4], open[8], open.len()), (points[0], points[1], points[2], 9));
        assert_eq!(curve(&points, 4, true).len(), 12);
    }
}
