//! What happened to the ground: stains, wet patches, cracks, joints, skid marks, shadows from outside the picture.

use super::canvas::{Canvas, Colour, Coverage, blend, times};
use super::field::clouds;
use super::ground::{Ground, dab};
use super::maths::{Point, at, direction, ramp};
use super::random::SceneRandom;

/// Ages the ground, each kind of wear with its own chance.
pub(super) fn age(canvas: &mut Canvas, ground: Ground, random: &mut SceneRandom) {
    // A clean, pale floor shows little of it.
    let often = if ground == Ground::Cream { 0.3 } else { 1.0 };
    if random.chance(0.5 * often) {
        stain(canvas, random);
    }
    if random.chance(0.15 * often) {
        wet(canvas, random);
    }
    if random.chance(0.25 * often) {
        skid(canvas, random);
    }
    if random.chance(0.12 * often) && ground != Ground::Brick {
        joint(canvas, random);
    }
    if random.chance(0.2 * often) {
        for _ in 0..1 + random.below(3) {
            crack(canvas, random);
        }
    }
}

/// Oil, rust or soil: an uneven patch that lets the ground show through.
fn stain(canvas: &mut Canvas, random: &mut SceneRandom) {
    let colour: Colour =
        random.pick(&[[0.62, 0.52, 0.4], [0.5, 0.46, 0.42], [0.75, 0.62, 0.48], [0.45, 0.43, 0.42]]);
    let shape = clouds(canvas.width, canvas.height, random.range(40.0, 140.0), 5, 0.6, random);
    let start = random.range(0.1, 0.8);
    let strength = random.range(0.15, 0.6);
    for (pixel, value) in canvas.pixels.iter_mut().zip(&shape) {
        let cover = ramp(start, start + 0.5, *value) * strength;
        let stained = [pixel[0] * colour[0], pixel[1] * colour[1], pixel[2] * colour[2]];
        *pixel = blend(*pixel, times(stained, 1.35), cover);
    }
}

/// Water: darker, smoother, with a sky in it.
fn wet(canvas: &mut Canvas, random: &mut SceneRandom) {
    let shape = clouds(canvas.width, canvas.height, random.range(70.0, 180.0), 4, 0.45, random);
    let start = random.range(0.0, 0.6);
    let shine = clouds(canvas.width, canvas.height, 60.0, 3, 0.5, random);
    let sky = random.range(0.0, 0.2);
    for ((pixel, value), shine) in canvas.pixels.iter_mut().zip(&shape).zip(&shine) {
        let cover = ramp(start, start + 0.3, *value);
        let mirror = sky * ramp(0.2, 1.0, *shine);
        *pixel = blend(*pixel, blend(times(*pixel, 0.78), [0.75, 0.8, 0.86], mirror), cover);
    }
}

/// A dark band that a tyre left.
fn skid(canvas: &mut Canvas, random: &mut SceneRandom) {
    let across = direction(random.unit());
    let side = canvas.width.min(canvas.height) as f32;
    let middle = at(random.unit() * canvas.width as f32, random.unit() * canvas.height as f32);
    let half = side * random.range(0.06, 0.2);
    let strength = random.range(0.06, 0.22);
    let patchy = clouds(canvas.width, canvas.height, 9.0, 3, 0.7, random);
    for (index, pixel) in canvas.pixels.iter_mut().enumerate() {
        let point = at((index % canvas.width) as f32, (index / canvas.width) as f32);
        let edge = 1.0 - (point - middle).dot(across).abs() / half;
        let cover = ramp(0.0, 0.5, edge) * (0.7 + 0.4 * patchy[index]).clamp(0.0, 1.0);
        *pixel = times(*pixel, 1.0 - strength * cover);
    }
}

/// A straight joint between two slabs, with a lighter lip.
fn joint(canvas: &mut Canvas, random: &mut SceneRandom) {
    let across = direction(random.unit());
    let middle = at(random.unit() * canvas.width as f32, random.unit() * canvas.height as f32);
    let half = random.range(1.0, 3.5);
    for (index, pixel) in canvas.pixels.iter_mut().enumerate() {
        let point = at((index % canvas.width) as f32, (index / canvas.width) as f32);
        let edge = half - (point - middle).dot(across).abs();
        let lip = ramp(-2.5, -0.5, edge) * 0.12;
        *pixel = times(*pixel, (1.0 + lip) * (1.0 - 0.45 * ramp(-0.8, 0.8, edge)));
    }
}

/// A crack that wanders and thins out.
fn crack(canvas: &mut Canvas, random: &mut SceneRandom) {
    let mut point = at(random.unit() * canvas.width as f32, random.unit() * canvas.height as f32);
    let mut way = random.unit();
    let mut wide = random.range(0.2, 0.8);
    let steps = 15 + random.below(60);
    for _ in 0..steps {
        let step = direction(way) * 2.2;
        dab(canvas, point, wide + 2.5, |from| {
            let along = (from.dot(step) / step.dot(step)).clamp(0.0, 1.0);
            let distance = (from - step * along).length();
            ([0.1, 0.095, 0.09], (wide - distance + 0.5).clamp(0.0, 1.0) * 0.45)
        });
        point = point + step;
        way += random.range(-0.045, 0.045);
        wide *= 0.985;
    }
}

/// 1 at 0, 0 from 1 on, round on top and at the foot.
fn hill(x: f32) -> f32 {
    let rest = (1.0 - x * x).max(0.0);
    rest * rest
}

/// The shadow of somebody or something outside, over a corner or an edge.
pub(super) fn outside_shadow(width: usize, height: usize, random: &mut SceneRandom) -> Coverage {
    // Larger than the picture, or softening would brighten its border.
    const ROOM: usize = 12;
    let (wide, tall) = (width + 2 * ROOM, height + 2 * ROOM);
    let mut mask = Coverage::new(-(ROOM as i32), -(ROOM as i32), wide, tall);
    let inward = direction(random.unit());
    let centre = at(wide as f32, tall as f32) * 0.5;
    let side = width.min(height) as f32;
    let start = side * random.range(0.4, 0.6);
    let bumps: Vec<(f32, f32, f32)> = (0..3)
        .map(|_| {
            (random.range(-0.6, 0.6) * side, random.range(0.15, 0.4) * side, random.range(0.0, 0.2) * side)
        })
        .collect();
    for (index, cover) in mask.cover.iter_mut().enumerate() {
        let way: Point = at((index % wide) as f32, (index / wide) as f32) - centre;
        let along = way.dot(inward.across());
        let bump: f32 = bumps.iter().map(|(place, wide, tall)| tall * hill((along - place) / wide)).sum();
        *cover = ramp(-4.0, 4.0, way.dot(inward) - start + bump);
    }
    mask
}
