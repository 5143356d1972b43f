//! Finds objects in photos with residual networks, and judges the result as pycocotools does.
//!
//! A ResNet feature extractor runs through ONNX Runtime and feeds the region proposal network and
//! box head of a Faster R-CNN. Checkpoints keep the arithmetic of the framework they come from.

/// The README's example, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod atomic;
pub mod cache;
pub mod checkpoint;
pub mod classify;
pub mod compare;
pub mod convert;
pub mod convolution;
pub mod detector;
pub mod draw;
pub mod family;
mod files;
pub mod geometry;
mod hash;
mod http;
pub mod memory;
pub mod model;
pub mod network;
pub mod once;
pub mod onnx;
pub mod photo;
pub mod quantize;
pub mod report;
pub mod run;
pub mod runtime;
mod within;
