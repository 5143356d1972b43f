//! What travellers and crews lose: batteries, cans, pens, tape, tags, pieces of luggage.

use super::super::maths::{arc, curve};
use super::*;

/// A round cell on its side: a body of two colours and a nub.
pub(super) fn battery(random: &mut SceneRandom) -> Thing {
    let thick = random.range(0.09, 0.12);
    let dark = near(random, BLACK, 0.3);
    let other = random.pick(&[[0.72, 0.42, 0.2], [0.86, 0.86, 0.88], [0.72, 0.74, 0.78], [0.75, 0.15, 0.12]]);
    let other = near(random, other, 0.1);
    let split = random.range(-0.3, 0.25);
    let (left, right) = if random.chance(0.5) { (dark, other) } else { (other, dark) };
    let tube = |from: f32, to: f32, colour: Colour| {
        PaintPart::new(
            Shape::slab(at((from + to) / 2.0, 0.0), (to - from) / 2.0, thick, 0.02),
            colour,
            Finish::Gloss,
            thick,
        )
    };
    let mut parts = vec![
        PaintPart::new(
            Shape::slab(at(0.47, 0.0), 0.035, thick * 0.38, 0.01),
            STEEL,
            Finish::Metal,
            thick * 0.4,
        ),
        tube(-0.5, 0.46, STEEL.map(|level| level * 0.9)),
        tube(-0.48, split + 0.03, left),
        tube(split, 0.44, right),
    ];
    if random.chance(0.6) {
        let print = Shape::slab(at(split - 0.16, thick * 0.1), 0.09, thick * 0.3, 0.01);
        parts.push(PaintPart::new(print, [0.88, 0.87, 0.85], Finish::Matt, 0.02));
    }
    Thing { parts, wall: 0.05, height: thick * 2.0 }
}

/// A crushed drink can: bright ends, a coloured, dented body.
pub(super) fn soda_can(random: &mut SceneRandom) -> Thing {
    let colour = random.pick(&[[0.05, 0.5, 0.25], [0.08, 0.55, 0.3], [0.75, 0.1, 0.12], [0.1, 0.25, 0.65]]);
    let colour = near(random, colour, 0.12);
    let crush = random.range(0.0, 1.0);
    let bright = near(random, [0.8, 0.81, 0.83], 0.06);
    let (half, radius) = (0.38 - 0.1 * crush, 0.29);
    let bump = |random: &mut SceneRandom| radius * random.range(1.0 - 0.3 * crush, 1.0 + 0.08 * crush);
    let corners: Vec<Point> = [
        (-1.0, -1.0),
        (-0.4, -1.0),
        (0.35, -1.0),
        (1.0, -1.0),
        (1.0, 1.0),
        (0.4, 1.0),
        (-0.35, 1.0),
        (-1.0, 1.0),
    ]
    .iter()
    .map(|&(x, y)| at(x * half, y * bump(random)))
    .collect();
    let dents = PaintPattern::Blotches {
        size: 0.13,
        depth: 0.35 + 0.4 * crush,
        colour: colour.map(|level| (level * 0.5).min(1.0)),
    };
    let mut parts = vec![
        PaintPart::new(
            Shape::Polygon { points: curve(&corners, 2, true), round: 0.0 },
            colour,
            Finish::Metal,
            radius,
        )
        .with(dents),
    ];
    // A pale band of print around the middle.
    let swirl =
        curve(&[at(-half * 0.8, -0.12), at(-0.1, 0.1), at(0.12, -0.1), at(half * 0.8, 0.13)], 5, false);
    parts.push(PaintPart::new(
        Shape::Path { points: swirl, radius: random.range(0.03, 0.06) },
        [0.88, 0.89, 0.87],
        Finish::Gloss,
        0.05,
    ));
    let (lid, foot) = (random.range(0.12, 0.26), random.range(0.08, 0.24));
    for (x, width) in [(-half, foot), (half, lid)] {
        parts.push(PaintPart::new(
            Shape::Ellipse { centre: at(x, 0.0), rx: width, ry: radius * 0.97 },
            bright,
            Finish::Metal,
            0.06,
        ));
        parts.push(PaintPart::new(
            Shape::Ellipse { centre: at(x, 0.0), rx: width * 0.78, ry: radius * 0.78 },
            bright.map(|level| level * 0.72),
            Finish::Metal,
            0.1,
        ));
    }
    parts.push(PaintPart::new(
        Shape::Ellipse { centre: at(half, 0.06), rx: lid * 0.35, ry: 0.09 },
        HOLE,
        Finish::Matt,
        0.02,
    ));
    parts.push(PaintPart::new(
        Shape::Ellipse { centre: at(half, -0.07), rx: lid * 0.3, ry: 0.075 },
        bright,
        Finish::Metal,
        0.03,
    ));
    Thing { parts, wall: 0.1, height: 0.4 }
}

/// A ballpoint pen: a clear or dark barrel, a cap with a clip, a tip.
pub(super) fn pen(random: &mut SceneRandom) -> Thing {
    let ink = random.pick(&[BLACK, BLACK, [0.1, 0.15, 0.5], [0.65, 0.1, 0.12]]);
    let ink = near(random, ink, 0.2);
    let clear = near(random, [0.7, 0.72, 0.74], 0.1);
    let thick = random.range(0.026, 0.036);
    let mut parts = vec![
        PaintPart::new(
            Shape::Bar { from: at(0.38, 0.0), to: at(0.5, 0.0), start: thick * 0.8, end: thick * 0.15 },
            BRASS,
            Finish::Metal,
            thick,
        ),
        PaintPart::new(Shape::bar(at(-0.4, 0.0), at(0.4, 0.0), thick), clear, Finish::Gloss, thick),
        PaintPart::new(
            Shape::bar(at(-0.2, 0.0), at(0.36, 0.0), thick * 0.28),
            ink,
            Finish::Gloss,
            thick * 0.3,
        ),
    ];
    let capped = random.chance(0.7);
    let (from, to) = if capped { (-0.5, -0.17) } else { (-0.5, -0.42) };
    parts.push(PaintPart::new(
        Shape::slab(at((from + to) / 2.0, 0.0), (to - from) / 2.0, thick * 1.3, thick * 0.5),
        ink,
        Finish::Gloss,
        thick * 1.2,
    ));
    if capped {
        let clip = Shape::Bar {
            from: at(-0.46, -thick * 1.3),
            to: at(-0.12, -thick * 1.45),
            start: thick * 0.5,
            end: thick * 0.35,
        };
        parts.push(PaintPart::new(clip, ink.map(|level| level * 1.25), Finish::Gloss, thick * 0.5));
    }
    Thing { parts, wall: 0.0, height: thick * 2.0 }
}

/// A roll of tape seen from its side: the wound tape around a core.
pub(super) fn tape(random: &mut SceneRandom) -> Thing {
    let colours =
        [[0.14, 0.14, 0.15], [0.14, 0.14, 0.15], [0.12, 0.12, 0.13], [0.6, 0.61, 0.63], [0.7, 0.58, 0.38]];
    let colour = random.pick(&colours);
    let colour = near(random, colour, 0.15);
    let middle = at(0.0, 0.0);
    let bore = random.range(0.32, 0.41);
    let ring = |outer: f32, inner: f32| Shape::disc(middle, outer).without(Shape::disc(middle, inner));
    let core = random.pick(&[[0.75, 0.72, 0.66], [0.5, 0.42, 0.33], [0.3, 0.3, 0.32]]);
    let mut parts = vec![
        PaintPart::new(ring(0.5, bore), colour, Finish::Gloss, 0.07),
        PaintPart::new(ring(0.46, 0.44), colour.map(|level| level * 1.5), Finish::Gloss, 0.02),
        PaintPart::new(ring(bore + 0.03, bore), near(random, core, 0.1), Finish::Matt, 0.03),
    ];
    if random.chance(0.5) {
        // The end of the tape, come loose.
        let end = curve(&[at(0.46, 0.05), at(0.49, 0.22), at(0.44, 0.4)], 4, false);
        parts.insert(
            0,
            PaintPart::new(Shape::Path { points: end, radius: 0.022 }, colour, Finish::Gloss, 0.02),
        );
    }
    Thing { parts, wall: random.range(0.15, 0.35), height: 0.3 }
}

/// A red streamer with a row of white letters and a ring: the kind that is removed before flight.
pub(super) fn label(random: &mut SceneRandom) -> Thing {
    let red = near(random, [0.84, 0.1, 0.22], 0.14);
    let half = random.range(0.085, 0.12);
    let curl = random.range(-0.1, 0.1);
    let edge = |side: f32| {
        [
            at(-0.32, half * side),
            at(-0.05, half * side + curl * 0.4),
            at(0.22, half * side + curl * 0.7),
            at(0.5, half * side + curl * 0.2),
        ]
    };
    let upper = curve(&edge(-1.0), 4, false);
    let lower = curve(&edge(1.0), 4, false);
    let points: Vec<Point> = upper.into_iter().chain(lower.into_iter().rev()).collect();
    let mut parts = vec![
        PaintPart::new(
            Shape::Path { points: arc(at(-0.43, 0.0), 0.075, 0.0, 1.0, 14), radius: 0.014 },
            STEEL,
            Finish::Metal,
            0.014,
        ),
        PaintPart::new(Shape::Polygon { points, round: 0.006 }, red, Finish::Matt, 0.03),
        PaintPart::new(Shape::disc(at(-0.3, 0.0), 0.03), STEEL.map(|level| level * 0.9), Finish::Metal, 0.02),
    ];
    // Letters too small to read are strokes and gaps; two lines or one.
    let lines: &[f32] = if random.chance(0.5) { &[-0.4, 0.4] } else { &[0.0] };
    let size = if lines.len() == 2 { half * 0.26 } else { half * 0.5 };
    let mut strokes = Vec::new();
    for &line in lines {
        let mut x = -0.23f32;
        while x < 0.43 {
            let y = line * half + curl * 0.55 * (1.0 - (x - 0.15) * (x - 0.15) * 6.0).max(0.0);
            let lean = size * random.range(-0.4, 0.4);
            strokes.push(Shape::bar(at(x, y - size), at(x + lean, y + size), size * 0.27));
            if random.chance(0.55) {
                let bar = y + size * random.pick(&[-0.8, 0.0, 0.8]);
                strokes.push(Shape::bar(at(x, bar), at(x + size * 0.7, bar), size * 0.25));
            }
            x += size * if random.chance(0.15) { 2.8 } else { 1.5 };
        }
    }
    parts.push(PaintPart::new(Shape::Any(strokes), [0.93, 0.9, 0.9], Finish::Matt, 0.01));
    Thing { parts, wall: 0.0, height: 0.03 }
}

/// A white card with ruled lines in a frame, and a strap.
pub(super) fn luggage_tag(random: &mut SceneRandom) -> Thing {
    let paper = near(random, [0.9, 0.91, 0.93], 0.05);
    let strap = random.pick(&[[0.25, 0.28, 0.34], [0.85, 0.84, 0.8], [0.15, 0.15, 0.17]]);
    let half = random.range(0.15, 0.25);
    let corners =
        [(-0.16, -half * 0.5), (-0.06, -half), (0.5, -half), (0.5, half), (-0.06, half), (-0.16, half * 0.5)];
    let loose = random.range(-0.12, 0.12);
    let loop_ = curve(
        &[
            at(-0.1, 0.0),
            at(-0.26, -0.05 + loose),
            at(-0.44, loose),
            at(-0.42, 0.07 + loose),
            at(-0.26, 0.06),
            at(-0.1, 0.0),
        ],
        5,
        false,
    );
    let mut parts = vec![
        PaintPart::new(
            Shape::Path { points: loop_, radius: random.range(0.014, 0.03) },
            strap,
            Finish::Gloss,
            0.02,
        ),
        PaintPart::new(Shape::polygon(&corners, 0.02), paper, Finish::Gloss, 0.03),
    ];
    let frame = Shape::slab(at(0.22, 0.0), 0.23, half * 0.78, 0.02).without(Shape::slab(
        at(0.22, 0.0),
        0.215,
        half * 0.7,
        0.015,
    ));
    let ink = near(random, [0.35, 0.4, 0.5], 0.15);
    if random.chance(0.7) {
        parts.push(PaintPart::new(frame, ink, Finish::Matt, 0.01));
    }
    let rows = 3 + random.below(3);
    let ruled = (0..rows)
        .map(|row| {
            let y = half * (1.1 * (row as f32 + 0.5) / rows as f32 - 0.55);
            Shape::bar(at(0.05, y), at(random.range(0.2, 0.4), y), 0.006)
        })
        .collect();
    parts.push(PaintPart::new(Shape::Any(ruled), ink.map(|level| level * 0.8), Finish::Matt, 0.004));
    parts.push(PaintPart::new(
        Shape::bar(at(-0.09, -0.03), at(-0.09, 0.03), 0.016),
        HOLE,
        Finish::Matt,
        0.005,
    ));
    Thing { parts, wall: 0.01, height: 0.035 }
}

/// A piece off a suitcase: a length of its pull-out handle, or a handle with its rivets.
pub(super) fn luggage_part(random: &mut SceneRandom) -> Thing {
    if random.chance(0.55) {
        let blue = near(random, [0.27, 0.31, 0.38], 0.2);
        let thick = random.range(0.03, 0.055);
        let mut parts = vec![
            PaintPart::new(Shape::slab(at(0.0, 0.0), 0.5, thick, 0.01), blue, Finish::Gloss, thick * 1.1),
            PaintPart::new(
                Shape::bar(at(-0.48, -thick * 0.3), at(0.48, -thick * 0.3), thick * 0.1),
                blue.map(|level| level * 1.5),
                Finish::Gloss,
                0.01,
            ),
        ];
        if random.chance(0.5) {
            parts.push(PaintPart::new(
                Shape::bar(at(-0.43, 0.0), at(-0.4, 0.0), thick * 0.5),
                [0.75, 0.15, 0.12],
                Finish::Gloss,
                0.02,
            ));
        }
        return Thing { parts, wall: 0.02, height: thick * 2.0 };
    }
    let black = near(random, [0.1, 0.1, 0.12], 0.3);
    let shape = [
        at(-0.44, -0.24),
        at(-0.1, -0.3),
        at(0.35, -0.26),
        at(0.48, -0.2),
        at(0.42, 0.0),
        at(0.46, 0.22),
        at(0.1, 0.29),
        at(-0.4, 0.26),
        at(-0.5, 0.0),
    ];
    let plate =
        |grow: f32| Shape::Polygon { points: curve(&shape.map(|point| point * grow), 4, true), round: 0.0 };
    let parts = vec![
        PaintPart::new(plate(1.0), black, Finish::Gloss, 0.1),
        PaintPart::new(plate(0.74), black.map(|level| level * 1.35), Finish::Gloss, 0.06),
        PaintPart::new(Shape::disc(at(-0.02, 0.02), 0.075), near(random, STEEL, 0.1), Finish::Metal, 0.07),
        PaintPart::new(
            Shape::disc(at(-0.02, 0.02), 0.03),
            STEEL.map(|level| level * 0.6),
            Finish::Metal,
            0.03,
        ),
    ];
    Thing { parts, wall: 0.06, height: 0.14 }
}
