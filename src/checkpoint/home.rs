//! Where the named tensors stand in what a training program saved: at the root, or under any key. Knows nothing of what
//! the tensors are.

use super::error::{CheckpointError, EscapedText};
use super::pickle::{PickleValue, Pickled, ValueId};
use super::torch::is_tensor;

/// Keys under which training programs put the tensors, in the order in which they are taken.
const HOMES: [&str; 9] =
    ["model", "state_dict", "model_state_dict", "model_state", "net", "network", "ema", "blobs", "params"];

/// Keys of what is as large as a network and none.
const OTHERS: [&str; 4] = ["optim", "sched", "scaler", "rng"];

/// How deep dicts in dicts are looked at, and how many.
const DEEPEST: usize = 5;
const MOST_DICTS: usize = 10_000;

/// The dict of the tensors.
pub(super) struct Home<'a> {
    pub(super) entries: &'a [(ValueId, ValueId)],
    /// What a person should know of the choice.
    pub(super) warnings: Vec<String>,
}

/// A dict with named tensors.
struct StateDict<'a> {
    path: Vec<String>,
    entries: &'a [(ValueId, ValueId)],
    tensors: usize,
}

impl StateDict<'_> {
    fn name(&self) -> String {
        self.path.join(".")
    }

    /// The usual keys first, then what stands nearest to the root.
    fn rank(&self) -> (usize, usize) {
        let usual = |key: &String| HOMES.iter().position(|home| home == key);
        (self.path.iter().filter_map(usual).min().unwrap_or(HOMES.len()), self.path.len())
    }
}

/// Finds the dict that holds the network's tensors: the one under `key`, a dotted path, where one is given; else of those
/// that hold many the one under the most usual key.
pub(super) fn find<'a>(pickled: &'a Pickled<'_>, key: Option<&str>) -> Result<Home<'a>, CheckpointError> {
    let PickleValue::Dict(root) = pickled.get(pickled.root) else { return Err(no_dict(pickled)) };
    let candidates = candidates(pickled, root);
    if let Some(key) = key {
        let known: Vec<String> =
            candidates.iter().map(StateDict::name).filter(|name| !name.is_empty()).collect();
        let found = candidates.into_iter().find(|candidate| candidate.name() == key);
        let missing = || CheckpointError::NoKey {
            key: EscapedText::new(key),
            known: EscapedText::new(&known.join(", ")),
        };
        return Ok(Home { entries: found.ok_or_else(missing)?.entries, warnings: Vec::new() });
    }
    let most = candidates.iter().map(|candidate| candidate.tensors).max().unwrap_or(0);
    // Others hold a loss or a count beside the network.
    let mut whole: Vec<StateDict<'_>> =
        candidates.into_iter().filter(|candidate| 2 * candidate.tensors >= most).collect();
    whole.sort_by_key(StateDict::rank);
    let mut whole = whole.into_iter();
    let Some(taken) = whole.next() else { return Err(no_tensors(pickled, root)) };
    let mut warnings = Vec::new();
    if !taken.path.is_empty() {
        warnings.push(format!("the tensors stand under `{}`", EscapedText::new(&taken.name())));
    }
    let others: Vec<String> =
        whole.map(|other| format!("`{}`", EscapedText::new(&other.name()))).take(4).collect();
    if !others.is_empty() {
        warnings.push(format!("there are tensors under {} too: --key takes those", others.join(", ")));
    }
    Ok(Home { entries: taken.entries, warnings })
}

/// All dicts that hold tensors, the root's before those below it.
fn candidates<'a>(pickled: &'a Pickled<'_>, root: &'a [(ValueId, ValueId)]) -> Vec<StateDict<'a>> {
    let mut found = Vec::new();
    let mut open = vec![(Vec::new(), root)];
    let mut visited = 0;
    while visited < open.len() && visited < MOST_DICTS {
        let (path, entries): (Vec<String>, &[(ValueId, ValueId)]) =
            (open[visited].0.clone(), open[visited].1);
        visited += 1;
        let tensors = entries.iter().filter(|&&(_, value)| is_tensor(pickled, value)).count();
        for &(key, value) in entries {
            let PickleValue::Dict(inner) = pickled.get(value) else { continue };
            let Some(key) = pickled.name(key).filter(|_| path.len() < DEEPEST && open.len() < MOST_DICTS)
            else {
                continue;
            };
            if !OTHERS.iter().any(|other| key.to_lowercase().contains(other)) {
                open.push((path.iter().cloned().chain([key]).collect(), inner));
            }
        }
        if tensors > 0 {
            found.push(StateDict { path, entries, tensors });
        }
    }
    found
}

fn no_dict(pickled: &Pickled<'_>) -> CheckpointError {
    match pickled.get(pickled.root) {
        PickleValue::Opaque(class) => whole_model(pickled, *class),
        PickleValue::Call(_) => CheckpointError::NoTensors("it holds one bare tensor".into()),
        PickleValue::List(_) | PickleValue::Tuple(_) => CheckpointError::NoTensors("it holds a list".into()),
        _ => CheckpointError::NoTensors("it holds no dict".into()),
    }
}

fn no_tensors(pickled: &Pickled<'_>, root: &[(ValueId, ValueId)]) -> CheckpointError {
    let object = root.iter().find_map(|&(key, value)| match pickled.get(value) {
        PickleValue::Opaque(class) if HOMES.contains(&pickled.name(key)?.as_str()) => Some(*class),
        _ => None,
    });
    if let Some(class) = object {
        return whole_model(pickled, class);
    }
    let keys: Vec<_> = root.iter().take(8).filter_map(|&(key, _)| pickled.name(key)).collect();
    CheckpointError::NoTensors(if keys.is_empty() {
        "its dict is empty".into()
    } else {
        format!("its keys are {}", EscapedText::new(&keys.join(", ")))
    })
}

/// `torch.save(model)` in place of its tensors.
fn whole_model(pickled: &Pickled<'_>, class: Option<usize>) -> CheckpointError {
    let class = class.and_then(|class| pickled.opaque.get(class)).map_or("", String::as_str);
    let yolo =
        ["ultralytics", "models.yolo", "yolov"].iter().any(|word| class.to_lowercase().starts_with(word));
    let class = EscapedText::new(class);
    if yolo { CheckpointError::Yolo { class } } else { CheckpointError::WholeModel { class } }
}
