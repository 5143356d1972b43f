#![doc = include_str!("../README.md")]
// The README marks commands that need what is not everywhere: `sh needs=network`.
#![allow(rustdoc::invalid_codeblock_attributes)]
// Without all features, some functions that only these call are left over.
#![cfg_attr(not(feature = "cli"), allow(dead_code, unused_imports))]

/// The examples of docs/library.md, compiled.
#[cfg(doctest)]
#[doc = include_str!("../docs/library.md")]
struct Library;

mod clock;
mod facade;
mod files;
mod hash;
#[cfg(feature = "fetch")]
mod http;
mod loader;
mod within;

// The rooms behind the front: for the program, the tests and the benchmarks of this package. They are no part of the
// library's interface and change without notice.
#[doc(hidden)]
pub mod atomic;
#[doc(hidden)]
pub mod cache;
#[doc(hidden)]
pub mod checkpoint;
#[doc(hidden)]
pub mod classify;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod compare;
#[doc(hidden)]
#[cfg(feature = "convert")]
pub mod convert;
#[doc(hidden)]
pub mod convolution;
#[doc(hidden)]
pub mod detector;
#[doc(hidden)]
#[cfg(feature = "draw")]
pub mod draw;
#[doc(hidden)]
#[cfg(feature = "convert")]
pub mod export;
#[doc(hidden)]
pub mod family;
#[doc(hidden)]
pub mod geometry;
#[doc(hidden)]
pub mod memory;
#[doc(hidden)]
pub mod model;
#[doc(hidden)]
pub mod network;
#[doc(hidden)]
pub mod once;
#[doc(hidden)]
pub mod onnx;
#[doc(hidden)]
pub mod photo;
#[doc(hidden)]
#[cfg(feature = "quantize")]
pub mod quantize;
#[doc(hidden)]
#[cfg(feature = "report")]
pub mod report;
#[doc(hidden)]
pub mod run;
#[doc(hidden)]
pub mod runtime;

pub use detector::{Augment, Detector, MergeRule};
#[cfg(feature = "draw")]
pub use draw::{Fonts, Mark, annotate};
#[cfg(feature = "convert")]
pub use export::{ExportFormat, ExportOptions};
pub use facade::{
    Detection, DetectorBuilder, Error, Pending, PhotoDetections, PhotoInput, PhotoSource, Pipeline, Run,
    RunBuilder,
};
pub use family::Class;
pub use geometry::BBox;
pub use model::Model;
pub use photo::Photo;
pub use run::{Annotated, Event, Progress, Record, Shard};
pub use runtime::{Device, Precision, bring_runtime};
