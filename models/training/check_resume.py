#!/usr/bin/env python3
"""Prove that a ladder killed at any moment ends with the weights of one left alone (a minute or two).

    python check_resume.py --rcnn ../../target/release/rcnn

A short ladder of two rungs is trained twice; the second is killed (SIGKILL) again and again, at whatever it is doing,
and started anew. All states must be the same to the last bit.
"""
import argparse
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import torch

SHORT = ["--rungs", "plain-18", "resnet-66", "--seeds", "1", "--scenes", "20", "--slice", "8", "--steps", "32", "--pretrain", "16",
         "--save-every", "4", "--log-every", "2", "--warmup", "4", "--batch", "2", "--crop-scenes", "4", "--settle", "32", "--size", "64"]
RUNS = ("plain-18-1", "resnet-66-1")


def start(out, rcnn):
    command = [sys.executable, pathlib.Path(__file__).with_name("ladder.py"), "-o", out, *SHORT, "--rcnn", rcnn]
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)


def trace(out):
    """What changes whenever a ladder saves or judges."""
    return [(f, f.stat().st_mtime_ns) for name in ("state.pt", "ap.csv", "model.pth") for f in sorted(out.glob(f"*/{name}"))]


def tensors(state, path=""):
    """All that a state holds, by the path to it, but for what a clock said."""
    if isinstance(state, dict):
        for key, value in state.items():
            if key not in ("seconds",):
                yield from tensors(value, f"{path}/{key}")
    elif isinstance(state, list):
        for i, value in enumerate(state):
            yield from tensors(value[:-1] if path in ("/log", "/errors") else value, f"{path}/{i}")
    else:
        yield path, state


def same(a, b):
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rcnn", type=pathlib.Path, required=True)
    p.add_argument("--kills", type=int, default=4)
    p.add_argument("--seed", type=int, default=1, help="of the moments at which it is killed")
    a = p.parse_args()
    moments = random.Random(a.seed)
    with tempfile.TemporaryDirectory() as folder:
        alone, killed = pathlib.Path(folder, "alone"), pathlib.Path(folder, "killed")
        if start(alone, a.rcnn).wait():
            raise SystemExit("the ladder failed")
        for _ in range(a.kills):
            # Once it has done something new, at the moment of its life that chance says.
            job, before = start(killed, a.rcnn), trace(killed)
            while trace(killed) == before and job.poll() is None:
                time.sleep(0.01)
            time.sleep(moments.uniform(0, 1))
            if job.poll() is not None:
                raise SystemExit("it ended before it was killed often enough: give fewer --kills")
            job.send_signal(signal.SIGKILL)
            job.wait()
        if start(killed, a.rcnn).wait():
            raise SystemExit("the ladder failed after it was killed")
        for run in RUNS:
            one, other = (dict(tensors(torch.load(f / run / "state.pt", weights_only=True))) for f in (alone, killed))
            wrong = [k for k in one.keys() | other.keys() if k not in one or k not in other or not same(one[k], other[k])]
            ap = [(f / run / "ap.csv").read_text() for f in (alone, killed)]
            if wrong or ap[0] != ap[1]:
                raise SystemExit(f"{run} differs after {a.kills} kills: {', '.join(sorted(wrong)[:5]) or 'ap.csv'}")
        print(f"killed {a.kills} times: the same weights, optimisers and numbers to the last bit")


if __name__ == "__main__":
    main()
