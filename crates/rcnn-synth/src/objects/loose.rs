//! What breaks off or blows in: stones, branches, chips of paint.

use super::super::maths::{curve, direction};
use super::*;

/// A stone: an uneven outline, faceted, earthy.
pub(super) fn rock(random: &mut SceneRandom) -> Thing {
    let colour = random.pick(&[
        [0.62, 0.55, 0.45],
        [0.5, 0.43, 0.33],
        [0.58, 0.56, 0.53],
        [0.7, 0.62, 0.5],
        [0.4, 0.36, 0.3],
    ]);
    let colour = near(random, colour, 0.15);
    let flat = random.range(0.42, 0.78);
    let corners = 7 + random.below(4);
    let outline: Vec<Point> = (0..corners)
        .map(|index| {
            let way = direction((index as f32 + random.range(-0.3, 0.3)) / corners as f32);
            at(way.x, way.y * flat) * (0.5 * random.range(0.72, 1.0))
        })
        .collect();
    let rounded = random.chance(0.5);
    let whole = if rounded { curve(&outline, 3, true) } else { outline.clone() };
    let dark = colour.map(|level| level * 0.55);
    let rough = PaintPattern::Blotches { size: random.range(0.08, 0.2), depth: 0.5, colour: dark };
    let mut parts = vec![
        PaintPart::new(Shape::Polygon { points: whole, round: 0.02 }, colour, Finish::Matt, 0.2).with(rough),
    ];
    // Faces that meet at a peak off the middle, each leaning its own way.
    let peak = at(random.range(-0.22, 0.22), random.range(-0.2, 0.2) * flat);
    let mut index = random.below(2);
    while index + 1 < corners {
        let step = 1 + random.below(2);
        let edge = (index..=(index + step).min(corners - 1)).map(|corner| outline[corner] * 0.9);
        let points: Vec<Point> = std::iter::once(peak).chain(edge).collect();
        let level = random.range(0.85, 1.25);
        let face = colour.map(|channel| (channel * level).min(1.0));
        parts.push(
            PaintPart::new(Shape::Polygon { points, round: 0.012 }, face, Finish::Matt, 0.07).with(rough),
        );
        index += step;
    }
    Thing { parts, wall: random.range(0.1, 0.22), height: 0.35 }
}

/// A broken branch with stubs of twigs, or a splintered slat.
pub(super) fn wood(random: &mut SceneRandom) -> Thing {
    if random.chance(0.15) {
        let colour = near(random, [0.7, 0.55, 0.36], 0.12);
        let half = random.range(0.04, 0.07);
        let splinter = [
            (-0.5, -half),
            (0.42, -half),
            (0.5, -half * 0.5),
            (0.44, 0.0),
            (0.52, half * 0.4),
            (0.4, half),
            (-0.46, half),
            (-0.5, half * 0.3),
        ];
        let slat = PaintPart::new(Shape::polygon(&splinter, 0.003), colour, Finish::Matt, 0.02)
            .with(PaintPattern::Streaks { axis: 0.0, size: 0.018, depth: 0.2 });
        return Thing { parts: vec![slat], wall: 0.04, height: 0.07 };
    }
    let bark = random.pick(&[[0.46, 0.37, 0.32], [0.54, 0.46, 0.4], [0.42, 0.34, 0.3]]);
    let bark = near(random, bark, 0.12);
    let inner = near(random, [0.72, 0.6, 0.46], 0.1);
    let thick = random.range(0.028, 0.045);
    let bend = random.range(-0.06, 0.06);
    let way =
        [at(-0.5, 0.0), at(-0.2, bend), at(0.1, -bend * 0.4), at(0.35, bend * 0.8), at(0.5, bend * 1.4)];
    let points = curve(&way, 4, false);
    let rough = PaintPattern::Streaks { axis: 0.0, size: 0.02, depth: 0.35 };
    let mut parts = Vec::new();
    for _ in 0..1 + random.below(3) {
        let from = points[3 + random.below(points.len() - 6)];
        let to = from + at(random.range(0.04, 0.14), random.pick(&[-1.0, 1.0]) * random.range(0.05, 0.13));
        parts.push(
            PaintPart::new(
                Shape::Bar { from, to, start: thick * 0.65, end: thick * 0.35 },
                bark.map(|level| level * 0.9),
                Finish::Matt,
                thick * 0.6,
            )
            .with(rough),
        );
        parts.push(PaintPart::new(Shape::disc(to, thick * 0.34), inner, Finish::Matt, 0.01));
    }
    for (index, pair) in points.windows(2).enumerate() {
        let share = |index: usize| thick * (1.15 - 0.5 * index as f32 / points.len() as f32);
        let shape = Shape::Bar { from: pair[0], to: pair[1], start: share(index), end: share(index + 1) };
        parts.push(PaintPart::new(shape, bark, Finish::Matt, thick).with(rough));
    }
    parts.push(PaintPart::new(
        Shape::Ellipse { centre: points[0] + at(-thick * 0.8, 0.0), rx: thick * 0.55, ry: thick },
        inner,
        Finish::Matt,
        0.02,
    ));
    let peeled = points[points.len() / 2];
    parts.push(
        PaintPart::new(
            Shape::Bar { from: peeled, to: peeled + at(0.13, 0.0), start: thick * 0.5, end: thick * 0.15 },
            inner.map(|level| level * 0.85),
            Finish::Matt,
            thick,
        )
        .with(rough),
    );
    Thing { parts, wall: 0.0, height: thick * 2.5 }
}

/// A flake of dark, gritty coating.
pub(super) fn paint_chip(random: &mut SceneRandom) -> Thing {
    let colour = random.pick(&[[0.17, 0.17, 0.18], [0.2, 0.2, 0.21], [0.24, 0.25, 0.27], [0.2, 0.18, 0.17]]);
    let colour = near(random, colour, 0.12);
    let half = random.range(0.2, 0.46);
    let mut corners = vec![at(-0.5, -half), at(0.46, -half * 0.95), at(0.5, half * 0.96), at(-0.47, half)];
    for corner in &mut corners {
        *corner = *corner + at(random.range(-0.05, 0.03), random.range(-0.03, 0.05));
    }
    if random.chance(0.4) {
        corners.insert(1, at(random.range(-0.2, 0.2), -half * random.range(1.0, 1.15)));
    }
    let grit = PaintPattern::Blotches { size: 0.016, depth: 0.5, colour: colour.map(|level| level * 1.7) };
    let chip = PaintPart::new(Shape::Polygon { points: corners, round: 0.006 }, colour, Finish::Matt, 0.01)
        .with(grit);
    Thing { parts: vec![chip], wall: 0.015, height: 0.03 }
}
