#!/usr/bin/env python3
"""Times COCO evaluation from Python beside other packages: from files, and from lists of dictionaries, in one run.

    python evaluate_python.py GT.json DT.json [--rounds 3]

Needs rcnn, and what of pycocotools, ultrafast-pycocotools, hotcoco and faster-coco-eval is installed. Every round gives each
package its turn in a process of its own; the best round counts. Lists are read before the clock starts.
"""

import argparse
import importlib.util
import json
import subprocess
import sys

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
began = time.perf_counter()
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
print(json.dumps([time.perf_counter() - began, [float(each) for each in evaluation.stats][:12]]))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gt")
    parser.add_argument("dt")
    parser.add_argument("--rounds", type=int, default=3)
    a = parser.parse_args()
    there = {name: each for name, each in PACKAGES.items() if importlib.util.find_spec(each[0])}
    best, stats = {}, {}
    for _ in range(a.rounds):
        for form in ("files", "lists"):
            for name, (_, coco, judge) in there.items():
                done = subprocess.run([sys.executable, "-c", TURN, coco, judge, form, a.gt, a.dt], capture_output=True, text=True)
                if done.returncode:
                    stats[form, name] = done.stderr.strip().splitlines()[-1]
                    continue
                seconds, stats[form, name] = json.loads(done.stdout.splitlines()[-1])
                best[form, name] = min(seconds, best.get((form, name), seconds))
    for form in ("files", "lists"):
        for name in there:
            if (form, name) not in best:
                print(f"{form:6} {name:24} {stats[form, name]}")
                continue
            factor = best[form, name] / best[form, "rcnn"]
            same = "same numbers" if stats[form, name] == stats[form, "rcnn"] else "other numbers"
            print(f"{form:6} {name:24} {best[form, name]:7.3f} s  {factor:5.2f} times rcnn's  {same}")


if __name__ == "__main__":
    main()
