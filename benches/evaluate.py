#!/usr/bin/env python3
"""Times `rcnn evaluate` beside other evaluators on the same files in the same run.

    python evaluate.py GT.json DT.json --rcnn target/release/rcnn [--vernier BIN/vernier] [--hotcoco BIN/coco-eval]
                       [--python VENV/bin/python] [--runs 5] [--threads 2] [--iou-type segm]
    python evaluate.py GT.json MASKS.json --draw-masks [--boxes DT.json] --python VENV/bin/python

The second line makes results with masks and boxes, with pycocotools: for each annotation of GT.json, whose segmentations must be
polygons, one that is moved a little; or for each result of DT.json one of 8 to 24 corners inside its box.

The command lines of the others come from `cargo install vernier-cli hotcoco-cli --root DIR`; the Python ones
(pycocotools, faster-coco-eval, ultrafast-pycocotools) from pip, and those that are installed are run. They take turns,
the medians are printed as a table, and every one's twelve numbers are compared with ours. Wall time is the whole
process; CPU time and peak memory are the kernel's (wait4).
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

PYTHON = {
    "pycocotools": "from pycocotools.coco import COCO; from pycocotools.cocoeval import COCOeval as E",
    "faster-coco-eval": "from faster_coco_eval import COCO, COCOeval_faster as E",
    "ultrafast": "from ultrafast_pycocotools import COCO, COCOeval as E",
    "hotcoco-py": "from hotcoco import COCO, COCOeval as E",
}
BODY = """
import contextlib, io, json, sys
with contextlib.redirect_stdout(io.StringIO()):
    g = COCO(sys.argv[1]); e = E(g, g.loadRes(sys.argv[2]), sys.argv[3])
    e.evaluate(); e.accumulate(); e.summarize()
print(json.dumps([float(x) for x in list(e.stats)[:12]]))
"""


DRAW = """
import json, math, random, sys
from pycocotools import mask
r = random.Random(1)
with open(sys.argv[1]) as file:
    truth = json.load(file)
sizes = {image["id"]: (image["height"], image["width"]) for image in truth["images"]}

def moved():
    for row in truth["annotations"]:
        if not isinstance(row["segmentation"], list) or row.get("iscrowd"):
            continue
        by = 0.03 * row["bbox"][2] + 1
        polygons = [[side + r.gauss(0, by) for side in polygon] for polygon in row["segmentation"]]
        yield row, round(r.random(), 4), polygons

def inside():
    for row in json.load(open(sys.argv[3])):
        left, top, width, height = row["bbox"]
        corners, polygon = r.randint(8, 24), []
        for corner in range(corners):
            angle, far = 2 * math.pi * corner / corners, r.uniform(0.35, 0.5)
            polygon += [left + width * (0.5 + far * math.cos(angle)), top + height * (0.5 + far * math.sin(angle))]
        yield row, row["score"], [polygon]

count = 0
with open(sys.argv[2], "w") as file:
    for row, score, polygons in inside() if len(sys.argv) > 3 else moved():
        made = mask.merge(mask.frPyObjects(polygons, *sizes[row["image_id"]]))
        file.write(", " if count else "[")
        json.dump({"image_id": row["image_id"], "category_id": row["category_id"], "bbox": row["bbox"], "score": score,
                   "segmentation": {"size": made["size"], "counts": made["counts"].decode()}}, file)
        count += 1
    file.write("]")
print(count, "masks")
"""


def run(command):
    with tempfile.TemporaryFile() as out:
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        return child.returncode, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out.read()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("gt")
    p.add_argument("dt")
    p.add_argument("--rcnn")
    p.add_argument("--iou-type", choices=["bbox", "segm"], default="bbox")
    p.add_argument("--draw-masks", action="store_true", help="make DT.json")
    p.add_argument("--boxes", help="results whose boxes the masks are drawn in")
    p.add_argument("--vernier")
    p.add_argument("--hotcoco")
    p.add_argument("--python")
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--skip", default="", help="names to leave out, with commas")
    a = p.parse_args()
    if a.draw_masks:
        boxes = [a.boxes] if a.boxes else []
        sys.exit(subprocess.run([a.python or sys.executable, "-c", DRAW, a.gt, a.dt, *boxes]).returncode)
    if not a.rcnn:
        p.error("--rcnn is needed")
    threads, kind = str(a.threads), ["--iou-type", a.iou_type]
    with tempfile.TemporaryDirectory() as folder:
        result = os.path.join(folder, "out.json")

        def last_file(_):
            return [x for x in find_numbers(json.load(open(result))) if x is not None]
        rivals = {"rcnn": ([a.rcnn, "evaluate", "-a", a.gt, "-r", a.dt, "--json", "--threads", threads, *kind],
                           lambda out: json.loads(out)["stats"])}
        if a.vernier:
            rivals["vernier-cli"] = ([a.vernier, "eval", "--gt", a.gt, "--dt", a.dt, *kind, "--emit", "json",
                                      "--threads", threads],
                                     lambda out: [line["value"] for line in json.loads(out)["lines"]])
        if a.hotcoco:
            rivals["hotcoco-cli"] = ([a.hotcoco, "eval", "--gt", a.gt, "--dt", a.dt, *kind, "-o", result],
                                     last_file)
        for name, imports in PYTHON.items() if a.python else ():
            if subprocess.run([a.python, "-c", imports], capture_output=True).returncode == 0:
                rivals[name] = ([a.python, "-c", imports + BODY, a.gt, a.dt, a.iou_type], json.loads)
        for name in filter(None, a.skip.split(",")):
            rivals.pop(name, None)
        times = {name: [] for name in rivals}
        numbers = {}
        for _ in range(a.runs):
            for name, (command, read) in rivals.items():
                code, wall, cpu, memory, out = run(command)
                if code:
                    sys.exit("%s failed with %d" % (name, code))
                times[name].append((wall, cpu, memory))
                numbers[name] = read(out)
    own = [statistics.median(column) for column in zip(*times["rcnn"])]
    print("median of %d runs, %d threads, %s; load %s; %s" % (a.runs, a.threads, a.iou_type, os.getloadavg()[0], a.dt))
    print("%-18s %8s %8s %9s %8s %8s %8s  %s" % ("", "wall s", "CPU s", "peak MiB", "x wall", "x CPU", "x MiB", "numbers"))
    for name, rows in times.items():
        wall, cpu, memory = (statistics.median(column) for column in zip(*rows))
        same = "same" if list(numbers[name])[:12] == numbers["rcnn"] else "differ"
        print("%-18s %8.2f %8.2f %9.0f %8.1f %8.1f %8.1f  %s" % (
            name, wall, cpu, memory, wall / own[0], cpu / own[1], memory / own[2], same))


def find_numbers(value):
    """The twelve numbers in hotcoco's result file, wherever they stand."""
    if isinstance(value, dict):
        if isinstance(value.get("stats"), list):
            return value["stats"]
        metrics = value.get("metrics")
        if isinstance(metrics, dict):
            return list(metrics.values())
        for inner in value.values():
            found = find_numbers(inner)
            if found:
                return found
    return []


if __name__ == "__main__":
    main()
