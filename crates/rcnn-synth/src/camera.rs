//! What the light over the scene and the camera do to the finished picture. Knows no objects.

use super::canvas::{Canvas, Colour};
use super::maths::{Point, at, direction, mix, ramp};
use super::paint::Light;
use super::random::SceneRandom;

/// A camera and the weather of one scene.
#[derive(Clone, Debug)]
pub(super) struct Camera {
    pub(super) light: Light,
    tint: Colour,
    exposure: f32,
    /// A lamp: where, how wide as a share of the diagonal, and how dark the rest is; none in daylight.
    spot: Option<(Point, f32, f32)>,
    vignette: f32,
    /// Brighter on one side: the way and the amount.
    slope: (Point, f32),
    blur: f32,
    noise: f32,
    contrast: f32,
}

impl Camera {
    pub(super) fn any(random: &mut SceneRandom) -> Camera {
        let sunny = random.chance(0.4);
        let light = Light {
            from: random.unit(),
            height: random.range(0.45, 0.85),
            direct: if sunny { random.range(0.75, 1.0) } else { random.range(0.1, 0.5) },
        };
        let warmth = random.range(-0.05, 0.06) + if sunny { 0.02 } else { 0.0 };
        let lamp = !sunny && random.chance(0.35);
        Camera {
            light,
            tint: [1.0 + warmth, 1.0, 1.0 - 1.2 * warmth],
            exposure: random.range(0.96, 1.2),
            spot: lamp.then(|| {
                let place = at(random.range(0.3, 0.7), random.range(0.3, 0.7));
                (place, random.range(0.5, 0.9), random.range(0.45, 0.75))
            }),
            vignette: random.range(0.0, 0.22),
            slope: (direction(random.unit()), random.range(0.0, 0.1)),
            blur: random.range(0.5, 1.2),
            noise: if lamp { random.range(0.006, 0.025) } else { random.range(0.002, 0.012) },
            contrast: random.range(0.95, 1.1),
        }
    }

    /// Light, lens, sensor: to 8 bits a channel.
    pub(super) fn take(&self, mut canvas: Canvas, random: &mut SceneRandom) -> Vec<u8> {
        canvas.blur(self.blur);
        let (width, height) = (canvas.width as f32, canvas.height as f32);
        let diagonal = (width * width + height * height).sqrt();
        let mut bytes = Vec::with_capacity(3 * canvas.pixels.len());
        for (index, pixel) in canvas.pixels.iter().enumerate() {
            let place = at((index % canvas.width) as f32, (index / canvas.width) as f32);
            let off = (place - at(width, height) * 0.5) * (1.0 / diagonal);
            let mut level = self.exposure * (1.0 + self.slope.1 * 2.0 * off.dot(self.slope.0));
            level *= 1.0 - self.vignette * 4.0 * off.dot(off);
            if let Some((centre, wide, dark)) = self.spot {
                let far = (place - at(centre.x * width, centre.y * height)).length() / (diagonal * wide);
                level *= mix(1.15, dark, ramp(0.0, 1.0, far));
            }
            // Bright pixels are noisier, as more light counts more photons; colour noise is weaker.
            let strength = self.noise * (0.6 + 0.6 * pixel[1]);
            let common = random.bell() * strength;
            for (value, tint) in pixel.iter().zip(self.tint) {
                let lit = (value * level * tint - 0.45) * self.contrast + 0.45;
                let noisy = shoulder(lit) + common + random.bell() * strength * 0.45;
                bytes.push((noisy * 255.0 + 0.5).clamp(0.0, 255.0) as u8);
            }
        }
        bytes
    }
}

/// Highlights bend towards white instead of clipping at once.
fn shoulder(value: f32) -> f32 {
    if value <= 0.8 {
        return value;
    }
    let over = value - 0.8;
    0.8 + 0.2 * over / (over + 0.2) * 1.35
}

/// Reflections of lamps in a sealed floor.
pub(super) fn glare(canvas: &mut Canvas, random: &mut SceneRandom) {
    let (width, height) = (canvas.width as f32, canvas.height as f32);
    for _ in 0..1 + random.below(2) {
        let centre = at(random.unit() * width, random.unit() * height);
        let (wide, tall) = (width * random.range(0.12, 0.35), height * random.range(0.15, 0.5));
        let strength = random.range(0.15, 0.5);
        for (index, pixel) in canvas.pixels.iter_mut().enumerate() {
            let way = at((index % canvas.width) as f32, (index / canvas.width) as f32) - centre;
            let rest = (1.0 - (way.x * way.x) / (wide * wide) - (way.y * way.y) / (tall * tall)).max(0.0);
            let cover = strength * rest * rest;
            for channel in pixel {
                *channel += (0.98 - *channel) * cover;
            }
        }
    }
}
