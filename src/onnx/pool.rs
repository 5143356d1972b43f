//! Pooling: the largest or the mean value of windows and of whole maps.

use super::graph::{Edge, Graph, int, ints};

impl Graph {
    /// Largest value of each window; padding never wins.
    pub fn max_pool(&mut self, name: &str, x: &str, kernel: usize, stride: usize, pad: usize) -> Edge {
        self.node(
            "MaxPool",
            name,
            &[x],
            vec![
                ints("kernel_shape", vec![kernel as i64; 2]),
                ints("pads", vec![pad as i64; 4]),
                ints("strides", vec![stride as i64; 2]),
            ],
        )
    }

    /// Mean over each whole map: (N, C, H, W) to (N, C, 1, 1).
    pub fn global_average_pool(&mut self, name: &str, x: &str) -> Edge {
        self.node("GlobalAveragePool", name, &[x], vec![])
    }

    /// Mean of each window of `side` x `side` pixels, `side` pixels apart. Windows at the far edges are cut where the map
    /// ends, and the mean is of the pixels that are there (`ceil_mode` without padding, in PyTorch and PaddlePaddle).
    pub fn average_pool(&mut self, name: &str, x: &str, side: usize) -> Edge {
        self.node(
            "AveragePool",
            name,
            &[x],
            vec![
                int("ceil_mode", 1),
                int("count_include_pad", 0),
                ints("kernel_shape", vec![side as i64; 2]),
                ints("strides", vec![side as i64; 2]),
            ],
        )
    }
}
