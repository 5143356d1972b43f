#!/usr/bin/env python3
"""Times `rcnn evaluate` beside other evaluators on the same files in the same run.

    python evaluate.py GT.json DT.json --rcnn target/release/rcnn [--vernier BIN/vernier] [--hotcoco BIN/coco-eval]
                       [--python VENV/bin/python] [--runs 5] [--threads 2]

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
    g = COCO(sys.argv[1]); e = E(g, g.loadRes(sys.argv[2]), "bbox")
    e.evaluate(); e.accumulate(); e.summarize()
print(json.dumps([float(x) for x in list(e.stats)[:12]]))
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
    p.add_argument("--rcnn", required=True)
    p.add_argument("--vernier")
    p.add_argument("--hotcoco")
    p.add_argument("--python")
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--skip", default="", help="names to leave out, with commas")
    a = p.parse_args()
    threads = str(a.threads)
    with tempfile.TemporaryDirectory() as folder:
        result = os.path.join(folder, "out.json")

        def last_file(_):
            return [x for x in find_numbers(json.load(open(result))) if x is not None]
        rivals = {"rcnn": ([a.rcnn, "evaluate", "-a", a.gt, "-r", a.dt, "--json", "--threads", threads],
                           lambda out: json.loads(out)["stats"])}
        if a.vernier:
            rivals["vernier-cli"] = ([a.vernier, "eval", "--gt", a.gt, "--dt", a.dt, "--iou-type", "bbox", "--emit", "json",
                                      "--threads", threads],
                                     lambda out: [line["value"] for line in json.loads(out)["lines"]])
        if a.hotcoco:
            rivals["hotcoco-cli"] = ([a.hotcoco, "eval", "--gt", a.gt, "--dt", a.dt, "--iou-type", "bbox", "-o", result],
                                     last_file)
        for name, imports in PYTHON.items() if a.python else ():
            if subprocess.run([a.python, "-c", imports], capture_output=True).returncode == 0:
                rivals[name] = ([a.python, "-c", imports + BODY, a.gt, a.dt], json.loads)
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
    print("median of %d runs, %d threads; load %s; %s" % (a.runs, a.threads, os.getloadavg()[0], a.dt))
    print("%-18s %8s %8s %9s %8s %8s  %s" % ("", "wall s", "CPU s", "peak MiB", "x wall", "x CPU", "numbers"))
    for name, rows in times.items():
        wall, cpu, memory = (statistics.median(column) for column in zip(*rows))
        same = "same" if list(numbers[name])[:12] == numbers["rcnn"] else "differ"
        print("%-18s %8.2f %8.2f %9.0f %8.1f %8.1f  %s" % (name, wall, cpu, memory, wall / own[0], cpu / own[1], same))


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
