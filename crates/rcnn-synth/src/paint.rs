//! From an object's parts to its pixels: placing, covering, shading. Knows no object and no ground.

use super::canvas::{Colour, Coverage, blend, times};
use super::field::noise_at;
use super::maths::{Point, at, direction, mix, ramp, sine};
use super::shape::{Near, Shape, high, low};

/// What a part's surface does with light.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Finish {
    /// Rubber, paper, stone, rust.
    Matt,
    /// Plastic and paint: a highlight.
    Gloss,
    /// Bare metal: mirrors bright sky and dark ground.
    Metal,
}

/// What varies over a part's surface, in the object's own units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum PaintPattern {
    /// Nothing.
    Plain,
    /// Ridges across an axis (an angle in full turns) at this pitch: threads, ribs.
    Ridges { axis: f32, pitch: f32, depth: f32 },
    /// Blotches of this size towards another colour: rust, dirt, stone.
    Blotches { size: f32, depth: f32, colour: Colour },
    /// Streaks along an axis: brushed metal, wood, bark.
    Streaks { axis: f32, size: f32, depth: f32 },
}

/// One part of an object; later parts lie over earlier ones.
#[derive(Clone, Debug)]
pub(super) struct PaintPart {
    pub(super) shape: Shape,
    pub(super) colour: Colour,
    pub(super) finish: Finish,
    /// Over how much of the inside the surface falls off towards the edge, in the object's units: the radius
    /// for a rod or a ball, little for a plate.
    pub(super) bevel: f32,
    pub(super) pattern: PaintPattern,
}

impl PaintPart {
    /// A part with nothing on it.
    pub(super) fn new(shape: Shape, colour: Colour, finish: Finish, bevel: f32) -> PaintPart {
        PaintPart { shape, colour, finish, bevel, pattern: PaintPattern::Plain }
    }

    /// The part with a pattern.
    pub(super) fn with(mut self, pattern: PaintPattern) -> PaintPart {
        self.pattern = pattern;
        self
    }
}

/// An object as flat parts, about 1 unit long, and what makes it stand up from the ground.
#[derive(Clone, Debug)]
pub(super) struct Thing {
    pub(super) parts: Vec<PaintPart>,
    /// Height of the upper face above the ground, in the object's units: its wall shows when seen at a slant.
    pub(super) wall: f32,
    /// Height that casts the shadow, in the object's units.
    pub(super) height: f32,
}

/// How an object lies in the picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pose {
    /// Where the object's origin is, in pixels.
    pub(super) centre: Point,
    /// Pixels a unit.
    pub(super) scale: f32,
    /// Which way its own right points, in full turns.
    pub(super) turn: f32,
    /// Mirrored.
    pub(super) flip: bool,
    /// How much the slanted view shortens the picture's vertical, from 0.6 to 1.
    pub(super) squash: f32,
}

impl Pose {
    fn place(&self, point: Point) -> Point {
        let point = if self.flip { at(point.x, -point.y) } else { point };
        let turned = point.turn(self.turn) * self.scale;
        self.centre + at(turned.x, turned.y * self.squash)
    }

    fn unplace(&self, pixel: Point) -> Point {
        let way = pixel - self.centre;
        let point = at(way.x, way.y / self.squash).turn(-self.turn) * (1.0 / self.scale);
        if self.flip { at(point.x, -point.y) } else { point }
    }

    /// A direction on the object as a direction in the picture.
    fn aim(&self, way: Point) -> Point {
        if self.flip { at(way.x, -way.y).turn(self.turn) } else { way.turn(self.turn) }
    }
}

/// The light of a scene.
#[derive(Clone, Copy, Debug)]
pub(super) struct Light {
    /// Where it comes from over the picture, in full turns.
    pub(super) from: f32,
    /// Its height: 0 at the horizon, 1 overhead.
    pub(super) height: f32,
    /// How much comes straight from it, from 0 (overcast) to 1 (sun).
    pub(super) direct: f32,
}

/// An object's pixels before they are put on the ground.
#[derive(Clone, Debug)]
pub(super) struct Patch {
    pub(super) mask: Coverage,
    pub(super) colours: Vec<Colour>,
}

/// Paints an object into a patch of its own.
pub(super) fn paint(thing: &Thing, pose: &Pose, light: &Light, seed: u32) -> Patch {
    let mut patch = blank(thing, pose);
    for part in &thing.parts {
        paint_part(&mut patch, part, pose, light, seed);
    }
    // Seen at a slant, an upper face is shifted up the picture and its wall shows below it.
    let slant = (1.0 - pose.squash * pose.squash).max(0.0).sqrt();
    let rise = thing.wall * pose.scale * slant;
    if rise >= 0.75 { add_wall(&patch, rise, light) } else { patch }
}

fn blank(thing: &Thing, pose: &Pose) -> Patch {
    let corners = thing.parts.iter().flat_map(|part| {
        let (a, b) = part.shape.bounds();
        [a, at(b.x, a.y), b, at(a.x, b.y)].map(|corner| pose.place(corner))
    });
    let far = (at(f32::INFINITY, f32::INFINITY), at(f32::NEG_INFINITY, f32::NEG_INFINITY));
    let (least, most) = corners.fold(far, |(a, b), corner| (low(a, corner), high(b, corner)));
    let (left, top) = (least.x.floor() as i32 - 1, least.y.floor() as i32 - 1);
    let width = (most.x.floor() as i32 + 2 - left).clamp(1, 8192) as usize;
    let height = (most.y.floor() as i32 + 2 - top).clamp(1, 8192) as usize;
    Patch { mask: Coverage::new(left, top, width, height), colours: vec![[0.0; 3]; width * height] }
}

fn paint_part(patch: &mut Patch, part: &PaintPart, pose: &Pose, light: &Light, seed: u32) {
    let (a, b) = part.shape.bounds();
    let corners = [a, at(b.x, a.y), b, at(a.x, b.y)].map(|corner| pose.place(corner));
    let least = corners.iter().fold(corners[0], |corner, &other| low(corner, other));
    let most = corners.iter().fold(corners[0], |corner, &other| high(corner, other));
    let span = |low: f32, high: f32, start: i32, count: usize| {
        let from = (low.floor() as i32 - 1 - start).clamp(0, count as i32) as usize;
        from..(high.floor() as i32 + 2 - start).clamp(0, count as i32) as usize
    };
    let (left, top) = (patch.mask.left, patch.mask.top);
    // Pixels a unit for the width of the edge: between those along and across the slant.
    let sharp = pose.scale * (1.0 + pose.squash) / 2.0;
    for row in span(least.y, most.y, top, patch.mask.height) {
        for column in span(least.x, most.x, left, patch.mask.width) {
            let pixel = at((left + column as i32) as f32 + 0.5, (top + row as i32) as f32 + 0.5);
            let point = pose.unplace(pixel);
            let near = part.shape.near(point);
            let cover = (0.5 - near.distance * sharp).clamp(0.0, 1.0);
            if cover > 0.0 {
                let index = row * patch.mask.width + column;
                let colour = shade(part, point, near, pose, light, seed);
                let under = patch.mask.cover[index];
                let over = cover + under * (1.0 - cover);
                patch.colours[index] = blend(patch.colours[index], colour, cover / over);
                patch.mask.cover[index] = over;
            }
        }
    }
}

/// The colour of a part at a point of it.
fn shade(part: &PaintPart, point: Point, near: Near, pose: &Pose, light: &Light, seed: u32) -> Colour {
    let depth = (-near.distance).max(0.0);
    let mut lean = near.out * (0.96 * (1.0 - depth / part.bevel.max(1e-4)).clamp(0.0, 1.0));
    let mut colour = part.colour;
    match part.pattern {
        PaintPattern::Plain => {}
        PaintPattern::Ridges { axis, pitch, depth } => {
            let axis = direction(axis);
            let phase = point.dot(axis) / pitch;
            // Ridges finer than a pixel blur into their mean, or they would flicker into moiré.
            let depth = depth * ramp(1.2, 3.0, pitch * pose.scale);
            lean = lean * (1.0 - 0.5 * depth) + axis * (0.75 * depth * sine(phase));
            colour = times(colour, 1.0 - depth * 0.35 * (1.0 - sine(phase + 0.25)));
        }
        PaintPattern::Blotches { size, depth, colour: other } => {
            let coarse = noise_at(point * (1.0 / size), seed);
            let fine = noise_at(point * (2.7 / size), seed.wrapping_add(1));
            colour = blend(colour, other, (depth * (0.5 + 0.55 * coarse + 0.35 * fine)).clamp(0.0, 1.0));
            lean = lean + at(fine, coarse) * (0.25 * depth);
        }
        PaintPattern::Streaks { axis, size, depth } => {
            let axis = direction(axis);
            let along = at(point.dot(axis) / (9.0 * size), point.dot(axis.across()) / size);
            let streak = noise_at(along, seed) + 0.6 * noise_at(along * 2.3, seed.wrapping_add(1));
            colour = times(colour, 1.0 + depth * streak);
            lean = lean + axis.across() * (0.3 * depth * streak);
        }
    }
    let lean = pose.aim(lean);
    let flat = lean.dot(lean).min(0.98);
    let up = (1.0 - flat).sqrt();
    let level = (1.0 - light.height * light.height).max(0.0).sqrt();
    let sun = direction(light.from);
    let facing = lean.dot(sun) * level + up * light.height;
    let diffuse = mix(0.42 + 0.5 * up, 0.42 + 0.72 * facing.max(0.0), light.direct * 0.75);
    // Half way between the light and the eye, which looks straight down.
    let half = facing + up;
    let gleam = half / (2.0 + 2.0 * light.height).sqrt();
    match part.finish {
        Finish::Matt => times(colour, diffuse),
        Finish::Gloss => {
            let shine = power(gleam, 5) * mix(0.12, 0.5, light.direct);
            blend(times(colour, diffuse), [1.0; 3], shine.min(0.9))
        }
        Finish::Metal => {
            // A mirror of a scene with bright sky around the light, a dim rim, and a glare drifting over flat faces.
            let drift =
                0.5 + 0.5 * sine(0.9 * point.dot(sun.turn(-pose.turn)) + noise_at(point * 1.7, seed) * 0.15);
            let sky =
                0.34 + 0.5 * ramp(-0.35, 0.95, facing) + 0.26 * drift * up - 0.22 * ramp(0.5, 0.95, flat);
            let shine = power(gleam, 6) * mix(0.2, 0.7, light.direct);
            blend(times(colour, sky * 1.12), [1.0; 3], shine.min(0.95))
        }
    }
}

/// A number below 1 to the power of two to this, by squaring.
fn power(value: f32, doublings: usize) -> f32 {
    (0..doublings).fold(value.clamp(0.0, 1.0), |value, _| value * value)
}

/// The patch with its face raised and the wall below it, darker than the face at its edge.
fn add_wall(face: &Patch, rise: f32, light: &Light) -> Patch {
    let lift = rise.round() as i32;
    let mask = &face.mask;
    let (width, height) = (mask.width, mask.height + lift as usize);
    let mut raised = Patch {
        mask: Coverage::new(mask.left, mask.top - lift, width, height),
        colours: vec![[0.0; 3]; width * height],
    };
    // The wall faces down the picture: lit when the light comes from there.
    let lit = 0.42 + 0.25 * direction(light.from).y.max(0.0) * light.direct;
    for step in (0..=lift as usize).rev() {
        for row in 0..mask.height {
            for column in 0..width {
                let from = row * width + column;
                let cover = mask.cover[from];
                if cover > 0.0 {
                    let to = (row + step) * width + column;
                    let colour = if step == 0 { face.colours[from] } else { times(face.colours[from], lit) };
                    let under = raised.mask.cover[to];
                    let over = cover + under * (1.0 - cover);
                    raised.colours[to] = blend(raised.colours[to], colour, cover / over);
                    raised.mask.cover[to] = over;
                }
            }
        }
    }
    raised
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ball() -> Thing {
        let part = PaintPart::new(Shape::disc(at(0.0, 0.0), 0.5), [0.5; 3], Finish::Matt, 0.5);
        Thing { parts: vec![part], wall: 0.2, height: 0.5 }
    }

    fn pose(squash: f32) -> Pose {
        Pose { centre: at(50.0, 40.0), scale: 20.0, turn: 0.1, flip: false, squash }
    }

    const LIGHT: Light = Light { from: 0.0, height: 0.6, direct: 1.0 };

    #[test]
    fn a_disc_covers_its_area_and_is_bright_towards_the_light() {
        let patch = paint(&ball(), &pose(1.0), &LIGHT, 1);
        let area: f32 = patch.mask.cover.iter().sum();
        assert!((area - 314.16).abs() < 3.0, "{area}");
        let colour = |x: i32, y: i32| {
            patch.colours[(y - patch.mask.top) as usize * patch.mask.width + (x - patch.mask.left) as usize]
                [0]
        };
        assert!(colour(56, 40) > colour(43, 40));
    }

    #[test]
    fn a_wall_shows_only_at_a_slant() {
        let tall = |squash: f32| {
            let mask = paint(&ball(), &pose(squash), &LIGHT, 1).mask;
            let rows =
                mask.cover.chunks(mask.width).filter(|row| row.iter().any(|&cover| cover > 0.5)).count();
            rows as f32
        };
        assert!((tall(1.0) - 20.0).abs() <= 1.0);
        assert!(tall(0.7) > 15.5, "14 of the face and 3 of the wall");
    }

    #[test]
    fn placing_is_undone_by_unplacing() {
        let pose = Pose { flip: true, ..pose(0.7) };
        let back = pose.unplace(pose.place(at(0.3, -0.2)));
        assert!((back - at(0.3, -0.2)).length() < 1e-5);
    }
}
