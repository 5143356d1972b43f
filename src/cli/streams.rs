//! How many photos go through the network at once.

use std::num::NonZeroUsize;

use crate::detector::MASKS_AT_ONCE;
use crate::memory;
use crate::model::Model;

use super::runtime_args::RuntimeArgs;
use super::values::whole;

/// Without at least so many photos a stream, all threads work on one photo: streams take time to load.
const PHOTOS_A_LANE: usize = 8;

/// What a network takes beside its weights, for each pixel that it sees: what was measured with ResNet-50-FPN, and
/// half as much again.
const BYTES_A_PIXEL: u64 = 1024;

/// Where the system does not tell how much memory is left.
const UNKNOWN_MEMORY: u64 = 4 << 30;

/// Photos side by side.
#[derive(Debug, clap::Args)]
pub(crate) struct StreamArgs {
    /// Photos in the network at the same time, each on its share of the threads; by default one per thread where
    /// there are many photos and enough memory, otherwise one at a time on all threads. Does not change results
    #[arg(long, alias = "lanes", value_name = "N", value_parser = whole::<u16>(1..))]
    streams: Option<u16>,
}

impl StreamArgs {
    /// Whether the user said how many.
    pub(crate) fn are_said(&self) -> bool {
        self.streams.is_some()
    }

    /// How many for a number of photos, so many of them in a batch, seen by models at so many times their own sizes, in a run
    /// that may take so many bytes.
    pub(crate) fn count(
        &self,
        machine: &RuntimeArgs,
        networks: &[(&Model, f64)],
        photos: usize,
        batch: usize,
        memory: u64,
    ) -> NonZeroUsize {
        let threads = machine.threads();
        let streams = match self.streams {
            Some(streams) => usize::from(streams).min(threads),
            None => {
                let room = available().min(memory) / 2;
                let most = usize::try_from(room / cost(networks, batch).max(1)).unwrap_or(usize::MAX);
                most.min(threads).min(photos / batch.max(1) / PHOTOS_A_LANE)
            }
        };
        NonZeroUsize::new(streams).unwrap_or(NonZeroUsize::MIN)
    }
}

fn available() -> u64 {
    memory::available().unwrap_or(UNKNOWN_MEMORY)
}

/// About the bytes that a stream takes.
fn cost(networks: &[(&Model, f64)], batch: usize) -> u64 {
    let files = networks.iter().map(|(model, _)| model.manifest().files.bytes()).sum::<u64>();
    2 * files + maps(networks, batch)
}

/// About the bytes that a stream takes beside its weights, for what is computed of a batch of photos, seen by models one
/// after another at so many times their own sizes.
pub(crate) fn maps(networks: &[(&Model, f64)], batch: usize) -> u64 {
    networks.iter().map(|(model, scale)| maps_of(model, *scale, batch)).sum()
}

fn maps_of(model: &Model, scale: f64, batch: usize) -> u64 {
    let manifest = model.manifest();
    let (input, proposals) = (&manifest.conventions.input, &manifest.conventions.proposals);
    // Photos that are not resized may have any size.
    let (height, width) = if input.min_size == 0 {
        (1024, 1024)
    } else {
        (u64::from(input.min_size), u64::from(input.max_size))
    };
    let network = &manifest.network;
    let bins = (network.box_head().resolution as u64).pow(2);
    let crops = 4 * proposals.post_nms_top_n as u64 * network.feature_channels() as u64 * bins;
    let mask = network.mask.as_ref().map_or(0, |mask| {
        let cells = network.feature_channels() * mask.resolution.pow(2);
        4 * (MASKS_AT_ONCE * (3 * cells + mask.heads * mask.masks * network.mask_side().pow(2))) as u64
    });
    let pixels = ((height * width) as f64 * scale * scale) as u64;
    batch.max(1) as u64 * (BYTES_A_PIXEL * pixels + 3 * crops) + mask
}
