#!/usr/bin/env python3
"""Draw the training curves of several runs: loss, and AP on some test photos, over steps.

    python curves.py models/plain-18 models/resnet-18 models/plain-34 models/resnet-34 -o curves.svg
"""
import argparse
import csv
import pathlib

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot  # noqa: E402


def columns(path, *names):
    rows = list(csv.DictReader(path.open()))
    return [[float(r[n]) for r in rows] for n in names]


def begins(path):
    """Steps at which another cycle of training begins, where the log has several."""
    rows = list(csv.DictReader(path.open()))
    pairs = zip(rows, rows[1:])
    return [float(a["step"]) for a, b in pairs if a.get("cycle") != b.get("cycle")]


def smooth(values, width=9):
    """Means of the neighbourhood, as a step's loss depends on its canvases."""
    reach = width // 2
    return [sum(part) / len(part) for part in (values[max(0, i - reach):i + reach + 1] for i in range(len(values)))]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("runs", nargs="+", type=pathlib.Path)
    p.add_argument("-o", "--out", type=pathlib.Path, required=True)
    a = p.parse_args()
    matplotlib.rcParams["svg.hashsalt"] = "rcnn"
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for run in a.runs:
        steps, losses = columns(run / "log.csv", "step", "loss")
        style = "--" if run.name.startswith("plain") else "-"
        line, = left.plot(steps, smooth(losses), style, label=run.name, linewidth=1.3)
        steps, aps = columns(run / "ap.csv", "step", "AP")
        right.plot(steps, aps, style, marker="o", markersize=3, color=line.get_color(), linewidth=1.3)
    cycles = begins(a.runs[0] / "log.csv")
    for axes, title in ((left, "training loss"), (right, "AP on 100 test photos")):
        for step in cycles:
            axes.axvline(step, color="grey", linestyle=":", linewidth=1)
        axes.set(xlabel="step", title=title)
        axes.grid(alpha=0.3)
    left.set_ylim(bottom=0)
    left.legend(frameon=False)
    figure.savefig(a.out, metadata={"Date": None})


if __name__ == "__main__":
    main()
