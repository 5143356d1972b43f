//! The ground under the objects: what it is made of. What lies on it or happened to it is in `wear`.

use super::canvas::{Canvas, Colour, blend, times};
use super::field::{add_noise, clouds};
use super::maths::{Point, at, direction, ramp};
use super::random::SceneRandom;

/// What the ground is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// Brushed or rough concrete of fine grain.
    Concrete,
    /// A sealed floor, cloudy and dark, that reflects lamps.
    Floor,
    /// Black or greyed asphalt with stones in it.
    Asphalt,
    /// Pebbled paving in grey or reddish brown.
    Pebbles,
    /// Red brick with joints.
    Brick,
    /// Pale paint over a whole surface.
    Cream,
    /// Asphalt or concrete with a painted line.
    Marking,
}

impl Ground {
    /// One of them, as often as pavement has them.
    pub(super) fn any(random: &mut SceneRandom) -> Ground {
        use Ground::*;
        random.pick(&[
            Concrete, Concrete, Concrete, Concrete, Concrete, Concrete, Floor, Floor, Floor, Pebbles,
            Pebbles, Pebbles, Asphalt, Asphalt, Cream, Cream, Brick, Marking,
        ])
    }

    /// A picture of nothing but the ground, evenly lit.
    pub(super) fn lay(self, width: usize, height: usize, random: &mut SceneRandom) -> Canvas {
        match self {
            Ground::Concrete => concrete(width, height, random),
            Ground::Floor => floor(width, height, random),
            Ground::Asphalt => asphalt(width, height, random),
            Ground::Pebbles => pebbles(width, height, random),
            Ground::Brick => brick(width, height, random),
            Ground::Cream => cream(width, height, random),
            Ground::Marking => marking(width, height, random),
        }
    }
}

/// Multiplies each pixel by one plus the field, a little warmer where it is brighter.
fn tone(canvas: &mut Canvas, field: &[f32], warm: f32) {
    for (pixel, value) in canvas.pixels.iter_mut().zip(field) {
        pixel[0] *= 1.0 + value * (1.0 + warm);
        pixel[1] *= 1.0 + value;
        pixel[2] *= 1.0 + value * (1.0 - warm);
    }
}

/// Grain: noise whose cells are about a pixel up to a few.
fn grain(canvas: &mut Canvas, cell: f32, amount: f32, random: &mut SceneRandom) {
    let mut field = vec![0.0; canvas.pixels.len()];
    add_noise(&mut field, canvas.width, cell, amount, random);
    add_noise(&mut field, canvas.width, cell * 2.3, amount * 0.7, random);
    tone(canvas, &field, 0.1);
}

/// Slow changes of shade over the picture.
fn cloud(canvas: &mut Canvas, cell: f32, amount: f32, random: &mut SceneRandom) {
    let field: Vec<f32> =
        clouds(canvas.width, canvas.height, cell, 4, 0.6, random).iter().map(|v| v * amount).collect();
    tone(canvas, &field, 0.15);
}

/// Scattered round specks of these colours and sizes in pixels, each lit a little from above.
fn specks(
    canvas: &mut Canvas,
    count: usize,
    size: (f32, f32),
    colours: &[Colour],
    strength: f32,
    random: &mut SceneRandom,
) {
    for _ in 0..count {
        let centre = at(random.unit() * canvas.width as f32, random.unit() * canvas.height as f32);
        let radius = random.range(size.0, size.1);
        let oval = random.range(0.7, 1.4);
        let lean = direction(random.unit());
        let base = random.pick(colours);
        let colour = times(base, random.range(0.85, 1.15));
        dab(canvas, centre, radius * 1.4, |way| {
            let (along, across) = (way.dot(lean) * oval, way.dot(lean.across()));
            let share = (along * along + across * across).sqrt() / radius;
            let cover = ((1.0 - share) * radius + 0.5).clamp(0.0, 1.0) * strength;
            (times(colour, 1.0 - 0.16 * (way.x + way.y) / radius), cover)
        });
    }
}

/// Paints within a distance of a point; the paint gets the way from the point and gives a colour and a cover.
pub(super) fn dab(canvas: &mut Canvas, centre: Point, reach: f32, paint: impl Fn(Point) -> (Colour, f32)) {
    let span = |middle: f32, count: usize| {
        let low = (middle - reach).floor().clamp(0.0, count as f32) as usize;
        low..((middle + reach).floor() + 1.0).clamp(0.0, count as f32) as usize
    };
    for y in span(centre.y, canvas.height) {
        for x in span(centre.x, canvas.width) {
            let (colour, cover) = paint(at(x as f32 + 0.5, y as f32 + 0.5) - centre);
            if cover > 0.0 {
                let pixel = &mut canvas.pixels[y * canvas.width + x];
                *pixel = blend(*pixel, colour, cover);
            }
        }
    }
}

/// How many of something so wide (in pixels) would cover this share of the picture.
fn number(canvas: &Canvas, wide: f32, share: f32) -> usize {
    (canvas.pixels.len() as f32 * share / (wide * wide * 0.8)) as usize
}

fn grey(random: &mut SceneRandom, low: f32, high: f32, warm: f32) -> Colour {
    let level = random.range(low, high);
    let tint = random.range(-0.25 * warm, warm);
    [level * (1.0 + tint), level, level * (1.0 - 1.4 * tint)]
}

fn concrete(width: usize, height: usize, random: &mut SceneRandom) -> Canvas {
    let base = grey(random, 0.5, 0.68, 0.08);
    let mut canvas = Canvas::new(width, height, base);
    cloud(&mut canvas, 110.0, random.range(0.02, 0.07), random);
    let (cell, amount) = (random.range(1.0, 1.8), random.range(0.03, 0.11));
    grain(&mut canvas, cell, amount, random);
    let pits = number(&canvas, 2.0, random.range(0.0, 0.012));
    specks(
        &mut canvas,
        pits,
        (0.5, 1.5),
        &[times(base, 0.55), times(base, 0.7), times(base, 1.25)],
        0.8,
        random,
    );
    canvas
}

fn floor(width: usize, height: usize, random: &mut SceneRandom) -> Canvas {
    let base = grey(random, 0.42, 0.62, 0.06);
    let mut canvas = Canvas::new(width, height, base);
    cloud(&mut canvas, 90.0, random.range(0.05, 0.13), random);
    cloud(&mut canvas, 22.0, random.range(0.03, 0.08), random);
    grain(&mut canvas, 1.4, random.range(0.015, 0.045), random);
    let scuffs = number(&canvas, 3.0, random.range(0.001, 0.008));
    specks(
        &mut canvas,
        scuffs,
        (0.5, 2.4),
        &[times(base, 0.5), times(base, 0.6), times(base, 1.3)],
        0.6,
        random,
    );
    canvas
}

fn asphalt(width: usize, height: usize, random: &mut SceneRandom) -> Canvas {
    let base = grey(random, 0.28, 0.48, 0.05);
    let mut canvas = Canvas::new(width, height, times(base, 0.85));
    cloud(&mut canvas, 80.0, random.range(0.04, 0.1), random);
    let stones = [times(base, 0.7), times(base, 0.9), times(base, 1.1), times(base, 1.25), times(base, 1.5)];
    let size = random.range(1.0, 2.6);
    let many = number(&canvas, size * 2.0, 0.7);
    specks(&mut canvas, many, (size * 0.5, size * 1.3), &stones, 0.6, random);
    grain(&mut canvas, 1.2, random.range(0.08, 0.16), random);
    canvas
}

fn pebbles(width: usize, height: usize, random: &mut SceneRandom) -> Canvas {
    let red = random.chance(0.65);
    let base: Colour = if red { [0.76, 0.61, 0.47] } else { [0.58, 0.57, 0.55] };
    let base = times(base, random.range(0.85, 1.12));
    let mut canvas = Canvas::new(width, height, times(base, 0.82));
    let rosy = [base[0] * 1.08, base[1] * 0.93, base[2] * 0.9];
    let stones = [times(base, 1.15), base, times(base, 0.9), rosy, times(base, 1.3), times(base, 0.72)];
    let size = random.range(1.3, 4.0);
    let many = number(&canvas, size * 2.0, 1.3);
    specks(&mut canvas, many, (size * 0.6, size * 1.3), &stones, 0.75, random);
    cloud(&mut canvas, 120.0, 0.04, random);
    grain(&mut canvas, 1.2, random.range(0.05, 0.1), random);
    canvas
}

fn brick(width: usize, height: usize, random: &mut SceneRandom) -> Canvas {
    let joint = grey(random, 0.4, 0.55, 0.05);
    let base: Colour = [random.range(0.54, 0.68), random.range(0.31, 0.39), random.range(0.25, 0.32)];
    let mut canvas = Canvas::new(width, height, joint);
    let turn = direction(random.unit());
    let long = random.range(0.28, 0.6) * width.min(height) as f32;
    let (tall, gap) = (long * 0.46, random.range(1.2, 3.0));
    let wobble = clouds(width, height, 14.0, 2, 0.5, random);
    let shades: Vec<f32> = (0..64).map(|_| random.range(0.82, 1.15)).collect();
    for (index, pixel) in canvas.pixels.iter_mut().enumerate() {
        let point = at((index % width) as f32, (index / width) as f32);
        let (along, across) = (point.dot(turn), point.dot(turn.across()));
        let row = (across / tall).floor();
        // Every other row is shifted by half a brick.
        let along = along + if row as i32 & 1 == 0 { 0.0 } else { long / 2.0 };
        let column = (along / long).floor();
        let (u, v) = (along - column * long, across - row * tall);
        let edge = u.min(long - u).min(v).min(tall - v) + wobble[index];
        let shade = shades[(column as i32 * 7 + row as i32 * 13).rem_euclid(64) as usize];
        *pixel = blend(times(*pixel, 0.85), times(base, shade), ramp(gap - 0.8, gap + 0.8, edge));
    }
    cloud(&mut canvas, 30.0, 0.07, random);
    grain(&mut canvas, 1.3, random.range(0.05, 0.12), random);
    let pits = number(&canvas, 2.0, 0.02);
    specks(&mut canvas, pits, (0.5, 1.5), &[times(base, 0.5), times(base, 1.4)], 0.6, random);
    canvas
}

fn cream(width: usize, height: usize, random: &mut SceneRandom) -> Canvas {
    let base: Colour = random.pick(&[[0.93, 0.92, 0.86], [0.9, 0.9, 0.87], [0.88, 0.86, 0.78]]);
    let mut canvas = Canvas::new(width, height, base);
    cloud(&mut canvas, 90.0, random.range(0.01, 0.03), random);
    grain(&mut canvas, 1.5, random.range(0.015, 0.04), random);
    let dirt = number(&canvas, 2.0, random.range(0.001, 0.006));
    specks(
        &mut canvas,
        dirt,
        (0.4, 1.3),
        &[[0.6, 0.58, 0.52], [0.75, 0.72, 0.64], [0.4, 0.38, 0.35]],
        0.6,
        random,
    );
    canvas
}

fn marking(width: usize, height: usize, random: &mut SceneRandom) -> Canvas {
    let mut canvas =
        if random.chance(0.6) { asphalt(width, height, random) } else { concrete(width, height, random) };
    let paint = random.pick(&[[0.86, 0.68, 0.12], [0.88, 0.88, 0.85], [0.72, 0.16, 0.13]]);
    let across = direction(random.unit());
    let side = width.min(height) as f32;
    let middle = at(width as f32, height as f32) * 0.5 + across * (side * random.range(-0.35, 0.35));
    let half = side * random.range(0.08, 0.24);
    let wear = clouds(width, height, 26.0, 5, 0.75, random);
    let worn = random.range(-0.9, 0.1);
    for (index, pixel) in canvas.pixels.iter_mut().enumerate() {
        let point = at((index % width) as f32, (index / width) as f32);
        let edge = half - (point - middle).dot(across).abs() + wear[index] * 1.5;
        let cover = ramp(-0.7, 0.7, edge) * ramp(worn - 0.25, worn + 0.15, wear[index]);
        // The ground's own relief shows through the paint.
        let relief = 0.78 + 0.5 * (pixel[1] - 0.3);
        *pixel = blend(*pixel, times(paint, relief.clamp(0.6, 1.1)), cover * 0.93);
    }
    canvas
}
