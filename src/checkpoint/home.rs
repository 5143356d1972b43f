//! Where the named tensors stand in what a training program saved: at the root, or under any key. Knows nothing of what
//! the tensors are.

use super::error::{Error, Shown};
use super::pickle::{Id, Pickled, Value};
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
    pub(super) entries: &'a [(Id, Id)],
    /// What a person should know of the choice.
    pub(super) remarks: Vec<String>,
}

/// A dict with named tensors.
struct Candidate<'a> {
    path: Vec<String>,
    entries: &'a [(Id, Id)],
    tensors: usize,
}

impl Candidate<'_> {
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
pub(super) fn find<'a>(pickled: &'a Pickled<'_>, key: Option<&str>) -> Result<Home<'a>, Error> {
    let Value::Dict(root) = pickled.get(pickled.root) else { return Err(no_dict(pickled)) };
    let candidates = candidates(pickled, root);
    if let Some(key) = key {
        let known: Vec<String> =
            candidates.iter().map(Candidate::name).filter(|name| !name.is_empty()).collect();
        let found = candidates.into_iter().find(|candidate| candidate.name() == key);
        let missing = || Error::NoKey { key: Shown::new(key), known: Shown::new(&known.join(", ")) };
        return Ok(Home { entries: found.ok_or_else(missing)?.entries, remarks: Vec::new() });
    }
    let most = candidates.iter().map(|candidate| candidate.tensors).max().unwrap_or(0);
    // Others hold a loss or a count beside the network.
    let mut whole: Vec<Candidate<'_>> =
        candidates.into_iter().filter(|candidate| 2 * candidate.tensors >= most).collect();
    whole.sort_by_key(Candidate::rank);
    let mut whole = whole.into_iter();
    let Some(taken) = whole.next() else { return Err(no_tensors(pickled, root)) };
    let mut remarks = Vec::new();
    if !taken.path.is_empty() {
        remarks.push(format!("the tensors stand under `{}`", Shown::new(&taken.name())));
    }
    let others: Vec<String> = whole.map(|other| format!("`{}`", Shown::new(&other.name()))).take(4).collect();
    if !others.is_empty() {
        remarks.push(format!("there are tensors under {} too: --key takes those", others.join(", ")));
    }
    Ok(Home { entries: taken.entries, remarks })
}

/// All dicts that hold tensors, the root's before those below it.
fn candidates<'a>(pickled: &'a Pickled<'_>, root: &'a [(Id, Id)]) -> Vec<Candidate<'a>> {
    let mut found = Vec::new();
    let mut open = vec![(Vec::new(), root)];
    let mut visited = 0;
    while visited < open.len() && visited < MOST_DICTS {
        let (path, entries): (Vec<String>, &[(Id, Id)]) = (open[visited].0.clone(), open[visited].1);
        visited += 1;
        let tensors = entries.iter().filter(|&&(_, value)| is_tensor(pickled, value)).count();
        for &(key, value) in entries {
            let Value::Dict(inner) = pickled.get(value) else { continue };
            let Some(key) = pickled.name(key).filter(|_| path.len() < DEEPEST && open.len() < MOST_DICTS)
            else {
                continue;
            };
            if !OTHERS.iter().any(|other| key.to_lowercase().contains(other)) {
                open.push((path.iter().cloned().chain([key]).collect(), inner));
            }
        }
        if tensors > 0 {
            found.push(Candidate { path, entries, tensors });
        }
    }
    found
}

fn no_dict(pickled: &Pickled<'_>) -> Error {
    match pickled.get(pickled.root) {
        Value::Opaque(class) => whole_model(pickled, *class),
        Value::Call(_) => Error::NoTensors("it holds one bare tensor".into()),
        Value::List(_) | Value::Tuple(_) => Error::NoTensors("it holds a list".into()),
        _ => Error::NoTensors("it holds no dict".into()),
    }
}

fn no_tensors(pickled: &Pickled<'_>, root: &[(Id, Id)]) -> Error {
    let object = root.iter().find_map(|&(key, value)| match pickled.get(value) {
        Value::Opaque(class) if HOMES.contains(&pickled.name(key)?.as_str()) => Some(*class),
        _ => None,
    });
    if let Some(class) = object {
        return whole_model(pickled, class);
    }
    let keys: Vec<_> = root.iter().take(8).filter_map(|&(key, _)| pickled.name(key)).collect();
    Error::NoTensors(if keys.is_empty() {
        "its dict is empty".into()
    } else {
        format!("its keys are {}", Shown::new(&keys.join(", ")))
    })
}

/// `torch.save(model)` in place of its tensors.
fn whole_model(pickled: &Pickled<'_>, class: Option<usize>) -> Error {
    let class = class.and_then(|class| pickled.opaque.get(class)).map_or("", String::as_str);
    let yolo =
        ["ultralytics", "models.yolo", "yolov"].iter().any(|word| class.to_lowercase().starts_with(word));
    let class = Shown::new(class);
    if yolo { Error::Yolo { class } } else { Error::WholeModel { class } }
}
