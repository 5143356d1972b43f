//! Soft-NMS: overlapping boxes lose score instead of going.

use super::BBox;

/// The width of the Gaussian by which scores fall with the overlap: the one that its authors use.
const SIGMA: f32 = 0.5;

/// Gaussian soft-NMS within groups (Bodla et al. 2017, "Soft-NMS: Improving Object Detection With One Line of Code"):
/// indices of the boxes that stay and their new scores, by falling score.
///
/// The best box of a group that is left is taken, and each other's score falls to `score * exp(-IoU² / 0.5)`, until none is
/// left; a box goes once `stays` says no to its index and its score. Boxes of equal score keep the order of the list. The
/// three slices have one length; groups are small numbers counted from 0.
pub fn soften(
    boxes: &[BBox],
    scores: &[f32],
    groups: &[usize],
    stays: impl Fn(usize, f32) -> bool,
) -> Vec<(usize, f32)> {
    let count = groups.iter().max().map_or(0, |&last| last + 1);
    let mut members: Vec<Vec<(usize, f32)>> = vec![Vec::new(); count];
    for (index, (&group, &score)) in groups.iter().zip(scores).enumerate() {
        if stays(index, score) {
            members[group].push((index, score));
        }
    }
    let mut kept = Vec::new();
    for mut left in members {
        while let Some(best) = best(&left) {
            let (index, score) = left.remove(best);
            kept.push((index, score));
            for (other, score) in &mut left {
                let overlap = boxes[index].iou(&boxes[*other]);
                // Boxes without an area overlap nothing.
                if overlap > 0.0 {
                    *score *= (-overlap * overlap / SIGMA).exp();
                }
            }
            left.retain(|&(other, score)| stays(other, score));
        }
    }
    kept.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    kept
}

/// Place of the best score, the first of equals.
fn best(left: &[(usize, f32)]) -> Option<usize> {
    (0..left.len()).reduce(|best, place| if left[place].1 > left[best].1 { place } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_fall_with_the_overlap() {
        // Of two boxes of 10 x 10 that share half, 50 of 150 is common: 0.8 falls to 0.8 exp(-(1/3)² / 0.5) = 0.6406.
        let boxes = [0.0, 5.0, 100.0, 0.0].map(|x| BBox::new(x, 0.0, x + 10.0, 10.0));
        let kept = soften(&boxes, &[0.9, 0.8, 0.7, 0.6], &[0, 0, 0, 1], |_, score| score > 0.05);
        let order: Vec<usize> = kept.iter().map(|&(index, _)| index).collect();
        assert_eq!(
            order,
            [0, 2, 1, 3],
            "what overlaps nothing overtakes what does; other groups do not matter"
        );
        let scores: Vec<f32> = kept.iter().map(|&(_, score)| score).collect();
        assert!((scores[2] - 0.640_59).abs() < 1e-4, "{scores:?}");
        assert_eq!([scores[0], scores[1], scores[3]], [0.9, 0.7, 0.6]);
    }

    #[test]
    fn what_falls_to_nothing_goes() {
        // The same box again: 0.3 exp(-1 / 0.5) = 0.0406.
        let same = [BBox::new(0.0, 0.0, 9.0, 9.0); 2];
        assert_eq!(soften(&same, &[0.9, 0.3], &[0, 0], |_, score| score > 0.05), [(0, 0.9)]);
        assert_eq!(soften(&same, &[0.9, 0.3], &[0, 0], |_, score| score > 0.04).len(), 2);
    }
}
