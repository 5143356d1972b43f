//! One scene from its seed: ground, objects, light, camera, and where the objects are. Knows no files.

use image::RgbImage;

use super::camera::{Camera, glare};
use super::canvas::{Canvas, Coverage, blend, times};
use super::ground::Ground;
use super::maths::{at, direction, mix};
use super::objects::KINDS;
use super::paint::{Light, Patch, Pose, Thing, paint};
use super::random::SceneRandom;
use super::wear::{age, outside_shadow};

/// A rendered scene.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scene {
    /// The picture.
    pub picture: RgbImage,
    /// What is in it, from the bottom up.
    pub objects: Vec<SceneObject>,
}

/// One object of a scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SceneObject {
    /// Its class: an index into [`classes`](super::classes); its id in the annotations is one more.
    pub class: usize,
    /// Left edge of its silhouette in whole pixels.
    pub x: u32,
    /// Upper edge.
    pub y: u32,
    /// Width, at least 1.
    pub width: u32,
    /// Height, at least 1.
    pub height: u32,
}

/// An object painted but not yet in the picture.
struct PaintedObject {
    class: usize,
    patch: Patch,
    shadow: Coverage,
}

/// A pixel belongs to a silhouette from this cover up.
const COVERED: f32 = 0.5;
/// An object of which less than this share shows (the rest under others or outside) is taken out again.
const LEAST_SEEN: f32 = 0.5;
/// An object with fewer visible pixels than this is taken out again.
const LEAST_PIXELS: usize = 20;

/// How many objects are laid into a scene, before those are taken out that hardly show: any number from `least` to
/// `most`, each as often as the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectCount {
    /// The least.
    pub least: u32,
    /// The most. A smaller one than `least` counts as that.
    pub most: u32,
}

/// Renders a scene of a size in pixels (at least 1 x 1), of one to four objects where `objects` does not say how many.
/// The same arguments give the same scene everywhere.
pub fn render(seed: u64, width: u32, height: u32, objects: Option<ObjectCount>) -> Scene {
    let random = SceneRandom::new(seed);
    let camera = Camera::any(&mut random.fork(1));
    let ground = Ground::any(&mut random.fork(2));
    let (wide, tall) = (width as usize, height as usize);
    let mut canvas = ground.lay(wide, tall, &mut random.fork(3));
    age(&mut canvas, ground, &mut random.fork(4));
    if ground == Ground::Floor {
        glare(&mut canvas, &mut random.fork(5));
    }
    let placed = place(&camera.light, wide, tall, objects, &mut random.fork(6));
    let objects = placed.iter().filter_map(|placed| outline(placed, wide, tall)).collect();
    for placed in &placed {
        darken(&mut canvas, &placed.shadow, camera.light.direct);
        lay_on(&mut canvas, &placed.patch);
    }
    let mut outside = random.fork(7);
    if outside.chance(0.2 * camera.light.direct) {
        let mut mask = outside_shadow(wide, tall, &mut outside);
        mask.soften(1 + outside.below(3));
        darken(&mut canvas, &mask, camera.light.direct);
    }
    let pixels = camera.take(canvas, &mut random.fork(8));
    let picture = RgbImage::from_raw(width, height, pixels).unwrap_or_default();
    Scene { picture, objects }
}

/// How large the objects are drawn that share a picture with others: as from farther away.
fn crowding(count: u32) -> f32 {
    match count {
        0..=4 => 1.0 - 0.1 * count.saturating_sub(1) as f32,
        _ => 0.7 * (4.0 / count as f32).sqrt(),
    }
}

/// Chooses and paints the objects, and takes out those that hardly show.
fn place(
    light: &Light,
    width: usize,
    height: usize,
    objects: Option<ObjectCount>,
    random: &mut SceneRandom,
) -> Vec<PaintedObject> {
    let count = match objects {
        None => random.pick(&[1, 1, 1, 1, 1, 2, 2, 2, 3, 4]),
        Some(ObjectCount { least, most }) => {
            least + random.below(most.saturating_sub(least) as usize + 1) as u32
        }
    };
    // One camera sees the whole scene at one slant.
    let squash = random.range(0.68, 1.0);
    let mut placed: Vec<PaintedObject> = Vec::new();
    for index in 0..count {
        let mut random = random.fork(index.into());
        let class = random.below(KINDS.len());
        let kind = &KINDS[class];
        let thing = (kind.make)(&mut random);
        let side = width.min(height) as f32;
        let scale = side * mix(kind.size.0, kind.size.1, random.unit()) * crowding(count);
        let pose = Pose {
            centre: at(random.range(0.14, 0.86) * width as f32, random.range(0.14, 0.86) * height as f32),
            scale: scale.max(2.0),
            turn: random.unit(),
            flip: random.chance(0.5),
            squash,
        };
        let patch = paint(&thing, &pose, light, random.bits() as u32);
        let shadow = cast(&thing, &pose, &patch.mask, light);
        placed.push(PaintedObject { class, patch, shadow });
    }
    drop_hidden(&mut placed, width as i32, height as i32);
    placed
}

/// Takes out objects that are mostly hidden or outside. What lies on top is judged first, so that nothing goes for
/// the sake of an object that goes itself.
fn drop_hidden(placed: &mut Vec<PaintedObject>, width: i32, height: i32) {
    for index in (0..placed.len()).rev() {
        let mask = &placed[index].patch.mask;
        let (mut whole, mut seen) = (0usize, 0usize);
        for (at, cover) in mask.cover.iter().enumerate() {
            if *cover < COVERED {
                continue;
            }
            whole += 1;
            let (x, y) = (mask.left + (at % mask.width) as i32, mask.top + (at / mask.width) as i32);
            let inside = x >= 0 && y >= 0 && x < width && y < height;
            let hidden = placed[index + 1..].iter().any(|above| above.patch.mask.get(x, y) >= COVERED);
            seen += usize::from(inside && !hidden);
        }
        if seen < LEAST_PIXELS || (seen as f32) < LEAST_SEEN * whole as f32 {
            placed.remove(index);
        }
    }
}

/// The rectangle around a silhouette, hidden parts included, cut at the picture's edges.
fn outline(placed: &PaintedObject, width: usize, height: usize) -> Option<SceneObject> {
    let mask = &placed.patch.mask;
    let (mut x1, mut y1, mut x2, mut y2) = (i32::MAX, i32::MAX, i32::MIN, i32::MIN);
    for (at, _) in mask.cover.iter().enumerate().filter(|(_, cover)| **cover >= COVERED) {
        let (x, y) = (mask.left + (at % mask.width) as i32, mask.top + (at / mask.width) as i32);
        (x1, y1, x2, y2) = (x1.min(x), y1.min(y), x2.max(x + 1), y2.max(y + 1));
    }
    let (x1, y1) = (x1.max(0), y1.max(0));
    let (x2, y2) = (x2.min(width as i32), y2.min(height as i32));
    (x2 > x1 && y2 > y1).then(|| SceneObject {
        class: placed.class,
        x: x1 as u32,
        y: y1 as u32,
        width: (x2 - x1) as u32,
        height: (y2 - y1) as u32,
    })
}

/// An object's shadow on the ground: its silhouette drawn out away from the light, softer under a dull sky.
fn cast(thing: &Thing, pose: &Pose, mask: &Coverage, light: &Light) -> Coverage {
    let height = thing.height * pose.scale;
    let level = (1.0 - light.height * light.height).max(0.0).sqrt() / light.height.max(0.2);
    let long = (height * level * mix(0.4, 0.9, light.direct)).min(mask.width.max(mask.height) as f32);
    let away = direction(light.from) * -long;
    let reach = (mix(0.35, 0.06, light.direct) * height).clamp(0.0, 12.0).round() as usize + 1;
    let mut shadow = mask.sweep(at(away.x, away.y * pose.squash), 0.25, 2 * reach as i32 + 1);
    shadow.soften(reach);
    shadow
}

/// Darkens what lies in a shadow; sunlight casts deeper and bluer ones.
fn darken(canvas: &mut Canvas, shadow: &Coverage, direct: f32) {
    let depth = mix(0.42, 0.72, direct);
    for (index, cover) in shadow.cover.iter().enumerate() {
        let x = shadow.left + (index % shadow.width) as i32;
        let y = shadow.top + (index / shadow.width) as i32;
        if *cover > 0.0 && x >= 0 && y >= 0 && (x as usize) < canvas.width && (y as usize) < canvas.height {
            let pixel = &mut canvas.pixels[y as usize * canvas.width + x as usize];
            let dark = times(*pixel, 1.0 - depth * cover);
            *pixel = [dark[0], dark[1], dark[2] * (1.0 + 0.08 * direct * cover)];
        }
    }
}

fn lay_on(canvas: &mut Canvas, patch: &Patch) {
    let mask = &patch.mask;
    for (index, (cover, colour)) in mask.cover.iter().zip(&patch.colours).enumerate() {
        let x = mask.left + (index % mask.width) as i32;
        let y = mask.top + (index / mask.width) as i32;
        if *cover > 0.0 && x >= 0 && y >= 0 && (x as usize) < canvas.width && (y as usize) < canvas.height {
            let pixel = &mut canvas.pixels[y as usize * canvas.width + x as usize];
            *pixel = blend(*pixel, *colour, *cover);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A full square of this side with its corner here.
    fn square(left: i32, top: i32, side: usize) -> PaintedObject {
        let mut mask = Coverage::new(left, top, side, side);
        mask.cover.fill(1.0);
        let patch = Patch { mask, colours: vec![[0.5; 3]; side * side] };
        PaintedObject { class: 0, patch, shadow: Coverage::new(0, 0, 0, 0) }
    }

    fn left(mut placed: Vec<PaintedObject>) -> Vec<i32> {
        drop_hidden(&mut placed, 100, 100);
        placed.iter().map(|placed| placed.patch.mask.left).collect()
    }

    #[test]
    fn a_box_is_the_silhouette_cut_at_the_picture() {
        let mut placed = square(-4, 90, 20);
        // A faint column on the right is not part of it.
        for row in placed.patch.mask.cover.chunks_mut(20) {
            row[19] = 0.49;
        }
        let expected = SceneObject { class: 0, x: 0, y: 90, width: 15, height: 10 };
        assert_eq!(outline(&placed, 100, 100), Some(expected));
        assert_eq!(outline(&square(200, 0, 20), 100, 100), None);
    }

    #[test]
    fn what_hardly_shows_is_taken_out() {
        assert_eq!(left(vec![square(10, 10, 10), square(12, 11, 20)]), [12], "hidden");
        assert_eq!(left(vec![square(10, 10, 10), square(16, 10, 10)]), [10, 16], "60 of 100 pixels show");
        assert_eq!(left(vec![square(-8, 10, 10)]), [0; 0], "outside");
        assert_eq!(left(vec![square(10, 10, 4)]), [0; 0], "16 pixels");
    }

    #[test]
    fn what_goes_itself_hides_nothing() {
        // The last lies outside by 21 of 40 columns and goes; the first, under it, then shows whole.
        assert_eq!(left(vec![square(0, 40, 19), square(-21, 30, 40)]), [0]);
    }
}
