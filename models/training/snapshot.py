"""Small copies of runs under way, to go on from on another machine: 8-bit weights, no optimiser.

A tensor of several dimensions is stored as whole numbers from -127 to 127 with one float32 scale for each output
channel; vectors (biases, batch norms) stay float32. What is stored is the moving average of the weights with the
batch statistics measured for it; a run that goes on from it begins its average and its optimiser anew.
"""
import gzip
import json
import shutil

import torch
from safetensors import safe_open
from safetensors.torch import save_file

CURVES = ("classifier.csv", "log.csv", "ap.csv", "progress.json")


def packed(tensors):
    small = {}
    for name, tensor in tensors.items():
        if tensor.ndim < 2:
            small[name] = tensor.clone()
            continue
        flat = tensor.float().flatten(1)
        scale = flat.abs().amax(1).clamp(min=1e-12) / 127
        small[name] = (flat / scale[:, None]).round().to(torch.int8).view(tensor.shape).contiguous()
        small[name + ":scale"] = scale
    return small


def unpacked(small):
    tensors = {}
    for name, tensor in small.items():
        if name.endswith(":scale"):
            continue
        scale = small.get(name + ":scale")
        tensors[name] = tensor if scale is None else (tensor.flatten(1) * scale[:, None]).view(tensor.shape)
    return tensors


def keep(run, folder):
    """The run's weights and curves into `folder`, which may hold an earlier snapshot of it."""
    curves(run.folder, folder)
    beside = folder / "weights.tmp"
    classifier = {f"classifier.{k}": v for k, v in run.classifier.state_dict().items()}
    save_file(packed({**run.mean.state_dict(), **classifier}), beside, {"run": json.dumps(run.facts())})
    beside.replace(folder / "weights.safetensors")


def close(run, folder):
    """A finished run's folder: its curves and `rcnn`'s detections, rounded. Its weights are not wanted any more."""
    curves(run, folder)
    found = json.loads((run / "found" / "detections.json").read_text())
    for d in found:
        d["bbox"], d["score"] = [round(v, 1) for v in d["bbox"]], round(d["score"], 4)
    text = json.dumps(found, separators=(",", ":")).encode()
    (folder / "detections.json.gz").write_bytes(gzip.compress(text, 9, mtime=0))
    (folder / "weights.safetensors").unlink(missing_ok=True)


def curves(source, target, anew=True):
    """The CSV files; without `anew` only those that are not there."""
    target.mkdir(parents=True, exist_ok=True)
    for name in CURVES:
        if (source / name).exists() and (anew or not (target / name).exists()):
            shutil.copyfile(source / name, target / name)


def resume(run, folder):
    """Go on from a snapshot, if there is one: a restart, noted as such."""
    path = folder / "weights.safetensors"
    if not path.exists():
        return False
    with safe_open(path, "pt") as file:
        facts = json.loads(file.metadata()["run"])
        weights = unpacked({name: file.get_tensor(name) for name in file.keys()})
    run.check(facts, folder)
    run.classifier.load_state_dict({k: weights.pop(f"classifier.{k}") for k in run.classifier.state_dict()})
    run.model.load_state_dict(weights), run.mean.load_state_dict(weights)
    run.recall(facts)
    run.restarts.append(run.step)
    run.began()
    run.save()
    return True
