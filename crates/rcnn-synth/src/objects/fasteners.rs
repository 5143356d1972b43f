//! Nuts, bolts, nails, screws, washers.

use super::*;

/// A hexagonal ring, or a round one with flats, seen from above.
pub(super) fn nut(random: &mut SceneRandom) -> Thing {
    let (colour, pattern) = metal(random);
    let bore = random.range(0.27, 0.36);
    let middle = at(0.0, 0.0);
    let body = Shape::regular(middle, 0.56, 6, random.unit(), 0.05).without(Shape::disc(middle, bore));
    let flange = Shape::disc(middle, 0.5).without(Shape::disc(middle, bore));
    let chamfer = Shape::disc(middle, bore + 0.07).without(Shape::disc(middle, bore));
    let parts = vec![
        PaintPart::new(if random.chance(0.7) { body } else { flange }, colour, Finish::Metal, 0.13)
            .with(pattern),
        PaintPart::new(chamfer, colour.map(|level| level * 0.62), Finish::Metal, 0.05),
    ];
    Thing { parts, wall: random.range(0.3, 0.5), height: 0.45 }
}

/// A hexagonal head on a rod with a thread, lying on its side.
pub(super) fn bolt(random: &mut SceneRandom) -> Thing {
    let (colour, pattern) = metal(random);
    let thick = random.range(0.055, 0.1);
    let mut parts = rod(random, -0.5, 0.5, thick, colour, pattern);
    parts.extend(head(-0.5, thick, colour, pattern));
    Thing { parts, wall: 0.04, height: thick * 2.0 }
}

/// A smooth shank that becomes a thread.
fn rod(
    random: &mut SceneRandom,
    from: f32,
    to: f32,
    thick: f32,
    colour: Colour,
    pattern: PaintPattern,
) -> Vec<PaintPart> {
    let start = random.range(from + 0.1, from + 0.45);
    let shank =
        Shape::slab(at((from + to) / 2.0 - 0.02, 0.0), (to - from) / 2.0 - 0.03, thick * 1.02, thick * 0.2);
    vec![
        PaintPart::new(shank, colour, Finish::Metal, thick).with(pattern),
        threaded(at(start, 0.0), at(to, 0.0), thick * 0.97, colour, thick * 0.55),
    ]
}

/// A hexagonal head from the side: a middle face between two narrower ones.
fn head(x: f32, thick: f32, colour: Colour, pattern: PaintPattern) -> Vec<PaintPart> {
    let (half, tall) = (thick * 0.8, thick * 2.05);
    let face = |y: f32, half_height: f32, share: f32| {
        let shape = Shape::slab(at(x + half * 0.5, y), half, half_height, half * 0.25);
        PaintPart::new(shape, colour.map(|level| level * share), Finish::Metal, half * 0.5).with(pattern)
    };
    vec![
        face(-tall * 0.75, tall * 0.3, 0.9),
        face(tall * 0.75, tall * 0.3, 0.72),
        face(0.0, tall * 0.52, 1.05),
    ]
}

/// A bolt with one or two nuts and washers on it.
pub(super) fn bolt_nut_set(random: &mut SceneRandom) -> Thing {
    let (colour, pattern) = metal(random);
    let thick = random.range(0.1, 0.14);
    let mut parts = rod(random, -0.45, 0.5, thick, colour, pattern);
    parts.extend(head(-0.5, thick, colour, pattern));
    let mut x = random.range(-0.02, 0.2);
    for _ in 0..1 + random.below(2) {
        let washer = Shape::slab(at(x - thick * 1.15, 0.0), thick * 0.22, thick * 2.3, thick * 0.18);
        parts.push(PaintPart::new(washer, near(random, colour, 0.2), Finish::Metal, thick * 0.2));
        parts.extend(head(x - thick * 0.4, thick, near(random, colour, 0.12), pattern));
        x += thick * 2.6;
    }
    Thing { parts, wall: 0.08, height: thick * 3.0 }
}

/// A bolt whose head carries a wide washer; usually blackened.
pub(super) fn bolt_washer(random: &mut SceneRandom) -> Thing {
    let (mut colour, pattern) = metal(random);
    if random.chance(0.7) {
        colour = near(random, BLACK, 0.3);
    }
    let thick = random.range(0.13, 0.17);
    let disc = Shape::Ellipse { centre: at(-0.14, 0.0), rx: random.range(0.26, 0.34), ry: 0.4 };
    let shadow = Shape::Ellipse { centre: at(-0.16, 0.0), rx: 0.2, ry: 0.24 };
    let hexagon = Shape::regular(at(-0.2, 0.0), 0.22, 6, random.unit(), 0.04);
    let mut parts = vec![threaded(at(-0.1, 0.0), at(0.5, 0.0), thick, colour, thick * 0.6)];
    parts.push(PaintPart::new(disc, colour.map(|level| level * 1.15), Finish::Metal, 0.09).with(pattern));
    parts.push(PaintPart::new(shadow, colour.map(|level| level * 0.5), Finish::Matt, 0.02));
    parts.push(PaintPart::new(hexagon, colour, Finish::Metal, 0.07));
    Thing { parts, wall: 0.1, height: 0.4 }
}

/// A thin pin with a flat head and a point.
pub(super) fn nail(random: &mut SceneRandom) -> Thing {
    let (colour, pattern) = metal(random);
    let thick = random.range(0.024, 0.036);
    let bend = random.range(-0.05, 0.05);
    let wide = random.range(0.07, 0.1);
    let parts = vec![
        PaintPart::new(
            Shape::Path { points: vec![at(-0.46, 0.0), at(0.0, bend * 0.6), at(0.4, 0.0)], radius: thick },
            colour,
            Finish::Metal,
            thick,
        )
        .with(pattern),
        PaintPart::new(
            Shape::Bar { from: at(0.36, 0.0), to: at(0.5, -bend * 0.3), start: thick, end: 0.004 },
            colour,
            Finish::Metal,
            thick,
        ),
        PaintPart::new(
            Shape::Ellipse { centre: at(-0.47, 0.0), rx: wide * 0.5, ry: wide },
            colour,
            Finish::Metal,
            0.03,
        ),
    ];
    Thing { parts, wall: 0.0, height: thick * 2.0 }
}

/// A pan or countersunk head on a pointed thread.
pub(super) fn screw(random: &mut SceneRandom) -> Thing {
    let (colour, _) = metal(random);
    let thick = random.range(0.045, 0.065);
    let mut parts = vec![
        PaintPart::new(
            Shape::Bar { from: at(0.3, 0.0), to: at(0.5, 0.0), start: thick, end: 0.006 },
            colour,
            Finish::Metal,
            thick,
        )
        .with(PaintPattern::Ridges { axis: 0.02, pitch: thick * 0.9, depth: 0.9 }),
        threaded(at(-0.36, 0.0), at(0.36, 0.0), thick, colour, thick * 0.9),
    ];
    if random.chance(0.5) {
        // Countersunk, from the side.
        let cone = [
            (-0.5, -thick * 2.1),
            (-0.46, -thick * 2.1),
            (-0.3, -thick),
            (-0.3, thick),
            (-0.46, thick * 2.1),
            (-0.5, thick * 2.1),
        ];
        parts.push(PaintPart::new(Shape::polygon(&cone, 0.004), colour, Finish::Metal, thick * 2.0));
    } else {
        // Pan head, turned up enough to show its cross.
        let radius = thick * 2.1;
        let middle = at(-0.45, 0.0);
        parts.push(PaintPart::new(
            Shape::Ellipse { centre: middle, rx: radius * 0.8, ry: radius },
            colour,
            Finish::Metal,
            radius * 0.7,
        ));
        let slot = |way: Point| {
            Shape::bar(middle - way * (radius * 0.45), middle + way * (radius * 0.45), radius * 0.11)
        };
        let cross = Shape::Any(vec![slot(at(0.8, 0.3)), slot(at(-0.25, 0.95))]);
        parts.push(PaintPart::new(cross, HOLE, Finish::Matt, 0.01));
    }
    Thing { parts, wall: 0.0, height: thick * 2.5 }
}

/// A flat ring; some black ones have a serrated face.
pub(super) fn washer(random: &mut SceneRandom) -> Thing {
    let (mut colour, pattern) = metal(random);
    let middle = at(0.0, 0.0);
    let bore = random.range(0.16, 0.3);
    let serrated = random.chance(0.25);
    if serrated {
        colour = near(random, [0.22, 0.23, 0.25], 0.2);
    }
    let ring = Shape::disc(middle, 0.5).without(Shape::disc(middle, bore));
    let mut parts = vec![PaintPart::new(ring, colour, Finish::Metal, 0.05).with(pattern)];
    if serrated {
        let tooth = |index: usize| {
            let way = super::super::maths::direction(index as f32 / 28.0);
            Shape::bar(way * (bore + 0.06), way * 0.45, 0.009)
        };
        parts.push(PaintPart::new(
            Shape::Any((0..28).map(tooth).collect()),
            colour.map(|level| level * 0.45),
            Finish::Matt,
            0.01,
        ));
    }
    Thing { parts, wall: random.range(0.04, 0.09), height: 0.07 }
}
