#!/usr/bin/env python3
"""Times COCO evaluation from Python beside other packages: from files, and from lists of dictionaries, in one run.

    python evaluate_python.py GT.json DT.json [--rounds 3] [--packages hotcoco,pycocotools] [--program rcnn]

Needs rcnn, and what of pycocotools, ultrafast-pycocotools, hotcoco and faster-coco-eval is installed. Every round gives each
package its turn in a process of its own; the best round counts. Lists are read before the clock starts. Beside the time on the
wall stands that of all cores together, which other work on the machine disturbs less. With `--program` the program has its turn
on the files too.
"""

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
import time

# Module, and where its two classes are.
PACKAGES = {
    "rcnn": ("rcnn", "rcnn.COCO", "rcnn.COCOeval"),
    "pycocotools": ("pycocotools", "pycocotools.coco.COCO", "pycocotools.cocoeval.COCOeval"),
    "ultrafast-pycocotools": ("ultrafast_pycocotools", "ultrafast_pycocotools.coco.COCO", "ultrafast_pycocotools.cocoeval.COCOeval"),
    "hotcoco": ("hotcoco", "hotcoco.COCO", "hotcoco.COCOeval"),
    "faster-coco-eval": ("faster_coco_eval", "faster_coco_eval.COCO", "faster_coco_eval.COCOeval_faster"),
}

TURN = """
import contextlib, importlib, io, json, sys, time
coco_path, eval_path, form, gt, dt = sys.argv[1:]
def named(path):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)
COCO, COCOeval = named(coco_path), named(eval_path)
dataset, results = (json.load(open(gt)), json.load(open(dt))) if form == "lists" else (None, None)
began, worked = time.perf_counter(), time.process_time()
with contextlib.redirect_stdout(io.StringIO()):
    if form == "files":
        truth = COCO(gt)
        found = truth.loadRes(dt)
    else:
        truth = COCO()
        truth.dataset = dataset
        truth.createIndex()
        found = truth.loadRes(results)
    evaluation = COCOeval(truth, found, "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
seconds = time.perf_counter() - began, time.process_time() - worked
print(json.dumps([*seconds, [float(each) for each in evaluation.stats][:12]]))
"""


def program_turn(path, gt, dt):
    """Seconds on the wall and of all cores, and the twelve numbers, of the program as a whole process."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([path, "evaluate", "-a", gt, "-r", dt, "--json"], capture_output=True, text=True, check=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, worked, json.loads(done.stdout)["stats"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gt")
    parser.add_argument("dt")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--packages", default=",".join(PACKAGES), help="beside rcnn")
    parser.add_argument("--program", help="the program, on the files")
    a = parser.parse_args()
    chosen = ["rcnn", *a.packages.split(",")]
    there = {name: each for name, each in PACKAGES.items() if name in chosen and importlib.util.find_spec(each[0])}
    walls, works, stats = {}, {}, {}

    def noted(form, name, wall, worked, numbers):
        walls[form, name] = min(wall, walls.get((form, name), wall))
        works[form, name] = min(worked, works.get((form, name), worked))
        stats[form, name] = numbers

    for _ in range(a.rounds):
        if a.program:
            noted("files", "the program", *program_turn(a.program, a.gt, a.dt))
        for form in ("files", "lists"):
            for name, (_, coco, judge) in there.items():
                done = subprocess.run([sys.executable, "-c", TURN, coco, judge, form, a.gt, a.dt], capture_output=True, text=True)
                if done.returncode:
                    print(f"{form:6} {name:24} {done.stderr.strip().splitlines()[-1]}")
                else:
                    noted(form, name, *json.loads(done.stdout.splitlines()[-1]))
    for form, name in walls:
        factors = [best[form, name] / best[form, "rcnn"] for best in (walls, works)]
        same = "same numbers" if stats[form, name] == stats[form, "rcnn"] else "other numbers"
        print(
            f"{form:6} {name:24} {walls[form, name]:7.3f} s, {factors[0]:5.2f} times rcnn's;"
            f" of all cores {works[form, name]:7.3f} s, {factors[1]:5.2f} times;  {same}"
        )


if __name__ == "__main__":
    main()
