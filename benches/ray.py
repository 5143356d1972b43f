#!/usr/bin/env python3
"""Times examples/ray_detect.py beside the same pipeline with torchvision's model in float32: the same weights, photos and
cores, in one run; and watches the memory of its worker over many photos.

    python ray.py [--photos 48] [--rounds 2] [--cores 2] [--memory 2000]

Needs rcnn with its extra [ray], torch, torchvision and Pillow. Both read files, find boxes in actors and write Parquet; a
pipeline's time has the start of its actors in it. torchvision has its turn with a worker a core and with one worker on all
cores, and the faster counts. The time that the workers' cores had after their start stands beside that on the wall, as other
work on the machine disturbs it less. Weights are random, as in end_to_end.py; the photos are rendered by `rcnn synth`. The best
round counts.
"""

import argparse
import importlib.util
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
# This file has the name of a package that it uses.
sys.path[:] = [each for each in sys.path if pathlib.Path(each or ".").resolve() != HERE]


def module(path):
    """A file's module, which travels to the actors whole."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    made = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def pipeline(kind, photos, out, model, workers, threads):
    """Seconds from the start of reading to the last row."""
    import pyarrow
    import ray
    import ray.cloudpickle

    example = module(HERE.parent / "examples/ray_detect.py")

    class Torchvision:
        """What Ray's documentation has people write."""

        def __init__(self, weights, threads):
            import torch

            torch.set_num_threads(threads)
            self.model = torch.load(weights, weights_only=False).eval()

        def __call__(self, batch):
            import torch
            from PIL import Image
            from torchvision.transforms.functional import pil_to_tensor

            rows = []
            for path, photo in zip(batch.column("path").to_pylist(), batch.column("bytes").to_pylist()):
                picture = pil_to_tensor(Image.open(io.BytesIO(photo)).convert("RGB")).float() / 255
                with torch.inference_mode():
                    found = self.model([picture])[0]
                rows.append(
                    {
                        "path": path,
                        "width": picture.shape[2],
                        "height": picture.shape[1],
                        "boxes": found["boxes"].tolist(),
                        "scores": found["scores"].tolist(),
                        "category_ids": found["labels"].tolist(),
                        "labels": [str(label) for label in found["labels"].tolist()],
                        "error": None,
                    }
                )
            return pyarrow.Table.from_pylist(rows, schema=example.COLUMNS)

    class Watched({"torchvision": Torchvision, "rcnn": example.Detect}[kind]):
        """With what the worker has used so far."""

        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.began = time.process_time()

        def __call__(self, batch):
            found = super().__call__(batch)
            statm = pathlib.Path("/proc/self/statm").read_text().split()
            # Without what it shares with other processes, as Ray's store of objects.
            pages = int(statm[1]) - int(statm[2])
            used = {"pid": os.getpid(), "seconds": time.process_time() - self.began, "rss": pages * os.sysconf("SC_PAGE_SIZE")}
            for name, value in used.items():
                found = found.append_column(name, pyarrow.array([value] * len(found)))
            return found

    ray.cloudpickle.register_pickle_by_value(example)
    ray.init(num_cpus=workers * threads + 1, logging_level="error", include_dashboard=False)
    began = time.perf_counter()
    found = ray.data.read_binary_files(str(photos), include_paths=True).map_batches(
        Watched,
        fn_constructor_args=(str(model), threads),
        batch_format="pyarrow",
        batch_size=4,
        concurrency=workers,
        num_cpus=threads,
    )
    found.write_parquet(str(out))
    return time.perf_counter() - began


def turn(kind, photos, model, workers, threads):
    """A pipeline in a process of its own; its seconds and rows."""
    import pyarrow.parquet

    with tempfile.TemporaryDirectory() as out:
        arguments = [kind, str(photos), out, str(model), str(workers), str(threads)]
        done = subprocess.run([sys.executable, __file__, "--turn", *arguments], capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        return json.loads(done.stdout.splitlines()[-1]), pyarrow.parquet.read_table(out)


def time_both(a, folder):
    photos = folder / "photos"
    subprocess.run(["rcnn", "synth", "-o", folder / "scenes", "--count", str(a.photos), "--size", "640x480"], check=True, capture_output=True)
    photos.mkdir()
    for photo in sorted((folder / "scenes").rglob("*.jpg")):
        shutil.copy(photo, photos)
    import torch

    end_to_end = module(HERE / "end_to_end.py")
    model = end_to_end.build(sorted(photos.iterdir()))
    torch.save(model, folder / "whole.pt")
    torch.save(model.state_dict(), folder / "weights.pth")
    subprocess.run(["rcnn", "import", folder / "weights.pth", "-o", folder / "model"], check=True, capture_output=True)
    rows = {
        f"rcnn, {a.cores} workers": ("rcnn", folder / "model", a.cores, 1),
        f"rcnn, {a.cores} threads": ("rcnn", folder / "model", 1, a.cores),
        f"torchvision, {a.cores} workers": ("torchvision", folder / "whole.pt", a.cores, 1),
        f"torchvision, {a.cores} threads": ("torchvision", folder / "whole.pt", 1, a.cores),
    }
    walls, works = {}, {}
    for _ in range(a.rounds):
        for name, (kind, weights, workers, threads) in rows.items():
            seconds, found = turn(kind, photos, weights, workers, threads)
            assert len(found) == a.photos and not any(found.column("error").to_pylist())
            by_worker = found.group_by("pid").aggregate([("seconds", "max")]).column("seconds_max").to_pylist()
            walls[name] = min(seconds, walls.get(name, seconds))
            works[name] = min(sum(by_worker), works.get(name, sum(by_worker)))
    rivals = [min(best[name] for name in best if name.startswith("torchvision")) for best in (walls, works)]
    for name in rows:
        print(
            f"{name:24} {walls[name]:7.1f} s, {walls[name] / rivals[0]:5.2f} of torchvision's;"
            f" the workers' cores {works[name]:7.1f} s, {works[name] / a.photos:6.3f} s a photo,"
            f" {works[name] / rivals[1]:5.2f} of torchvision's"
        )


def watch_memory(a, folder):
    source = sorted((HERE.parent / "datasets/debris/images").glob("*.jpg"))
    photos = folder / "many"
    photos.mkdir()
    for number in range(a.memory):
        shutil.copy(source[number % len(source)], photos / f"{number:06}.jpg")
    seconds, found = turn("rcnn", photos, "fod-r18", 1, a.cores)
    # In the order of the worker's work: files of Parquet may come in another.
    rss = found.sort_by("seconds").column("rss").to_pylist()
    print(f"{a.memory} photos in {seconds:.0f} s; the worker's memory after each quarter:")
    for quarter in range(1, 5):
        part = rss[(quarter - 1) * len(rss) // 4 : quarter * len(rss) // 4]
        print(f"  {len(rss) * quarter // 4:6} photos  {max(part) / 1e6:7.0f} MB at most")


def main():
    if sys.argv[1:2] == ["--turn"]:
        kind, photos, out, model, workers, threads = sys.argv[2:]
        print(json.dumps(pipeline(kind, photos, out, model, int(workers), int(threads))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--memory", type=int, default=2000, help="photos over which memory is watched")
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if a.photos:
            time_both(a, pathlib.Path(folder))
        if a.memory:
            watch_memory(a, pathlib.Path(folder))


if __name__ == "__main__":
    main()
