//! From an anchor or proposal and four deltas to a box. float32, in torchvision's order of operations.

use crate::family::Clamp;
use crate::geometry::BBox;

/// ln(1000 / 16): sizes grow at most by a factor of 62.5.
const LARGEST_LOG: f32 = 4.135_166_6;

/// Decodes boxes with fixed weights (`BoxCoder.decode_single` of torchvision, `Box2BoxTransform` of detectron2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Coder {
    /// Divisors of dx, dy, dw, dh.
    pub(super) weights: [f32; 4],
    /// Bounds of dw and dh.
    pub(super) clamp: Clamp,
}

impl Coder {
    pub(super) fn decode(&self, from: &BBox, deltas: [f32; 4]) -> BBox {
        let [wx, wy, ww, wh] = self.weights;
        let (w, h) = (from.width(), from.height());
        let (cx, cy) = (from.x1 + 0.5 * w, from.y1 + 0.5 * h);
        let (dx, dy) = (deltas[0] / wx, deltas[1] / wy);
        let (dw, dh) = (self.bound(deltas[2] / ww), self.bound(deltas[3] / wh));
        let (px, py) = (dx * w + cx, dy * h + cy);
        let (pw, ph) = (dw.exp() * w, dh.exp() * h);
        BBox::new(px - 0.5 * pw, py - 0.5 * ph, px + 0.5 * pw, py + 0.5 * ph)
    }

    fn bound(&self, value: f32) -> f32 {
        match self.clamp {
            Clamp::Upper => value.min(LARGEST_LOG),
            Clamp::Both => value.clamp(-LARGEST_LOG, LARGEST_LOG),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let coder = Coder { weights: [10.0, 10.0, 5.0, 5.0], clamp: Clamp::Upper };
        let from = BBox::new(10.0, 20.0, 30.0, 60.0);
        // Centre (20, 40) moves by (0.1 * 20, -0.1 * 40) to (22, 36); sizes 20 and 40 stay.
        assert_eq!(coder.decode(&from, [1.0, -1.0, 0.0, 0.0]), BBox::new(12.0, 16.0, 32.0, 56.0));
        // Growth ends at a factor of 62.5: 20 * 62.5 = 1250 wide.
        let wide = coder.decode(&from, [0.0, 0.0, 1000.0, 0.0]);
        assert!((wide.width() - 1250.0).abs() < 1e-3, "{wide:?}");
    }
}
