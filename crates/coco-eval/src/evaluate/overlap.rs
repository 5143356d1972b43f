//! Intersection over union of boxes given by left, top, width and height, in pycocotools' double arithmetic.
//!
//! Every operation is rounded once and in this order. Nothing is fused; equal boxes get no short way.

/// Overlap of a detection with a ground truth; with a crowd the share of the detection that it covers.
#[inline]
pub fn overlap(detection: &[f64; 4], truth: &[f64; 4], crowd: bool) -> f64 {
    // `f64::min` and `max` ignore a NaN, as C's fmin and fmax do.
    let width = (detection[2] + detection[0]).min(truth[2] + truth[0]) - detection[0].max(truth[0]);
    if width <= 0.0 {
        return 0.0;
    }
    let height = (detection[3] + detection[1]).min(truth[3] + truth[1]) - detection[1].max(truth[1]);
    if height <= 0.0 {
        return 0.0;
    }
    let both = width * height;
    let own = detection[2] * detection[3];
    let union = if crowd { own } else { own + truth[2] * truth[3] - both };
    both / union
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_and_odd_numbers_are_kept() {
        let far = 9007199254740994.0;
        assert_eq!(overlap(&[far, 0.0, 1.0, 1.0], &[far, 0.0, 1.0, 1.0], false), f64::INFINITY);
        assert_eq!(overlap(&[far, far, 1.0, 1.0], &[far, far, 1.0, 1.0], false), -2.0);
        assert!(overlap(&[f64::NAN; 4], &[0.0, 0.0, 5.0, 5.0], false).is_nan());
        assert_eq!(overlap(&[0.0, 0.0, 0.0, 5.0], &[0.0, 0.0, 0.0, 5.0], false), 0.0);
        assert_eq!(overlap(&[0.0, 0.0, 20.0, 20.0], &[10.0, 0.0, 90.0, 20.0], true), 0.5);
    }
}
