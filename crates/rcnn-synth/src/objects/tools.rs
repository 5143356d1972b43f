//! Wrenches, hammer, pliers, screwdriver, cutter.

use super::super::maths::curve;
use super::*;

fn outline(corners: &[(f32, f32)], steps: usize) -> Shape {
    let points: Vec<Point> = corners.iter().map(|&(x, y)| at(x, y)).collect();
    Shape::Polygon { points: curve(&points, steps, true), round: 0.0 }
}

/// Bright tool steel with a brushed look.
fn tool_steel(random: &mut SceneRandom) -> (Colour, PaintPattern) {
    (near(random, [0.7, 0.71, 0.73], 0.15), PaintPattern::Streaks { axis: 0.0, size: 0.012, depth: 0.05 })
}

/// A wrench with one jaw that moves: a hooked head, a worm, a handle, bare or in rubber.
pub(super) fn adjustable_wrench(random: &mut SceneRandom) -> Thing {
    let (steel, brushed) = tool_steel(random);
    let bare = random.chance(0.35);
    let grip = if bare { steel } else { near(random, [0.19, 0.2, 0.24], 0.15) };
    let finish = if bare { Finish::Metal } else { Finish::Matt };
    let handle = [
        (-0.44, -0.062),
        (-0.3, -0.072),
        (0.0, -0.05),
        (0.16, -0.05),
        (0.16, 0.05),
        (0.0, 0.05),
        (-0.3, 0.072),
        (-0.44, 0.062),
        (-0.5, 0.0),
    ];
    let neck = [
        (0.1, -0.045),
        (0.24, -0.075),
        (0.34, -0.12),
        (0.43, -0.16),
        (0.52, -0.14),
        (0.55, -0.09),
        (0.5, -0.05),
        (0.41, -0.035),
        (0.38, 0.0),
        (0.36, 0.08),
        (0.28, 0.09),
        (0.2, 0.055),
        (0.1, 0.045),
    ];
    let jaw = [(0.335, 0.1), (0.35, 0.02), (0.4, 0.015), (0.5, 0.0), (0.53, 0.03), (0.47, 0.1), (0.4, 0.14)];
    let mut parts = vec![
        PaintPart::new(outline(&neck, 4), steel, Finish::Metal, 0.03).with(brushed),
        PaintPart::new(outline(&jaw, 4), steel.map(|level| level * 0.93), Finish::Metal, 0.025).with(brushed),
        PaintPart::new(outline(&handle, 4), grip, finish, 0.055),
        PaintPart::new(
            Shape::slab(at(0.3, 0.06), 0.035, 0.022, 0.01),
            steel.map(|level| level * 0.55),
            Finish::Metal,
            0.02,
        )
        .with(PaintPattern::Ridges { axis: 0.08, pitch: 0.014, depth: 0.9 }),
        PaintPart::new(Shape::disc(at(-0.44, 0.0), 0.025), HOLE, Finish::Matt, 0.005),
    ];
    if bare {
        let slot = Shape::bar(at(-0.3, 0.0), at(0.05, 0.0), 0.018);
        parts.push(PaintPart::new(slot, steel.map(|level| level * 0.55), Finish::Metal, 0.01));
    } else {
        let band = near(random, [0.85, 0.78, 0.12], 0.1);
        parts.push(PaintPart::new(
            Shape::slab(at(0.155, 0.0), 0.014, 0.057, 0.006),
            band,
            Finish::Gloss,
            0.02,
        ));
    }
    Thing { parts, wall: 0.03, height: 0.07 }
}

/// A wrench with an open jaw at one end and a ring or another jaw at the other.
pub(super) fn wrench(random: &mut SceneRandom) -> Thing {
    let (steel, brushed) = tool_steel(random);
    let steel = if random.chance(0.2) { near(random, [0.36, 0.36, 0.37], 0.15) } else { steel };
    let slim = random.range(0.034, 0.05);
    let jaw = |x: f32, way: f32, radius: f32| {
        let gap = [
            (x + way * radius * 1.3, -radius * 0.42),
            (x - way * radius * 0.1, -radius * 0.42),
            (x - way * radius * 0.3, 0.0),
            (x - way * radius * 0.1, radius * 0.42),
            (x + way * radius * 1.3, radius * 0.42),
        ];
        Shape::disc(at(x, 0.0), radius).without(Shape::polygon(&gap, 0.004))
    };
    let big = random.range(0.105, 0.14);
    let ring = Shape::disc(at(-0.42, 0.0), big * 0.85).without(Shape::regular(
        at(-0.42, 0.0),
        big * 0.55,
        6,
        0.1,
        0.005,
    ));
    let left = if random.chance(0.6) { ring } else { jaw(-0.42, -1.0, big * 0.9) };
    let inner = Shape::bar(at(-0.2, 0.0), at(0.2, 0.0), slim * 0.45);
    let parts = vec![
        PaintPart::new(Shape::bar(at(-0.34, 0.0), at(0.34, 0.0), slim), steel, Finish::Metal, slim * 0.8)
            .with(brushed),
        PaintPart::new(left, steel, Finish::Metal, 0.03).with(brushed),
        PaintPart::new(jaw(0.41, 1.0, big), steel, Finish::Metal, 0.03).with(brushed),
        PaintPart::new(inner, steel.map(|level| level * 0.8), Finish::Metal, 0.01),
    ];
    Thing { parts, wall: 0.03, height: 0.05 }
}

/// A claw hammer: a grip, a coloured shaft, a steel head across its end.
pub(super) fn hammer(random: &mut SceneRandom) -> Thing {
    let (steel, _) = tool_steel(random);
    let steel = if random.chance(0.3) { near(random, [0.24, 0.24, 0.26], 0.1) } else { steel };
    let wooden = random.chance(0.25);
    let red: Colour = near(random, [0.85, 0.13, 0.16], 0.1);
    let shaft = if wooden { near(random, [0.72, 0.54, 0.33], 0.1) } else { red };
    let grain = PaintPattern::Streaks { axis: 0.0, size: 0.02, depth: if wooden { 0.18 } else { 0.0 } };
    let grip = if wooden { shaft } else { near(random, [0.22, 0.22, 0.24], 0.15) };
    let face = [
        (0.34, 0.05),
        (0.335, 0.12),
        (0.325, 0.17),
        (0.325, 0.225),
        (0.475, 0.225),
        (0.475, 0.17),
        (0.465, 0.12),
        (0.46, 0.05),
    ];
    let claw = [
        (0.34, 0.06),
        (0.33, -0.02),
        (0.325, -0.08),
        (0.29, -0.17),
        (0.22, -0.245),
        (0.235, -0.255),
        (0.33, -0.21),
        (0.41, -0.12),
        (0.46, -0.03),
        (0.46, 0.06),
    ];
    let parts = vec![
        PaintPart::new(
            Shape::Bar { from: at(-0.1, 0.0), to: at(0.44, 0.0), start: 0.042, end: 0.036 },
            shaft,
            Finish::Gloss,
            0.04,
        )
        .with(grain),
        PaintPart::new(
            Shape::Polygon {
                points: curve(
                    &[
                        at(-0.52, -0.052),
                        at(-0.4, -0.06),
                        at(-0.2, -0.046),
                        at(0.02, -0.045),
                        at(0.02, 0.045),
                        at(-0.2, 0.05),
                        at(-0.4, 0.064),
                        at(-0.52, 0.056),
                    ],
                    3,
                    true,
                ),
                round: 0.0,
            },
            grip,
            Finish::Matt,
            0.055,
        )
        .with(grain),
        PaintPart::new(outline(&claw, 4), steel, Finish::Metal, 0.05),
        PaintPart::new(Shape::polygon(&face, 0.006), steel, Finish::Metal, 0.06),
        PaintPart::new(
            Shape::slab(at(0.4, 0.235), 0.082, 0.022, 0.012),
            steel.map(|level| level * 1.1),
            Finish::Metal,
            0.02,
        ),
        PaintPart::new(
            Shape::slab(at(0.4, 0.0), 0.05, 0.055, 0.015),
            steel.map(|level| level * 0.8),
            Finish::Metal,
            0.03,
        ),
    ];
    Thing { parts, wall: 0.05, height: 0.12 }
}

/// Two crossing levers: coloured handles, steel jaws, a rivet.
pub(super) fn pliers(random: &mut SceneRandom) -> Thing {
    let (steel, brushed) = tool_steel(random);
    let handle = random.pick(&[[0.1, 0.2, 0.68], [0.13, 0.25, 0.6], [0.75, 0.12, 0.12], [0.12, 0.14, 0.4]]);
    let handle = near(random, handle, 0.12);
    let open = random.range(0.02, 0.13);
    let long = random.range(0.4, 0.6);
    let lever = |side: f32| {
        let way = [
            at(0.14, 0.01 * side),
            at(0.02, 0.055 * side),
            at(-0.16, (0.08 + open) * side),
            at(-0.34, (0.075 + open * 1.3) * side),
            at(-0.5, (0.04 + open * 1.5) * side),
        ];
        Shape::Path { points: curve(&way, 5, false), radius: 0.036 }
    };
    let jaw = |side: f32| {
        let tip = 0.2 + long * 0.5;
        let corners = [
            at(0.08, -0.055 * side),
            at(0.14, 0.075 * side),
            at(0.24, 0.07 * side),
            at(tip - 0.02, (0.028 + open * 0.4) * side),
            at(tip, (0.006 + open * 0.4) * side),
            at(0.24, 0.004 * side),
        ];
        Shape::Polygon { points: curve(&corners, 3, true), round: 0.004 }
    };
    let mut parts = Vec::new();
    for side in [-1.0, 1.0] {
        parts.push(PaintPart::new(lever(side), handle, Finish::Gloss, 0.034));
        parts.push(PaintPart::new(jaw(side), steel, Finish::Metal, 0.025).with(brushed));
    }
    let collar = |side: f32| Shape::bar(at(0.06, 0.05 * side), at(0.1, 0.03 * side), 0.04);
    if random.chance(0.5) {
        let accent = near(random, [0.85, 0.2, 0.15], 0.1);
        parts.push(PaintPart::new(Shape::Any(vec![collar(1.0), collar(-1.0)]), accent, Finish::Gloss, 0.03));
    }
    parts.push(PaintPart::new(
        Shape::disc(at(0.16, 0.0), 0.085),
        steel.map(|level| level * 0.9),
        Finish::Metal,
        0.03,
    ));
    parts.push(PaintPart::new(
        Shape::disc(at(0.16, 0.0), 0.032),
        steel.map(|level| level * 0.6),
        Finish::Metal,
        0.02,
    ));
    parts.push(PaintPart::new(
        Shape::bar(at(0.26, 0.0), at(0.16 + long * 0.5, 0.0), 0.005),
        HOLE,
        Finish::Matt,
        0.01,
    ));
    Thing { parts, wall: 0.03, height: 0.08 }
}

const RED: Colour = [0.8, 0.1, 0.14];

/// A clear, fluted handle and a steel shaft with a flat or pointed tip.
pub(super) fn screwdriver(random: &mut SceneRandom) -> Thing {
    let (steel, _) = tool_steel(random);
    let colour = random.pick(&[RED, RED, RED, RED, [0.85, 0.6, 0.08], [0.1, 0.25, 0.7]]);
    let colour = near(random, colour, 0.1);
    let thick = random.range(0.055, 0.08);
    let slim = thick * random.range(0.22, 0.32);
    let flute = |y: f32| Shape::bar(at(-0.4, y * thick), at(-0.14, y * thick), thick * 0.1);
    let parts = vec![
        PaintPart::new(Shape::bar(at(-0.1, 0.0), at(0.47, 0.0), slim), steel, Finish::Metal, slim),
        PaintPart::new(
            Shape::polygon(
                &[
                    (0.42, -slim),
                    (0.47, -slim * 1.3),
                    (0.5, -slim * 0.7),
                    (0.5, slim * 0.7),
                    (0.47, slim * 1.3),
                    (0.42, slim),
                ],
                0.003,
            ),
            steel.map(|level| level * 0.55),
            Finish::Metal,
            slim,
        ),
        PaintPart::new(
            Shape::Bar { from: at(-0.14, 0.0), to: at(-0.04, 0.0), start: thick * 0.7, end: thick * 0.62 },
            colour.map(|level| level * 0.8),
            Finish::Gloss,
            thick * 0.6,
        ),
        PaintPart::new(Shape::slab(at(-0.27, 0.0), 0.2, thick, thick * 0.5), colour, Finish::Gloss, thick),
        PaintPart::new(
            Shape::Any(vec![flute(-0.45), flute(0.45)]),
            colour.map(|level| (level * 1.15 + 0.12).min(1.0)),
            Finish::Gloss,
            thick * 0.1,
        ),
        PaintPart::new(
            Shape::bar(at(-0.45, -thick * 0.3), at(-0.45, thick * 0.3), thick * 0.65),
            near(random, [0.86, 0.84, 0.8], 0.08),
            Finish::Gloss,
            thick * 0.6,
        ),
    ];
    Thing { parts, wall: 0.03, height: 0.13 }
}

/// A snap-off knife: a dark body with coloured ends, a slide, a blade that shows a little.
pub(super) fn cutter(random: &mut SceneRandom) -> Thing {
    let (steel, _) = tool_steel(random);
    let body = near(random, [0.17, 0.19, 0.24], 0.15);
    let colour = random.pick(&[[0.95, 0.83, 0.1], [0.93, 0.78, 0.06], [0.9, 0.35, 0.08]]);
    let colour = near(random, colour, 0.06);
    let side = [
        (-0.46, -0.085),
        (-0.3, -0.1),
        (0.0, -0.085),
        (0.28, -0.075),
        (0.32, 0.07),
        (0.0, 0.07),
        (-0.2, 0.095),
        (-0.42, 0.09),
        (-0.5, 0.0),
    ];
    let blade = [(0.2, -0.05), (0.46, -0.05), (0.52, 0.045), (0.2, 0.045)];
    let mut parts = vec![
        PaintPart::new(Shape::polygon(&blade, 0.002), steel.map(|level| level * 1.1), Finish::Metal, 0.012),
        PaintPart::new(Shape::bar(at(0.39, -0.05), at(0.42, 0.043), 0.003), [0.3; 3], Finish::Matt, 0.002),
        PaintPart::new(outline(&side, 4), body, Finish::Matt, 0.045),
    ];
    let stripe = Shape::polygon(&[(0.12, -0.075), (0.27, -0.072), (0.31, 0.068), (0.2, 0.068)], 0.006);
    let heel = Shape::polygon(
        &[(-0.47, -0.06), (-0.33, -0.085), (-0.27, 0.085), (-0.42, 0.08), (-0.48, 0.0)],
        0.006,
    );
    parts.push(PaintPart::new(stripe, colour, Finish::Gloss, 0.03));
    if random.chance(0.5) {
        parts.push(PaintPart::new(heel, colour, Finish::Gloss, 0.03));
    } else {
        // The other side: a slot with the blade in it, and the slide.
        parts.push(PaintPart::new(
            Shape::slab(at(-0.08, 0.0), 0.27, 0.034, 0.012),
            steel.map(|level| level * 0.9),
            Finish::Metal,
            0.01,
        ));
        parts.push(PaintPart::new(
            Shape::slab(at(-0.08, 0.045), 0.25, 0.016, 0.01),
            colour,
            Finish::Gloss,
            0.012,
        ));
        parts.push(
            PaintPart::new(
                Shape::slab(at(-0.02, 0.0), 0.07, 0.045, 0.02),
                body.map(|level| level * 0.8),
                Finish::Matt,
                0.02,
            )
            .with(PaintPattern::Ridges { axis: 0.0, pitch: 0.022, depth: 0.8 }),
        );
    }
    Thing { parts, wall: 0.04, height: 0.1 }
}
