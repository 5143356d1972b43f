//! How a layer's work is divided: strips of whole rows of tiles, and of some of the outputs where there are fewer
//! strips than threads.

use super::points::TILE;
use super::{BatchSize, PRODUCTS, WinogradFilter};
use crate::convolution::panel::{BLOCK, PANEL};

/// Of one thread's transformed input and products: twice the bytes of the weights, which pass once a strip, but not so
/// few that a strip is hardly a block. (Half as many take a third longer with 256 channels on Zen 3.)
const WEIGHTS: usize = 2;
const LEAST_BYTES: usize = 1 << 20;

// Cycles of a block of two vectors of tiles, roughly, as measured on Zen 3: only their proportions matter.
const CYCLES_INPUT: usize = 400;
const CYCLES_PRODUCT: usize = 1;
const CYCLES_OUTPUT: usize = 400;
/// Of the weights' bytes that come to a core in a cycle.
const BYTES_A_CYCLE: usize = 8;

/// Rows of tiles in a strip, and in how many groups the panels of outputs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WinogradPlan {
    rows: usize,
    groups: usize,
}

/// What one call computes.
pub(super) struct WinogradPart<'a> {
    /// The first of its rows of tiles, counted through the whole batch, and how many.
    pub(super) first_row: usize,
    pub(super) rows: usize,
    /// The first of its panels, and how many.
    pub(super) first_panel: usize,
    pub(super) panels: usize,
    /// The results' pixels: (rows, outputs), up to four rows of pixels each.
    pub(super) output: Vec<&'a mut [f32]>,
}

impl WinogradPlan {
    /// The quickest division by an estimate; `lanes` are the tiles in a vector.
    pub(super) fn new(
        filter: &WinogradFilter,
        size: BatchSize,
        threads: usize,
        lanes: usize,
    ) -> WinogradPlan {
        let rows = size.count * size.tile_rows();
        let bytes = PRODUCTS * (filter.inputs + filter.panel_count() * PANEL) * lanes * size_of::<f32>();
        let weights = size_of_val(filter.panels.as_slice());
        let most_vectors = ((WEIGHTS * weights).max(LEAST_BYTES) / bytes).max(1);
        let most_rows = (most_vectors * lanes / size.tile_columns()).clamp(1, rows);
        let most_groups = threads.clamp(1, filter.panel_count());
        let plans = (1..=most_groups)
            .flat_map(|groups| (1..=most_rows).map(move |rows| WinogradPlan { rows, groups }));
        let best = plans.min_by_key(|plan| plan.cycles(filter, size, threads, lanes));
        best.unwrap_or(WinogradPlan { rows: 1, groups: 1 })
    }

    /// Of the thread that has most to do.
    fn cycles(&self, filter: &WinogradFilter, size: BatchSize, threads: usize, lanes: usize) -> usize {
        let strips = (size.count * size.tile_rows()).div_ceil(self.rows);
        let rounds = (strips * self.groups).div_ceil(threads.max(1));
        let vectors = (self.rows * size.tile_columns()).div_ceil(lanes);
        let outputs = filter.panel_count().div_ceil(self.groups) * PANEL;
        let products = PRODUCTS * filter.inputs * outputs;
        let weights = products * size_of::<f32>() / BYTES_A_CYCLE;
        let block = CYCLES_INPUT * filter.inputs + CYCLES_PRODUCT * products + CYCLES_OUTPUT * outputs;
        rounds * (vectors * block / BLOCK + weights)
    }

    /// The parts, with the pixels of `output` (count, outputs, height, width) that each computes.
    pub(super) fn parts<'a>(
        &self,
        filter: &WinogradFilter,
        size: BatchSize,
        output: &'a mut [f32],
    ) -> Vec<WinogradPart<'a>> {
        let (total, per_map) = (size.count * size.tile_rows(), size.tile_rows());
        let panels = filter.panel_count().div_ceil(self.groups);
        let mut parts = Vec::new();
        for first_row in (0..total).step_by(self.rows) {
            for first_panel in (0..filter.panel_count()).step_by(panels) {
                let rows = self.rows.min(total - first_row);
                let panels = panels.min(filter.panel_count() - first_panel);
                parts.push(WinogradPart { first_row, rows, first_panel, panels, output: Vec::new() });
            }
        }
        let groups = filter.panel_count().div_ceil(panels);
        // Planes come map by map; a part wants its pixels row by row.
        let mut slots: Vec<Option<&mut [f32]>> = Vec::new();
        slots.resize_with(total * filter.outputs, || None);
        for (plane, pixels) in output.chunks_mut(size.pixels()).enumerate() {
            let (map, channel) = (plane / filter.outputs, plane % filter.outputs);
            for (row, pixels) in pixels.chunks_mut(TILE * size.width).enumerate() {
                slots[(map * per_map + row) * filter.outputs + channel] = Some(pixels);
            }
        }
        for (place, pixels) in slots.into_iter().enumerate() {
            let (row, channel) = (place / filter.outputs, place % filter.outputs);
            let part = row / self.rows * groups + channel / PANEL / panels;
            parts[part].output.extend(pixels);
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(inputs: usize, outputs: usize, size: BatchSize, threads: usize) -> (WinogradPlan, usize) {
        let filter =
            WinogradFilter::new(&vec![0.0; inputs * outputs * 9], &vec![0.0; outputs], inputs).unwrap();
        let plan = WinogradPlan::new(&filter, size, threads, 16);
        let mut output = vec![0.0; size.count * outputs * size.pixels()];
        let parts = plan.parts(&filter, size, &mut output);
        for part in &parts {
            let outputs = (part.panels * PANEL).min(outputs - part.first_panel * PANEL);
            assert_eq!(part.output.len(), part.rows * outputs);
        }
        let pixels: usize = parts.iter().flat_map(|part| &part.output).map(|pixels| pixels.len()).sum();
        let count = parts.len();
        assert_eq!(pixels, output.len(), "every pixel is in one part");
        (plan, count)
    }

    #[test]
    fn every_thread_has_something_to_do() {
        let small = BatchSize { count: 1, height: 13, width: 17 };
        assert_eq!(plan(64, 64, small, 1).1, 1);
        for threads in [2, 4, 8] {
            let (plan, parts) = plan(64, 64, small, threads);
            assert!(parts >= threads, "{threads}: {plan:?}");
        }
        let large = BatchSize { count: 2, height: 200, width: 272 };
        assert!(plan(64, 70, large, 2).1 >= 4);
    }

    #[test]
    fn strips_are_no_larger_than_the_memory_for_them() {
        // 37 KB a tile, and 590 KB of weights.
        let large = BatchSize { count: 1, height: 100, width: 400 };
        let (plan, _) = plan(64, 64, large, 1);
        assert_eq!(plan.rows, 1);
    }
}
