//! Boxes of several lists as one list: weighted boxes fusion, and box voting.

use super::BBox;

/// A box with its score and its group; boxes of different groups (classes) are never compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoredBox {
    /// A small number, counted from 0.
    pub group: usize,
    /// 0 to 1.
    pub score: f32,
    /// Where.
    pub bbox: BBox,
}

/// Boxes that belong together, and their weighted mean.
struct Cluster {
    group: usize,
    /// Sum of the weighted scores.
    score: f64,
    /// Sums of the corners, each times its weighted score.
    corners: [f64; 4],
    count: usize,
    mean: BBox,
}

impl Cluster {
    fn new(group: usize, score: f64, bbox: BBox) -> Cluster {
        let corners = [bbox.x1, bbox.y1, bbox.x2, bbox.y2].map(|corner| score * f64::from(corner));
        Cluster { group, score, corners, count: 1, mean: bbox }
    }

    fn add(&mut self, score: f64, bbox: BBox) {
        self.score += score;
        self.count += 1;
        for (sum, corner) in self.corners.iter_mut().zip([bbox.x1, bbox.y1, bbox.x2, bbox.y2]) {
            *sum += score * f64::from(corner);
        }
        if self.score > 0.0 {
            let [x1, y1, x2, y2] = self.corners.map(|sum| (sum / self.score) as f32);
            self.mean = BBox::new(x1, y1, x2, y2);
        }
    }
}

/// Weighted boxes fusion of lists of boxes of one picture (Solovyev et al. 2021, "Weighted boxes fusion: Ensembling boxes
/// from different object detection models"), with the confidence rule `avg` of its reference implementation: by falling
/// score.
///
/// Every score is multiplied by its list's weight. By falling score, each box joins the cluster of its group whose mean it
/// overlaps most, if by more than the threshold (intersection over union), or begins a new one; the mean of a cluster is
/// that of its corners weighed by the scores. The cluster's score is the mean of its scores, times the number of its boxes
/// or of the lists, whichever is less, over the sum of all weights: what a list does not show loses that list's share.
/// Boxes without an area are left out. There is a weight for each list.
pub fn fuse(lists: &[Vec<ScoredBox>], weights: &[f64], threshold: f64) -> Vec<ScoredBox> {
    let weighted = lists.iter().zip(weights).flat_map(|(list, &weight)| {
        list.iter().map(move |found| (weight * f64::from(found.score), found.group, found.bbox))
    });
    let mut boxes: Vec<(f64, usize, BBox)> = weighted.filter(|(.., bbox)| bbox.area() > 0.0).collect();
    boxes.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut clusters: Vec<Cluster> = Vec::new();
    for (score, group, bbox) in boxes {
        let of_group = clusters.iter_mut().filter(|cluster| cluster.group == group);
        let overlaps = of_group.map(|cluster| (f64::from(cluster.mean.iou(&bbox)), cluster));
        // The first of equal overlaps.
        match overlaps.reduce(|best, next| if next.0 > best.0 { next } else { best }) {
            Some((overlap, cluster)) if overlap > threshold => cluster.add(score, bbox),
            _ => clusters.push(Cluster::new(group, score, bbox)),
        }
    }
    let total: f64 = weights.iter().sum();
    let fused = |cluster: Cluster| {
        let present = cluster.count.min(weights.len()) as f64;
        let score = cluster.score / cluster.count as f64 * present / total;
        ScoredBox { group: cluster.group, score: score as f32, bbox: cluster.mean }
    };
    let mut all: Vec<ScoredBox> = clusters.into_iter().map(fused).collect();
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    all
}

/// Box voting (Gidaris and Komodakis 2015, "Object detection via a multi-region & semantic segmentation-aware CNN model"):
/// the mean of the boxes of the group, each weighed by its score and by what `weight` makes of its overlap (intersection
/// over union) with the kept box, which is one of them.
pub fn vote(kept: &ScoredBox, all: &[ScoredBox], weight: impl Fn(f32) -> f64) -> BBox {
    let mut votes: Option<Cluster> = None;
    for other in all.iter().filter(|other| other.group == kept.group) {
        let overlap = other.bbox.iou(&kept.bbox);
        let score = if overlap > 0.0 { weight(overlap) * f64::from(other.score) } else { 0.0 };
        match &mut votes {
            _ if score <= 0.0 => {}
            Some(votes) => votes.add(score, other.bbox),
            None => votes = Some(Cluster::new(other.group, score, other.bbox)),
        }
    }
    votes.map_or(kept.bbox, |votes| votes.mean)
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::*;

    fn numbers(value: &Json) -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    }

    fn boxes(part: &Json) -> Vec<ScoredBox> {
        let corners = part["boxes"].as_array().unwrap().iter().map(numbers);
        let rows = corners.zip(numbers(&part["scores"])).zip(numbers(&part["labels"]));
        rows.map(|((b, score), label)| ScoredBox {
            group: label as usize,
            score: score as f32,
            bbox: BBox::new(b[0] as f32, b[1] as f32, b[2] as f32, b[3] as f32),
        })
        .collect()
    }

    #[test]
    fn fusion_gives_the_numbers_of_its_reference_implementation() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/fusion/fused.json");
        let cases: Vec<Json> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let mut clustered = 0;
        for (number, case) in cases.iter().enumerate() {
            let lists: Vec<Vec<ScoredBox>> = case["lists"].as_array().unwrap().iter().map(boxes).collect();
            let expected = boxes(&case["fused"]);
            let found = fuse(&lists, &numbers(&case["weights"]), case["threshold"].as_f64().unwrap());
            assert_eq!(found.len(), expected.len(), "case {number}");
            clustered += usize::from(found.len() < lists.iter().map(Vec::len).sum());
            for (found, expected) in found.iter().zip(&expected) {
                let corners = |b: &ScoredBox| [b.score, b.bbox.x1, b.bbox.y1, b.bbox.x2, b.bbox.y2];
                let apart = corners(found).into_iter().zip(corners(expected)).map(|(a, b)| (a - b).abs());
                assert!(apart.fold(0.0, f32::max) < 2e-6, "case {number}: {found:?} is not {expected:?}");
                assert_eq!(found.group, expected.group, "case {number}");
            }
        }
        assert!(cases.len() >= 10 && clustered == cases.len(), "{clustered} of {}", cases.len());
    }

    fn row(score: f32, x2: f32) -> ScoredBox {
        ScoredBox { group: 0, score, bbox: BBox::new(0.0, 0.0, x2, 10.0) }
    }

    #[test]
    fn fusion_by_hand() {
        // 10 and 12 wide with scores of 0.9 and 0.3: 10.5 wide, 0.6. What one of two lists shows alone has half its score.
        let alone = ScoredBox { bbox: BBox::new(50.0, 0.0, 60.0, 10.0), ..row(0.8, 0.0) };
        let found = fuse(&[vec![row(0.9, 10.0)], vec![row(0.3, 12.0), alone]], &[1.0, 1.0], 0.55);
        assert_eq!((found[0].bbox.x2, found[1].bbox), (10.5, alone.bbox));
        assert!((found[0].score - 0.6).abs() < 1e-6 && (found[1].score - 0.4).abs() < 1e-6, "{found:?}");
        let empty = ScoredBox { bbox: BBox::new(5.0, 5.0, 5.0, 9.0), ..row(0.9, 0.0) };
        assert!(fuse(&[vec![empty], vec![]], &[1.0, 1.0], 0.55).is_empty());
    }

    #[test]
    fn votes_are_weighed_and_only_of_near_boxes() {
        let all = [row(0.9, 10.0), row(0.3, 11.0), row(0.8, 20.0), ScoredBox { group: 1, ..row(0.9, 11.0) }];
        let near = |overlap: f32| if overlap >= 0.9 { 1.0 } else { 0.0 };
        assert_eq!(vote(&all[0], &all, near).x2, 10.25);
        assert_eq!(vote(&all[2], &all, near).x2, 20.0);
        // Overlaps of 1, 10 / 11 and 1 / 2 as weights: (9 + 3 + 8) / (0.9 + 3 / 11 + 0.4).
        let mean = (9.0 + 3.0 + 8.0) / (0.9 + 3.0 / 11.0 + 0.4);
        assert!((f64::from(vote(&all[0], &all, f64::from).x2) - mean).abs() < 1e-5);
    }
}
