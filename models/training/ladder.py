#!/usr/bin/env python3
"""Train the ladder in which only depth differs, on rendered scenes alone, with one command.

    python ladder.py -o ladder --jobs 2

All rungs and seeds take turns of --slice steps: of the waves below, the first that is not done; in it, whatever has
taken the fewest steps. So at any time the rungs of a wave stand at the same step, or one slice apart. After each slice
the averaged weights go to `rcnn` (export.py), which detects on the test scenes and evaluates itself.

The folder gets table.csv; for each rung and seed log.csv (losses), ap.csv (what `rcnn evaluate` says), state.pt to go
on from, model/ for `rcnn` and found/ with its detections. Stop it whenever, by whatever means: the same command goes
on and arrives at the same weights, given the same number of threads and the same `rcnn` and torch.
--snapshot FOLDER also keeps small copies there, from which another machine goes on (snapshot.py).
"""
import argparse
import csv
import dataclasses
import fcntl
import json
import os
import pathlib
import subprocess
import sys
import time

import torch

import snapshot
from export import export
from network import LADDER
from rung import Recipe, Rung, table
from scenes import Scenes, program

BASIC = [name for name in LADDER if LADDER[name]["depth"] in (18, 34, 66)]
DEEP = [name for name in LADDER if name not in BASIC]
WAVES = [(BASIC, 1), (BASIC, 2), (DEEP, 1), (BASIC, 3)]
# Seconds a step of one thread, to guess the time left for a rung that has not yet begun.
COST = {18: 0.08, 34: 0.09, 66: 0.16, 50: 0.12, 101: 0.20}
NUMBERS = ("AP", "AP50", "AP75", "APs", "APm")


class Ladder:
    """All runs in one folder."""

    def __init__(self, a):
        self.a, self.out = a, a.out
        self.recipe = a.recipe
        self.scenes = Scenes(a.rcnn, a.out / "scenes", self.recipe.size, self.recipe.objects)
        waves = [[(name, seed) for name in names if name in a.rungs] for names, seed in WAVES if seed in a.seeds]
        self.waves = [wave for wave in waves if wave]
        if a.snapshot:
            a.snapshot.mkdir(parents=True, exist_ok=True)
            for name, seed in sum(self.waves, []):
                if not (self.folder(name, seed) / "state.pt").exists():
                    snapshot.curves(self.kept(name, seed), self.folder(name, seed), anew=False)

    def folder(self, name, seed):
        return self.out / f"{name}-{seed}"

    def kept(self, name, seed):
        return self.a.snapshot / f"{name}-{seed}"

    def progress(self, name, seed):
        path = self.folder(name, seed) / "progress.json"
        return json.loads(path.read_text()) if path.exists() else {"step": 0, "seconds": 0.0, "loss": None, "restarts": []}

    def scored(self, name, seed):
        """The rows of ap.csv."""
        path = self.folder(name, seed) / "ap.csv"
        return list(csv.DictReader(path.open())) if path.exists() else []

    def finished(self, name, seed):
        rows = self.scored(name, seed)
        return bool(rows) and int(rows[-1]["step"]) == self.recipe.steps

    def turns(self):
        """What is not finished, in the order in which it is wanted."""
        for wave in self.waves:
            open_runs = [run for run in wave if not self.finished(*run)]
            slices = {run: self.progress(*run)["step"] // self.a.slice for run in open_runs}
            yield from sorted(open_runs, key=slices.get)

    def claim(self):
        """The first run that no other job is at, and its lock, which dies with the process."""
        for name, seed in self.turns():
            self.folder(name, seed).mkdir(parents=True, exist_ok=True)
            lock = open(self.folder(name, seed) / "lock", "w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if not self.finished(name, seed):
                return name, seed, lock
        return None

    def take(self, name, seed):
        """One slice of a run, and the numbers after it."""
        run = Rung(name, seed, self.recipe, self.scenes, self.folder(name, seed))
        if not run.restore() and self.a.snapshot and snapshot.resume(run, self.kept(name, seed)):
            print(f"{name}, seed {seed}: on from the snapshot of step {run.step}, with a new optimiser", flush=True)
        rows = self.scored(name, seed)
        judged = rows and int(rows[-1]["step"]) == run.step
        if judged or run.step <= self.recipe.pretrain or run.step % self.a.slice:
            run.train((run.step // self.a.slice + 1) * self.a.slice, self.tell)
        if run.step > self.recipe.pretrain:
            self.judge(run, rows)
        if self.a.snapshot:
            snapshot.keep(run, self.kept(name, seed))
        if self.finished(name, seed):
            self.put_away(name, seed)

    def put_away(self, name, seed):
        """A finished run: its model where models belong, and of its snapshot what else is worth keeping."""
        folder = self.folder(name, seed)
        if self.a.models and seed == 1:
            export(folder, self.a.models / name)
        if self.a.snapshot and (self.a.models or seed > 1):
            snapshot.close(folder, self.kept(name, seed))

    def judge(self, run, rows):
        """What `rcnn` makes of the averaged weights on the test scenes."""
        run.store()
        export(run.folder, run.folder / "model")
        test, found = self.scenes.test(self.a.scenes), run.folder / "found"
        truth = test / "annotations.json"
        self.call("detect", test / "images", "-a", truth, "-m", run.folder / "model", "-o", found, "--overwrite", "--no-draw",
                  "--offline", "--threads", self.a.threads)
        said = json.loads(self.call("evaluate", "-a", truth, "-r", found, "--json"))
        stats = dict(zip(said["names"], said["stats"]))
        row = [run.step, *(f"{stats[n]:.4f}" for n in NUMBERS), run.progress()["loss"], self.a.scenes]
        earlier = [list(r.values()) for r in rows if int(r["step"]) < run.step]
        table(run.folder / "ap.csv", ("step", *NUMBERS, "loss", "scenes"), [*earlier, row])
        self.write_table()
        print(f"{run.name}, seed {run.seed}: AP {stats['AP']:.4f} after {run.step} steps", flush=True)

    def call(self, *arguments):
        command = [str(self.a.rcnn), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
        return done.stdout

    def all_runs(self):
        """This command's runs, then those that earlier commands left in the folder."""
        own = [run for wave in self.waves for run in wave]
        named = (path.parent.name.rpartition("-") for path in sorted(self.out.glob("*/progress.json")))
        found = [(name, int(seed)) for name, _, seed in named if name in LADDER and seed.isdigit()]
        return own + [run for run in found if run not in own]

    def write_table(self):
        rows = []
        for name, seed in self.all_runs():
            now, scored = self.progress(name, seed), self.scored(name, seed)
            last = scored[-1] if scored else {}
            a_step = now["seconds"] / now["step"] if now["step"] else None
            rows.append([name, seed, now["step"], self.recipe.steps, now["loss"], last.get("step"),
                         *(last.get(n) for n in NUMBERS), a_step and f"{a_step:.3f}", " ".join(map(str, now["restarts"]))])
        heading = ("rung", "seed", "steps", "of", "loss", "judged", *NUMBERS, "seconds a step", "restarts")
        table(self.out / "table.csv", heading, rows)
        if self.a.snapshot:
            table(self.a.snapshot / "table.csv", heading, rows)

    def left(self):
        """Share of the work that is done, and the seconds that the rest may take."""
        whole = done = rest = 0.0
        pace = []
        runs = [(name, seed, self.progress(name, seed)) for wave in self.waves for name, seed in wave]
        for name, _, now in runs:
            if now["step"]:
                pace.append(now["seconds"] / now["step"] / COST[LADDER[name]["depth"]])
        slow = sum(pace) / len(pace) if pace else 1.0
        for name, _, now in runs:
            cost = COST[LADDER[name]["depth"]]
            whole, done = whole + cost * self.recipe.steps, done + cost * now["step"]
            a_step = now["seconds"] / now["step"] if now["step"] else cost * slow
            rest += a_step * (self.recipe.steps - now["step"])
        return done / whole, rest / self.a.jobs

    def tell(self, run):
        if self.a.parent and os.getppid() != self.a.parent:
            raise SystemExit("the command that started this job is gone")
        share, rest = self.left()
        last = run.progress()["loss"]
        print(f"{time.strftime('%H:%M')} {run.name}, seed {run.seed}: step {run.step} of {self.recipe.steps}, loss {last:.3f}, "
              f"{run.seconds / run.step:.2f} s a step; all {100 * share:.1f} %, about {rest / 3600:.1f} h left", flush=True)

    def work(self):
        """Turns until all is done or the time is up."""
        for name, seed in sum(self.waves, []):
            if self.finished(name, seed) and (self.folder(name, seed) / "found").exists():
                self.put_away(name, seed)
        until = time.monotonic() + 3600 * self.a.hours if self.a.hours else float("inf")
        while time.monotonic() < until and (claimed := self.claim()):
            name, seed, lock = claimed
            self.take(name, seed)
            lock.close()


def bring_runtime(rcnn):
    """ONNX Runtime is there before hours of work are judged with it."""
    found = subprocess.run([str(rcnn), "doctor", "--json"], capture_output=True, text=True).stdout
    if not json.loads(found)["runtime"]:
        subprocess.run([str(rcnn), "runtime", "install"], check=True)


def single(a):
    torch.set_num_threads(a.threads)
    torch.use_deterministic_algorithms(True)
    ladder = Ladder(a)
    ladder.work()
    ladder.write_table()


def several(a):
    """The same command once for each job; they share the folder, and one run at a time is locked by one job."""
    command = [sys.executable, __file__, *sys.argv[1:], "--parent", str(os.getpid())]
    jobs = [subprocess.Popen(command) for _ in range(a.jobs)]
    failed = [job.wait() for job in jobs]
    raise SystemExit(max(failed))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = p.add_argument
    add("-o", "--out", type=pathlib.Path, required=True)
    add("--rungs", nargs="+", choices=list(LADDER), default=list(LADDER), help="only these")
    add("--seeds", nargs="+", type=int, choices=(1, 2, 3), default=[1, 2, 3], help="only these")
    add("--jobs", type=int, default=1, help="runs at a time")
    add("--threads", type=int, default=1, help="of each; another number gives slightly other weights")
    add("--hours", type=float, help="begin no slice after so many")
    add("--slice", type=int, default=1000, help="steps before the next has its turn; the numbers are taken after each")
    add("--scenes", type=int, default=2000, help="test scenes")
    add("--rcnn", type=pathlib.Path, help="the program [default: target/release/rcnn here, else the path's]")
    add("--snapshot", type=pathlib.Path, help="small copies of the runs are kept here, and gone on from where --out lacks a run")
    add("--models", type=pathlib.Path, help="finished rungs of seed 1 go here as model folders")
    for field in dataclasses.fields(Recipe):
        kind = type(field.default)
        if kind in (int, float, str):
            add(f"--{field.name.replace('_', '-')}", type=kind, default=field.default, help=argparse.SUPPRESS)
    add("--parent", type=int, help=argparse.SUPPRESS)
    a = p.parse_args()
    a.recipe = Recipe(**{f.name: getattr(a, f.name) for f in dataclasses.fields(Recipe) if hasattr(a, f.name)})
    parts = (a.recipe.log_every, a.recipe.save_every, a.slice, a.recipe.steps)
    if any(long % short for short, long in zip(parts, parts[1:])) or a.recipe.pretrain % a.slice:
        p.error("--steps and --pretrain must be whole slices, --slice whole --save-every, and that whole --log-every")
    a.rcnn = program(a.rcnn)
    a.out.mkdir(parents=True, exist_ok=True)
    bring_runtime(a.rcnn)
    single(a) if a.jobs == 1 or a.parent else several(a)


if __name__ == "__main__":
    main()
