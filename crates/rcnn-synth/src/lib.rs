#![doc = include_str!("../README.md")]
//!
//! Rendered scenes of runway debris with exact annotations, for trying things out and for tests without photographs.
//!
//! Knows no network and no detector. A scene depends on its seed, size and number of objects alone: every number is made by whole-number
//! arithmetic or by float32 operations that IEEE 754 fixes to the last bit, so it is the same on every machine and
//! with any number of threads.
//!
//! A box holds the full silhouette of its object, also where another object lies on top, cut at the picture's edges.
//! Objects of which less than half shows are taken out of the scene before it is painted, so whatever is in the
//! picture is in the annotations. Shadows are not part of a silhouette.

mod camera;
mod canvas;
mod field;
mod ground;
mod maths;
mod objects;
mod paint;
mod random;
mod scene;
mod shape;
mod wear;
mod write;

pub use scene::{ObjectCount, Scene, SceneObject, render};
pub use write::{PictureFormat, RenderOptions, RenderedFiles, SceneError, scene, write};

/// Names of the classes; the id in annotations is the index plus one.
pub fn classes() -> impl ExactSizeIterator<Item = &'static str> {
    objects::KINDS.iter().map(|kind| kind.name)
}
