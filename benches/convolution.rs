//! How quick the convolution kernels are, by layers of a ResNet-50-FPN at 800 pixels.
//!
//!     cargo bench --bench convolution [-- THREADS]
//!
//! In billions of floating-point operations a second of the convolution as it is defined, two for each product, of which
//! Winograd's kernel does a quarter. The best of many calls counts.
#![allow(clippy::print_stdout)] // A program of its own, for whoever reads along.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use rcnn::internal::convolution::pointwise::{self, PointwiseFilter};
use rcnn::internal::convolution::winograd::{self, WinogradFilter};
use rcnn::internal::convolution::{BatchSize, ConvolutionLayer};
use support::{Outcome, best};

/// Inputs, outputs, side of the kernel, height and width of the map; all of stride 1.
const LAYERS: [[usize; 5]; 9] = [
    [64, 256, 1, 200, 272],
    [256, 64, 1, 200, 272],
    [512, 128, 1, 100, 136],
    [256, 1024, 1, 50, 68],
    [2048, 512, 1, 25, 34],
    [64, 64, 3, 200, 272],
    [128, 128, 3, 100, 136],
    [256, 256, 3, 100, 136],
    [512, 512, 3, 25, 34],
];

fn main() -> Outcome<()> {
    let threads = std::env::args().skip(1).find_map(|text| text.parse().ok()).unwrap_or(1);
    println!("| layer | GFLOP/s |\n|---|---|");
    for [inputs, outputs, side, height, width] in LAYERS {
        let size = BatchSize { count: 1, height, width };
        let numbers =
            |count: usize| -> Vec<f32> { (0..count).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect() };
        let (input, bias) = (numbers(inputs * height * width), numbers(outputs));
        let weights = numbers(outputs * inputs * side * side);
        let mut output = vec![0.0; outputs * height * width];
        let operations = 2.0 * (output.len() * inputs * side * side) as f64;
        let share = |count: usize, work: &(dyn Fn(usize) + Sync)| each(threads, count, work);
        let seconds = if side == 1 {
            let panels = pointwise::panels(&weights, inputs);
            let filter = PointwiseFilter::new(&panels, &bias, 1).ok_or("weights of another shape")?;
            let layer = ConvolutionLayer { filter: &filter, size, input: &input, added: None, relu: true };
            best(|| assert!(pointwise::convolve(&layer, &mut output, threads, share)))
        } else {
            let filter = WinogradFilter::new(&weights, &bias, inputs).ok_or("weights of another shape")?;
            let layer = ConvolutionLayer { filter: &filter, size, input: &input, added: None, relu: true };
            best(|| assert!(winograd::convolve(&layer, &mut output, threads, share)))
        };
        let rate = operations / seconds / 1e9;
        println!("| {inputs} to {outputs}, {side}x{side}, {height}x{width} | {rate:.0} |");
    }
    Ok(())
}

/// Shares numbers out to threads of its own.
fn each(threads: usize, count: usize, work: &(dyn Fn(usize) + Sync)) {
    let next = AtomicUsize::new(0);
    let take = || loop {
        match next.fetch_add(1, Ordering::Relaxed) {
            number if number < count => work(number),
            _ => break,
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(take))));
}
