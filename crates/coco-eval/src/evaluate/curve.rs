//! Precision and recall of one category, as pycocotools accumulates them.
//!
//! Precision can only rise at a true positive, so the curve is walked from one to the next; the wrong detections in
//! between are counted, not visited.

use super::matching::{Matched, Rules};
use super::params::MOST_THRESHOLDS;

/// What numpy's `spacing(1)` is.
const EPSILON: f64 = f64::EPSILON;

/// Which curves are wanted.
#[derive(Clone, Debug)]
pub(super) struct WantedCurves {
    pub(super) recalls: Vec<f64>,
    /// For each range and limit: whether its precision is asked for.
    pub(super) precision: Vec<bool>,
    /// For each range and limit: whether its recall is asked for.
    pub(super) recall: Vec<bool>,
    /// Whether scores are asked for.
    pub(super) scores: bool,
}

impl WantedCurves {
    /// For each range and limit its slot in the arrays of precision and scores.
    pub(super) fn slots(&self) -> Vec<Option<usize>> {
        let mut next = 0..;
        self.precision.iter().map(|&wanted| if wanted { next.next() } else { None }).collect()
    }
}

/// The curves of one category: [threshold, recall, slot] and [threshold, range, limit]. A slot is a range and limit
/// whose precision is wanted.
#[derive(Clone, Debug, Default)]
pub(super) struct Curves {
    pub(super) precision: Vec<f64>,
    pub(super) scores: Vec<f64>,
    pub(super) recall: Vec<f64>,
}

/// Accumulates; `None` where no ground truth counts in any range.
pub(super) fn run(matched: &Matched, rules: &Rules, wanted: &WantedCurves) -> Option<Curves> {
    if matched.positives.iter().all(|&count| count == 0) {
        return None;
    }
    let (t_count, a_count, m_count) = (rules.floors.len(), rules.ranges.len(), rules.limits.len());
    let r_count = wanted.recalls.len();
    let slots = wanted.slots();
    let slot_count = slots.iter().flatten().count();
    let cells = t_count * r_count * slot_count;
    let mut curves = Curves {
        precision: vec![-1.0; cells],
        scores: if wanted.scores { vec![-1.0; cells] } else { Vec::new() },
        recall: vec![-1.0; t_count * a_count * m_count],
    };
    // Precision and score at every true positive, a list each threshold.
    let mut hits: Vec<Vec<(f64, f64)>> = vec![Vec::new(); t_count];
    for a in 0..a_count {
        let positives = matched.positives[a];
        if positives == 0 {
            continue;
        }
        let steps = steps(positives, &wanted.recalls);
        for m in 0..m_count {
            let slot = slots[a * m_count + m];
            let precise = slot.is_some();
            if !precise && !wanted.recall[a * m_count + m] {
                continue;
            }
            let found = walk(matched, rules, (a, m), slot, &mut hits);
            for (t, hits) in hits.iter_mut().enumerate().take(t_count) {
                let found = found[t];
                let recall = if found == 0 { 0.0 } else { f64::from(found) / f64::from(positives) };
                curves.recall[(t * a_count + a) * m_count + m] = recall;
                let Some(slot) = slot else { continue };
                for k in (1..hits.len()).rev() {
                    if hits[k].0 > hits[k - 1].0 {
                        hits[k - 1].0 = hits[k].0;
                    }
                }
                let first = matched.first_score.filter(|_| rules.limits[m] > 0);
                let mut reached = true;
                for (r, step) in steps.iter().enumerate() {
                    let point = match step {
                        Some(0) => first.map(|score| (hits.first().map_or(0.0, |hit| hit.0), score)),
                        Some(step) => hits.get(*step as usize - 1).copied(),
                        None => None,
                    };
                    // Python leaves the loop at the first recall that is not reached.
                    reached &= point.is_some();
                    let (precision, score) = point.filter(|_| reached).unwrap_or((0.0, 0.0));
                    let at = (t * r_count + r) * slot_count + slot;
                    curves.precision[at] = precision;
                    if wanted.scores {
                        curves.scores[at] = score;
                    }
                }
            }
        }
    }
    Some(curves)
}

/// How many true positives each recall threshold takes: 0 where the first detection already will do.
fn steps(positives: u32, recalls: &[f64]) -> Vec<Option<u32>> {
    let step = |&recall: &f64| {
        if recall <= 0.0 {
            return Some(0);
        }
        let (mut low, mut high) = (1, positives + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if f64::from(middle) / f64::from(positives) < recall { low = middle + 1 } else { high = middle }
        }
        (low <= positives).then_some(low)
    };
    recalls.iter().map(step).collect()
}

/// Lists precision and score at each true positive if `slot` says that they are wanted; returns how many there are at
/// each threshold.
fn walk(
    matched: &Matched,
    rules: &Rules,
    (a, m): (usize, usize),
    slot: Option<usize>,
    hits: &mut [Vec<(f64, f64)>],
) -> [u32; MOST_THRESHOLDS] {
    hits.iter_mut().for_each(Vec::clear);
    let (limit, every) = (rules.limits[m], rules.all());
    let (mut right, mut off_before) = ([0u32; MOST_THRESHOLDS], [0u32; MOST_THRESHOLDS]);
    let mut seen = 0u32;
    for (k, touched) in matched.touched.iter().enumerate() {
        let mask = &matched.masks[k * rules.ranges.len() + a];
        if touched.rank >= limit || mask.off == every {
            continue;
        }
        seen += 1;
        for t in ones(mask.off) {
            off_before[t] += 1;
        }
        for t in ones(mask.hit & !mask.off) {
            right[t] += 1;
            if let Some(slot) = slot {
                let counted = matched.before[k * rules.counted.len() + slot] + seen - off_before[t];
                let precision = f64::from(right[t]) / (f64::from(counted) + EPSILON);
                hits[t].push((precision, touched.score));
            }
        }
    }
    right
}

/// Places of the bits that are set.
pub(super) fn ones(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (bits != 0).then(|| {
            let place = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            place
        })
    })
}
