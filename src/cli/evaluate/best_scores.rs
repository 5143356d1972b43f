//! `rcnn evaluate --errors --best-scores FILE`: the score to cut at for each category.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use coco_eval::Errors;

use crate::atomic;

/// Writes names and scores. `rcnn detect --score` keeps what is above these, so that they lie just below the scores of
/// the best F1; a category without a best score of its own has that of all categories.
pub(super) fn write(path: &Path, errors: &Errors, names: &[String]) -> anyhow::Result<()> {
    let Some(overall) = errors.best_f1 else {
        bail!("no detection is right, so no score is best: `{}` is not written", path.display());
    };
    let scores: BTreeMap<&str, f32> = names
        .iter()
        .zip(&errors.best_f1_per_class)
        .map(|(name, own)| (name.as_str(), below(own.unwrap_or(overall).score)))
        .collect();
    let written = atomic::write(path, |out| {
        serde_json::to_writer_pretty(&mut *out, &scores)?;
        std::io::Write::write_all(out, b"\n")
    });
    written.with_context(|| format!("cannot write `{}`", path.display()))
}

/// The largest float32 below a score, and 0 at least.
fn below(score: f64) -> f32 {
    (score as f32).next_down().max(0.0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_score_is_above_what_is_written_for_it() {
        for score in [0.05, 0.731_2, 1.0] {
            let cut = super::below(f64::from(score));
            assert!(score > cut && score - cut < 1e-6, "{score} {cut}");
        }
        assert_eq!(super::below(0.0), 0.0);
    }
}
