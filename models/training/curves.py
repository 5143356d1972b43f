#!/usr/bin/env python3
"""Draw the training curves of several runs: loss, and AP on some test photos, over steps.

    python curves.py models/plain-18 models/resnet-18 models/plain-34 models/resnet-34 -o curves.svg
    python curves.py ladder/plain-18-1 ladder/plain-18-2 ladder/resnet-18-1 --tested "2,000 scenes" -o curves.svg

Runs that classified first (classifier.csv) get a panel more. One depth has one colour, plain networks are dashed,
and the trainings of one rung, as NAME-1 and NAME-2, are lines of one kind.
"""
import argparse
import csv
import pathlib
import re

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


def rung(run):
    """`resnet-34` of `resnet-34-2`, a training with a seed of its own; other names as they are."""
    return re.sub(r"^((?:plain|resnet)-\d+)-\d$", r"\1", run.name)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("runs", nargs="+", type=pathlib.Path)
    p.add_argument("-o", "--out", type=pathlib.Path, required=True)
    p.add_argument("--tested", default="100 test photos", help="what ap.csv is of")
    a = p.parse_args()
    matplotlib.rcParams["svg.hashsalt"] = "rcnn"
    panels = [("log.csv", "loss", "training loss"), ("ap.csv", "AP", f"AP on {a.tested}")]
    if (a.runs[0] / "classifier.csv").exists():
        panels.insert(0, ("classifier.csv", "error", "objects classified wrongly"))
    figure, all_axes = pyplot.subplots(1, len(panels), figsize=(5 * len(panels), 4), layout="constrained")
    colours, labelled = {}, set()
    for run in a.runs:
        name = rung(run)
        label = None if name in labelled else name
        labelled.add(name)
        colour = colours.setdefault(name.rpartition("-")[2], f"C{len(colours)}")
        style = "--" if name.startswith("plain") else "-"
        for axes, (file, column, _) in zip(all_axes, panels):
            if (run / file).exists():
                steps, values = columns(run / file, "step", column)
                dots = {"marker": "o", "markersize": 3} if file == "ap.csv" else {}
                axes.plot(steps, values if dots else smooth(values), style, color=colour, label=label, linewidth=1.3, **dots)
    cycles = begins(a.runs[0] / "log.csv")
    for axes, (_, column, title) in zip(all_axes, panels):
        for step in cycles:
            axes.axvline(step, color="grey", linestyle=":", linewidth=1)
        axes.set(xlabel="step", title=title)
        axes.grid(alpha=0.3)
        if column != "AP":
            axes.set_ylim(bottom=0)
    figure.legend(*all_axes[0].get_legend_handles_labels(), loc="outside right upper", frameon=False)
    figure.savefig(a.out, metadata={"Date": None})


if __name__ == "__main__":
    main()
