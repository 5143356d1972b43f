//! Parts of machines: clamps, caps, hoses, wires, brackets, sheets.

use super::super::maths::{arc, curve, direction};
use super::*;

/// A hose clamp, sprung open: a band with slots, a screw in its housing.
pub(super) fn adjustable_clamp(random: &mut SceneRandom) -> Thing {
    let steel = near(random, STEEL, 0.12);
    let open = random.range(0.62, 0.9);
    let band = arc(at(0.0, 0.0), 0.42, 0.02, open, 30);
    let inner = arc(at(0.0, 0.0), 0.405, 0.02, open, 30);
    let slots = (4..22).map(|index| {
        let way = direction(0.02 + (open - 0.02) * index as f32 / 30.0);
        Shape::bar(way * 0.405, way * 0.435, 0.005)
    });
    let slots = Shape::Any(slots.collect());
    let parts = vec![
        PaintPart::new(Shape::Path { points: band, radius: 0.032 }, steel, Finish::Metal, 0.03),
        PaintPart::new(
            Shape::Path { points: inner, radius: 0.01 },
            steel.map(|level| level * 0.5),
            Finish::Metal,
            0.01,
        ),
        PaintPart::new(slots, HOLE, Finish::Matt, 0.005),
        threaded(at(0.3, 0.02), at(0.56, 0.02), 0.04, steel, 0.026),
        PaintPart::new(Shape::slab(at(0.42, 0.0), 0.075, 0.07, 0.02), steel, Finish::Metal, 0.04),
        PaintPart::new(
            Shape::slab(at(0.55, 0.02), 0.03, 0.055, 0.012),
            steel.map(|level| level * 0.85),
            Finish::Metal,
            0.02,
        ),
    ];
    Thing { parts, wall: 0.12, height: 0.14 }
}

/// Half of a clamp: a threaded U, or a bent strap with two slots.
pub(super) fn clamp_part(random: &mut SceneRandom) -> Thing {
    let steel = near(random, ZINC, 0.12);
    if random.chance(0.4) {
        let half = random.range(0.17, 0.25);
        let mut points = vec![at(-0.48, -half)];
        points.extend(arc(at(0.5 - half, 0.0), half, -0.25, 0.25, 14));
        points.push(at(-0.48, half));
        let mut parts =
            vec![PaintPart::new(Shape::Path { points, radius: 0.03 }, steel, Finish::Metal, 0.03)];
        for side in [-1.0, 1.0] {
            parts.push(threaded(at(-0.5, half * side), at(-0.2, half * side), 0.03, steel, 0.022));
        }
        return Thing { parts, wall: 0.0, height: 0.06 };
    }
    let half = random.range(0.1, 0.15);
    let strap = [
        (-0.5, -half),
        (-0.12, -half),
        (0.0, -half * 0.8),
        (0.12, -half),
        (0.5, -half),
        (0.5, half),
        (0.12, half),
        (0.0, half * 0.8),
        (-0.12, half),
        (-0.5, half),
    ];
    let slot = |x: f32| Shape::bar(at(x - 0.05, 0.0), at(x + 0.05, 0.0), 0.035);
    let bent = steel.map(|level| level * 0.7);
    let plate = Shape::polygon(&strap, 0.012).without(Shape::Any(vec![slot(-0.32), slot(0.32)]));
    let groove =
        Shape::polygon(&[(-0.13, -half), (0.0, -half * 0.8), (0.0, half * 0.8), (-0.13, half)], 0.004);
    let parts = vec![
        PaintPart::new(plate, steel, Finish::Metal, 0.03),
        PaintPart::new(groove, bent, Finish::Metal, 0.06),
        PaintPart::new(
            Shape::bar(at(-0.46, -half * 0.85), at(0.46, -half * 0.85), 0.012),
            steel.map(|level| level * 1.15),
            Finish::Metal,
            0.02,
        ),
    ];
    Thing { parts, wall: 0.05, height: 0.1 }
}

/// A fuel cap: a dark rim, a coppery ring, a bright lid with a keyhole.
pub(super) fn fuel_cap(random: &mut SceneRandom) -> Thing {
    let middle = at(0.0, 0.0);
    let off = at(0.02, -0.01);
    let rim = near(random, [0.2, 0.18, 0.18], 0.2);
    let copper = near(random, [0.56, 0.3, 0.2], 0.12);
    let lid = near(random, [0.8, 0.8, 0.8], 0.06);
    let lugs = (0..3).map(|index| Shape::disc(direction(index as f32 / 3.0 + 0.1) * 0.4, 0.05));
    let parts = vec![
        PaintPart::new(Shape::disc(middle, 0.5), rim, Finish::Gloss, 0.08),
        PaintPart::new(
            Shape::disc(middle, 0.43).without(Shape::disc(middle, 0.3)),
            copper,
            Finish::Metal,
            0.06,
        ),
        PaintPart::new(Shape::Any(lugs.collect()), near(random, [0.75, 0.72, 0.7], 0.1), Finish::Metal, 0.04),
        PaintPart::new(Shape::disc(off, 0.33), rim.map(|level| level * 0.7), Finish::Matt, 0.03),
        PaintPart::new(Shape::disc(off, 0.305), lid, Finish::Metal, 0.05).with(PaintPattern::Streaks {
            axis: 0.1,
            size: 0.03,
            depth: 0.08,
        }),
        PaintPart::new(Shape::disc(off, 0.075), HOLE, Finish::Matt, 0.02),
    ];
    Thing { parts, wall: random.range(0.25, 0.45), height: 0.45 }
}

/// A length of rubber hose with fittings at its ends.
pub(super) fn hose(random: &mut SceneRandom) -> Thing {
    let rubber = random.pick(&[[0.45, 0.2, 0.16], [0.5, 0.24, 0.18], [0.4, 0.17, 0.15], [0.16, 0.16, 0.17]]);
    let rubber = near(random, rubber, 0.12);
    let bow = random.range(0.06, 0.24);
    let thick = random.range(0.036, 0.05);
    let way = [
        at(-0.5, bow * 0.7),
        at(-0.25, -bow * 0.1),
        at(0.05, -bow * 0.45),
        at(0.3, -bow * 0.2),
        at(0.5, bow * 0.5),
    ];
    let points = curve(&way, 6, false);
    let last = points.len() - 1;
    let fitting =
        |from: Point, to: Point, share: f32| Shape::bar(from, from + (to - from) * share, thick * 1.12);
    let ends = Shape::Any(vec![
        fitting(points[1], points[3], 0.5),
        fitting(points[last - 1], points[last - 3], 0.5),
    ]);
    let parts = vec![
        PaintPart::new(
            Shape::disc(points[last], thick * 1.15),
            near(random, [0.5, 0.49, 0.48], 0.2),
            Finish::Metal,
            thick,
        ),
        PaintPart::new(
            Shape::disc(points[last] + (points[last] - points[last - 1]) * 0.4, thick * 0.7),
            HOLE,
            Finish::Matt,
            0.01,
        ),
        PaintPart::new(Shape::Path { points, radius: thick }, rubber, Finish::Gloss, thick)
            .with(PaintPattern::Blotches { size: 0.1, depth: 0.3, colour: rubber.map(|level| level * 0.6) }),
        PaintPart::new(ends, near(random, [0.46, 0.44, 0.43], 0.2), Finish::Metal, thick),
    ];
    Thing { parts, wall: 0.0, height: thick * 2.2 }
}

/// The points moved and scaled so that their longer extent is 1, around the origin.
fn to_unit(points: &[Point]) -> Vec<Point> {
    let (least, most) = Shape::Polygon { points: points.to_vec(), round: 0.0 }.bounds();
    let long = (most.x - least.x).max(most.y - least.y).max(1e-3);
    points.iter().map(|&point| (point - (least + most) * 0.5) * (1.0 / long)).collect()
}

/// A cable with a plug, or a bare length of wire.
pub(super) fn wire(random: &mut SceneRandom) -> Thing {
    let colour = random.pick(&[
        BLACK,
        BLACK,
        [0.1, 0.1, 0.11],
        [0.1, 0.25, 0.55],
        [0.6, 0.12, 0.12],
        [0.55, 0.55, 0.57],
    ]);
    let colour = near(random, colour, 0.15);
    let thick = random.range(0.009, 0.026);
    // It leaves in some way and keeps bending a little, as a stiff cable does.
    let (mut heading, mut bend) = (random.unit(), random.range(-0.08, 0.08));
    let mut way = vec![at(0.0, 0.0)];
    for index in 1..8 {
        way.push(way[index - 1] + direction(heading) * 0.2);
        bend = (bend + random.range(-0.08, 0.08)).clamp(-0.16, 0.16);
        heading += bend;
    }
    let way = to_unit(&way);
    let points = curve(&way, 6, false);
    let last = points.len() - 1;
    let mut parts = Vec::new();
    if random.chance(0.6) {
        for (end, next) in [(points[0], points[1]), (points[last], points[last - 1])] {
            let out = (end - next).unit();
            let side = out.across() * 0.02;
            let (tip, body) = (end + out * 0.075, end - out * 0.06);
            for pin in [side, side * -1.0] {
                parts.push(PaintPart::new(
                    Shape::bar(end + pin, tip + pin, 0.007),
                    BRASS,
                    Finish::Metal,
                    0.007,
                ));
            }
            parts.push(PaintPart::new(
                Shape::Bar { from: body, to: end, start: thick * 1.1, end: 0.04 },
                colour.map(|level| level * 1.1),
                Finish::Gloss,
                0.035,
            ));
        }
    } else {
        // Stripped ends show copper.
        for (end, next) in [(points[0], points[1]), (points[last], points[last - 1])] {
            let out = (end - next).unit();
            parts.push(PaintPart::new(
                Shape::bar(end, end + out * 0.04, thick * 0.5),
                [0.72, 0.45, 0.25],
                Finish::Metal,
                thick,
            ));
        }
    }
    parts.push(PaintPart::new(
        Shape::Path { points: points.clone(), radius: thick },
        colour,
        Finish::Gloss,
        thick,
    ));
    if random.chance(0.3) {
        let tie = points[last / 3];
        let across = (points[last / 3 + 1] - tie).unit().across() * (thick * 1.3);
        parts.push(PaintPart::new(
            Shape::bar(tie - across, tie + across, thick * 0.7),
            [0.85, 0.85, 0.83],
            Finish::Gloss,
            thick,
        ));
    }
    Thing { parts, wall: 0.0, height: thick * 2.5 }
}

/// A bracket with a bend and a hole, or a chromed socket.
pub(super) fn metal_part(random: &mut SceneRandom) -> Thing {
    if random.chance(0.5) {
        let (colour, pattern) = metal(random);
        let half = random.range(0.18, 0.26);
        let plate = Shape::polygon(&[(-0.5, -half), (0.08, -half), (0.08, half), (-0.5, half)], 0.02)
            .without(Shape::disc(at(-0.26, 0.0), half * 0.4));
        let lip =
            Shape::polygon(&[(0.06, -half), (0.46, -half * 1.25), (0.5, half * 0.75), (0.06, half)], 0.02)
                .without(Shape::disc(at(0.28, -half * 0.15), half * 0.35));
        let parts = vec![
            PaintPart::new(plate, colour, Finish::Metal, 0.03).with(pattern),
            PaintPart::new(lip, colour.map(|level| level * 0.62), Finish::Metal, 0.04).with(pattern),
            PaintPart::new(
                Shape::bar(at(0.07, -half), at(0.07, half), 0.016),
                colour.map(|level| level * 1.25),
                Finish::Metal,
                0.02,
            ),
        ];
        return Thing { parts, wall: 0.05, height: 0.2 };
    }
    let chrome = near(random, STEEL, 0.12);
    let dark = chrome.map(|level| level * 0.55);
    let thick = random.range(0.17, 0.22);
    let parts = vec![
        PaintPart::new(
            Shape::slab(at(-0.32, 0.0), 0.2, thick * 0.55, 0.03),
            chrome.map(|level| level * 0.85),
            Finish::Metal,
            thick * 0.5,
        ),
        PaintPart::new(Shape::disc(at(-0.36, 0.0), thick * 0.22), HOLE, Finish::Matt, 0.02),
        PaintPart::new(Shape::slab(at(0.12, 0.0), 0.32, thick, 0.05), chrome, Finish::Metal, thick),
        PaintPart::new(Shape::slab(at(-0.02, 0.0), 0.022, thick * 1.03, 0.01), dark, Finish::Metal, thick),
        PaintPart::new(
            Shape::bar(at(0.22, thick * 0.9), at(0.22, thick * 1.5), 0.05),
            dark,
            Finish::Metal,
            0.05,
        ),
        PaintPart::new(
            Shape::Ellipse { centre: at(0.42, 0.0), rx: 0.09, ry: thick * 0.9 },
            dark,
            Finish::Metal,
            0.03,
        ),
        PaintPart::new(
            Shape::Ellipse { centre: at(0.43, 0.0), rx: 0.06, ry: thick * 0.66 },
            HOLE,
            Finish::Matt,
            0.02,
        ),
    ];
    Thing { parts, wall: 0.06, height: 0.35 }
}

/// A drilled plate of aluminium or brass.
pub(super) fn metal_sheet(random: &mut SceneRandom) -> Thing {
    let colour = random.pick(&[[0.8, 0.77, 0.6], [0.78, 0.75, 0.56], [0.8, 0.81, 0.82]]);
    let colour = near(random, colour, 0.08);
    let half = random.range(0.3, 0.46);
    let skew = random.range(-0.1, 0.1);
    let plate = Shape::polygon(
        &[(-0.5 + skew, -half), (0.5 + skew, -half), (0.5 - skew, half), (-0.5 - skew, half)],
        0.006,
    );
    let mut holes = Vec::new();
    for row in 0..4 {
        for column in 0..5 {
            if random.chance(0.6) {
                let centre = at(
                    0.2 * column as f32 - 0.4 + random.range(-0.03, 0.03),
                    half * (0.55 * row as f32 - 0.82),
                );
                holes.push(Shape::disc(centre, random.pick(&[0.011, 0.015, 0.02])));
            }
        }
    }
    holes.push(Shape::disc(at(0.0, 0.0), 0.02));
    let parts = vec![
        PaintPart::new(plate, colour, Finish::Metal, 0.012).with(PaintPattern::Streaks {
            axis: 0.0,
            size: 0.02,
            depth: 0.03,
        }),
        PaintPart::new(Shape::Any(holes), HOLE, Finish::Matt, 0.004),
    ];
    Thing { parts, wall: 0.03, height: 0.05 }
}

/// A piece of a plastic housing: a coloured panel, or a grey lid with ribs.
pub(super) fn plastic_part(random: &mut SceneRandom) -> Thing {
    let colours = [
        [0.93, 0.76, 0.08],
        [0.5, 0.55, 0.62],
        [0.55, 0.6, 0.68],
        [0.16, 0.18, 0.2],
        [0.9, 0.4, 0.1],
        [0.3, 0.34, 0.4],
    ];
    let colour = random.pick(&colours);
    let colour = near(random, colour, 0.1);
    let half = random.range(0.2, 0.36);
    let skew = random.range(-0.12, 0.12);
    let mut corners =
        vec![(-0.5 + skew, -half), (0.5 + skew, -half), (0.5 - skew, half), (-0.5 - skew, half)];
    if random.chance(0.4) {
        // A broken corner.
        corners[2] = (0.3 - skew, half);
        corners.insert(2, (0.42, half * 0.35));
    }
    let mut parts = vec![PaintPart::new(Shape::polygon(&corners, 0.012), colour, Finish::Gloss, 0.03)];
    let bright = colour.map(|level| (level * 1.25).min(1.0));
    if random.chance(0.55) {
        let rib = |index: usize| {
            Shape::bar(
                at(0.28 + 0.07 * index as f32, -half * 0.86),
                at(0.28 + 0.07 * index as f32, half * 0.5),
                0.012,
            )
        };
        parts.push(PaintPart::new(Shape::Any((0..3).map(rib).collect()), bright, Finish::Gloss, 0.012));
        parts.push(PaintPart::new(
            Shape::bar(at(-0.42, -half * 0.84), at(0.2, -half * 0.84), 0.01),
            bright,
            Finish::Gloss,
            0.01,
        ));
    }
    if random.chance(0.3) {
        parts.push(PaintPart::new(Shape::disc(at(-0.3, half * 0.4), 0.045), HOLE, Finish::Matt, 0.01));
    }
    Thing { parts, wall: random.range(0.02, 0.1), height: 0.08 }
}
