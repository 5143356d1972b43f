//! The classes of debris and how each is drawn. Knows shapes and surfaces, nothing of scenes or files.
//!
//! Units: an object is about 1 long, its origin in its middle, its long side along x.

mod belongings;
mod fasteners;
mod loose;
mod parts;
mod tools;

use super::canvas::Colour;
use super::maths::{Point, at};
use super::paint::{Finish, PaintPart, PaintPattern, Thing};
use super::random::SceneRandom;
use super::shape::Shape;

/// A class of debris.
pub(super) struct DebrisKind {
    /// Its name in the annotations.
    pub(super) name: &'static str,
    /// Draws one, each time another.
    pub(super) make: fn(&mut SceneRandom) -> Thing,
    /// Usual pixels a unit, from small to large, as shares of the picture's shorter side.
    pub(super) size: (f32, f32),
}

const fn kind(name: &'static str, size: (f32, f32), make: fn(&mut SceneRandom) -> Thing) -> DebrisKind {
    DebrisKind { name, make, size }
}

/// All classes in the order of their ids, from 1. Names, ids and usual sizes are those of the runway debris
/// photographs that the bundled model learnt from.
pub(super) const KINDS: [DebrisKind; 31] = [
    kind("AdjustableClamp", (0.28, 0.45), parts::adjustable_clamp),
    kind("AdjustableWrench", (0.45, 0.85), tools::adjustable_wrench),
    kind("Battery", (0.13, 0.36), belongings::battery),
    kind("Bolt", (0.12, 0.42), fasteners::bolt),
    kind("BoltNutSet", (0.13, 0.36), fasteners::bolt_nut_set),
    kind("BoltWasher", (0.10, 0.26), fasteners::bolt_washer),
    kind("ClampPart", (0.22, 0.55), parts::clamp_part),
    kind("Cutter", (0.32, 0.75), tools::cutter),
    kind("FuelCap", (0.17, 0.48), parts::fuel_cap),
    kind("Hammer", (0.5, 0.95), tools::hammer),
    kind("Hose", (0.4, 0.75), parts::hose),
    kind("Label", (0.22, 0.55), belongings::label),
    kind("LuggagePart", (0.3, 0.8), belongings::luggage_part),
    kind("LuggageTag", (0.18, 0.55), belongings::luggage_tag),
    kind("MetalPart", (0.14, 0.38), parts::metal_part),
    kind("MetalSheet", (0.4, 0.7), parts::metal_sheet),
    kind("Nail", (0.08, 0.25), fasteners::nail),
    kind("Nut", (0.06, 0.2), fasteners::nut),
    kind("PaintChip", (0.3, 0.65), loose::paint_chip),
    kind("Pen", (0.25, 0.6), belongings::pen),
    kind("PlasticPart", (0.22, 0.6), parts::plastic_part),
    kind("Pliers", (0.25, 0.75), tools::pliers),
    kind("Rock", (0.12, 0.4), loose::rock),
    kind("Screw", (0.15, 0.5), fasteners::screw),
    kind("Screwdriver", (0.42, 0.8), tools::screwdriver),
    kind("SodaCan", (0.18, 0.46), belongings::soda_can),
    kind("Tape", (0.12, 0.36), belongings::tape),
    kind("Washer", (0.07, 0.36), fasteners::washer),
    kind("Wire", (0.35, 0.8), parts::wire),
    kind("Wood", (0.5, 0.9), loose::wood),
    kind("Wrench", (0.2, 0.6), tools::wrench),
];

const STEEL: Colour = [0.72, 0.73, 0.75];
const ZINC: Colour = [0.66, 0.71, 0.75];
const BRASS: Colour = [0.72, 0.63, 0.36];
const BLACK: Colour = [0.13, 0.13, 0.14];
const HOLE: Colour = [0.05, 0.05, 0.055];

/// A colour of the same kind, a little off.
fn near(random: &mut SceneRandom, colour: Colour, spread: f32) -> Colour {
    let level = 1.0 + spread * random.range(-1.0, 1.0);
    colour.map(|channel| (channel * level * (1.0 + 0.4 * spread * random.range(-1.0, 1.0))).clamp(0.02, 1.0))
}

/// The metal that small hardware is made of: bright, galvanised, brassy, blackened, or rusting.
fn metal(random: &mut SceneRandom) -> (Colour, PaintPattern) {
    let rust = PaintPattern::Blotches { size: 0.12, depth: 0.85, colour: [0.42, 0.24, 0.13] };
    let (colour, pattern) = match random.below(10) {
        0..3 => (STEEL, PaintPattern::Plain),
        3..5 => (ZINC, PaintPattern::Plain),
        5..8 => (BRASS, PaintPattern::Blotches { size: 0.3, depth: 0.35, colour: [0.4, 0.36, 0.22] }),
        8 => ([0.3, 0.31, 0.33], PaintPattern::Plain),
        _ => ([0.5, 0.4, 0.33], rust),
    };
    (near(random, colour, 0.07), pattern)
}

/// A rod of metal with a thread.
fn threaded(from: Point, to: Point, radius: f32, colour: Colour, pitch: f32) -> PaintPart {
    let half = at((to.x - from.x) / 2.0, radius);
    let shape = Shape::slab(at((from.x + to.x) / 2.0, from.y), half.x, half.y, radius * 0.3);
    let ridges = PaintPattern::Ridges { axis: 0.01, pitch, depth: 0.9 };
    PaintPart::new(shape, colour, Finish::Metal, radius).with(ridges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_their_ids_and_differ() {
        assert!(KINDS.windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    #[test]
    fn every_object_is_about_one_unit_and_lies_around_its_origin() {
        for kind in &KINDS {
            for seed in 0..40 {
                let thing = (kind.make)(&mut SceneRandom::new(seed));
                let bounds = Shape::Any(thing.parts.into_iter().map(|part| part.shape).collect()).bounds();
                let (wide, tall) = (bounds.1.x - bounds.0.x, bounds.1.y - bounds.0.y);
                let long = wide.max(tall);
                assert!((0.75..1.45).contains(&long), "{} of seed {seed} is {long} long", kind.name);
                let middle = (bounds.0 + bounds.1) * 0.5;
                assert!(middle.length() < 0.3, "{} of seed {seed} lies at {middle:?}", kind.name);
            }
        }
    }
}
