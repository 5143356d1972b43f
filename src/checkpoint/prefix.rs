//! What training programs put before every tensor's name: `module.`, `net.`, `detector.model.` …

use super::error::{CheckpointError, EscapedText};
use super::tensor::Tensor;

/// What DataParallel, `torch.compile` and training programs put before every name.
const WRAPPERS: [&str; 3] = ["module.", "_orig_mod.", "model."];

/// A tensor that every detector of a family has under this name, whatever stands before it.
const DETECTORS: [&str; 4] = [
    "rpn.head.cls_logits.weight",
    "proposal_generator.rpn_head.objectness_logits.weight",
    "rpn_head.rpn_cls.weight",
    "rpn_head.rpn_rois_score.weight",
];

/// Tensors of a bare ResNet.
const CLASSIFIER: &str = "layer1.0.conv1.weight";
const LAST: [&str; 2] = ["fc.weight", "linear.weight"];

/// Takes the prefix off the names, the user's or else the one that is found, and leaves out the tensors beside those that
/// have it; a sentence on what a person should know.
pub(super) fn strip(tensors: &mut Vec<Tensor>, wanted: Option<&str>) -> Result<Vec<String>, CheckpointError> {
    if let Some(prefix) = wanted {
        if !tensors.iter().any(|tensor| tensor.name().starts_with(prefix)) {
            let first = tensors.first().map_or("", Tensor::name);
            return Err(CheckpointError::NoPrefix {
                prefix: EscapedText::new(prefix),
                first: EscapedText::new(first),
            });
        }
        let mut behind = tensors.iter().filter_map(|tensor| tensor.name().strip_prefix(prefix));
        // The point at its end may be left out.
        let point = if behind.all(|rest| rest.starts_with('.')) { "." } else { "" };
        take(tensors, &format!("{prefix}{point}"));
        return Ok(Vec::new());
    }
    for prefix in WRAPPERS {
        if tensors.iter().all(|tensor| tensor.name().starts_with(prefix)) {
            take(tensors, prefix);
        }
    }
    let prefixes = prefixes(tensors);
    let mut warnings = Vec::new();
    match prefixes.as_slice() {
        [] => return Ok(warnings),
        several if several.iter().any(String::is_empty) => return Ok(warnings),
        [first, others @ ..] => {
            warnings
                .push(format!("the names of the network's tensors begin with `{}`", EscapedText::new(first)));
            if !others.is_empty() {
                let others: Vec<String> =
                    others.iter().take(4).map(|other| format!("`{}`", EscapedText::new(other))).collect();
                warnings
                    .push(format!("there are networks behind {} too: --prefix takes one", others.join(", ")));
            }
            let beside = take(tensors, first);
            if let Some(name) = beside.first() {
                let more = beside.len() - 1;
                let more = if more == 0 { String::new() } else { format!(" and {more} more") };
                warnings.push(format!(
                    "tensors beside the network are left out: `{}`{more}",
                    EscapedText::new(name)
                ));
            }
        }
    }
    Ok(warnings)
}

/// What stands before the names that tell a network, in the order of the file, each once.
fn prefixes(tensors: &[Tensor]) -> Vec<String> {
    let before = |anchor: &str| {
        let mut found: Vec<String> = Vec::new();
        for tensor in tensors {
            let Some(prefix) = tensor.name().strip_suffix(anchor) else { continue };
            if !found.iter().any(|other| other == prefix) {
                found.push(prefix.to_owned());
            }
        }
        found.truncate(64);
        let whole = |prefix: &String| prefix.is_empty() || prefix.ends_with('.');
        if found.iter().any(whole) {
            found.retain(whole);
        } else {
            // Not a part of names as PyTorch makes them: then the whole network must have it.
            let most = |prefix: &String| {
                let with = tensors.iter().filter(|tensor| tensor.name().starts_with(prefix.as_str()));
                2 * with.count() > tensors.len()
            };
            found.retain(most);
        }
        found
    };
    if let Some(found) = DETECTORS.into_iter().map(before).find(|found| !found.is_empty()) {
        return found;
    }
    let has = |prefix: &str, name: &str| {
        tensors.iter().any(|tensor| tensor.name().strip_prefix(prefix).is_some_and(|rest| rest == name))
    };
    let mut bare = before(CLASSIFIER);
    bare.retain(|prefix| LAST.iter().any(|last| has(prefix, last)));
    bare
}

/// Keeps the tensors whose names begin so, without that; gives the names of the others.
fn take(tensors: &mut Vec<Tensor>, prefix: &str) -> Vec<String> {
    let mut beside = Vec::new();
    tensors.retain_mut(|tensor| {
        let Some(rest) = tensor.name().strip_prefix(prefix).map(str::to_owned) else {
            beside.push(tensor.name().to_owned());
            return false;
        };
        tensor.rename(rest);
        true
    });
    beside
}
