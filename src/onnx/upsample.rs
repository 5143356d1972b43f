//! Operators that make maps larger.

use super::graph::{Edge, Graph, Values, int, ints, text};

impl Graph {
    /// Twice the height and width by repeating pixels.
    pub fn upsample_twice(&mut self, name: &str, x: &str) -> Edge {
        let scales = format!("{name}.scales");
        self.constant(&scales, &[4], Values::F32(vec![1.0, 1.0, 2.0, 2.0]));
        self.resize_nearest(name, &[x, "", &scales])
    }

    /// To the height and width of `like`, source index `floor(i * in / out)`.
    pub fn upsample_like(&mut self, name: &str, x: &str, like: &str) -> Edge {
        let shape = self.node("Shape", &format!("{name}.shape"), &[x], vec![int("end", 2)]);
        let target = self.node("Shape", &format!("{name}.target"), &[like], vec![int("start", 2)]);
        let sizes = self.concat(&format!("{name}.sizes"), &[&shape, &target], 0);
        self.resize_nearest(name, &[x, "", "", &sizes])
    }

    fn resize_nearest(&mut self, name: &str, inputs: &[&str]) -> Edge {
        self.node(
            "Resize",
            name,
            inputs,
            vec![
                text("coordinate_transformation_mode", "asymmetric"),
                text("mode", "nearest"),
                text("nearest_mode", "floor"),
            ],
        )
    }

    /// A transposed convolution of kernel 2 and stride 2: each pixel becomes four, of a weight (inputs, outputs, 2, 2).
    pub fn conv_transpose_twice(&mut self, name: &str, x: &str, weight: &str, bias: &str) -> Edge {
        let twos = || vec![2; 2];
        self.node(
            "ConvTranspose",
            name,
            &[x, weight, bias],
            vec![ints("kernel_shape", twos()), ints("strides", twos())],
        )
    }
}
