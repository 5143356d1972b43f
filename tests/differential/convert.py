#!/usr/bin/env python3
"""Random data sets: what `rcnn convert` writes, read by each tool's own reader, and read back by rcnn.

    python convert.py RCNN [--cases 100] [--seed 0]

Needs ultralytics==8.4.190, globox==2.9.0, labelme==6.3.1, supervision==0.31.2, label-studio-converter==0.0.59,
pycocotools==2.0.11 and Pillow. Each case is a small COCO set with odd names, photos that their EXIF orientation turns, photos
without objects, and boxes at the edges. A box must be the same everywhere, to a pixel in VOC's whole pixels and to a hundredth
elsewhere.
"""
import argparse
import contextlib
import io
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import warnings
from xml.sax.saxutils import quoteattr

os.environ.setdefault("YOLO_VERBOSE", "False")
warnings.simplefilter("ignore")

import globox
import supervision
from labelme._label_file import read_label_file
from label_studio_converter import Converter
from loguru import logger
from PIL import Image
from pycocotools.coco import COCO
from ultralytics.data.utils import img2label_paths, verify_image_label

logger.remove()
FOLDERS = ["", "a/", "images/", "train/images/", "labels/", "ä ö/", "a.b/"]
NAMES = ["p", "my photo", "ünï", "x.y", "per%20cent", "#1", "q'uote", "amp&er", "日本", "UPPER", "images"]
CLASSES = ["bolt", "nut & \"M8\"", "größe", "two words", "'q'", "yes", "1", "a,b;c"]


def case(r, folder):
    """a COCO set, and its photos in a folder"""
    images, rows, used = [], [], set()
    names = r.sample(CLASSES, r.randrange(1, 5))
    categories = [{"id": k + 1, "name": name} for k, name in enumerate(names)]
    for k in range(r.randrange(1, 6)):
        stem = r.choice(FOLDERS) + r.choice(NAMES) + str(k)
        name = stem + r.choice([".jpg", ".png", ".jpeg", ".JPG"])
        if os.path.basename(stem) in used:
            continue
        used.add(os.path.basename(stem))
        width, height = r.randrange(20, 90), r.randrange(20, 90)
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        turned = name.lower().endswith("g") and not name.endswith(".png") and r.random() < 0.4
        exif = Image.Exif()
        if turned:
            exif[0x0112] = r.choice([5, 6, 7, 8])
        size = (height, width) if turned else (width, height)
        Image.new("RGB", size, (90, 120, 60)).save(path, exif=exif)
        images.append({"id": len(images) + 1, "file_name": name, "width": width, "height": height})
        for _ in range(r.choice([0, 1, 2, 5])):
            x, y = r.randrange(0, width - 4), r.randrange(0, height - 4)
            w, h = r.randrange(2, width - x + 1), r.randrange(2, height - y + 1)
            b = [x, y, w, h] if r.random() < 0.5 else [x + 0.25, y + 0.5, w - 0.75, h - 0.5]
            row = {"id": len(rows) + 1, "image_id": len(images), "category_id": r.randrange(len(names)) + 1}
            if any(o["image_id"] == row["image_id"] and o["bbox"] == b for o in rows):
                continue
            rows.append({**row, "bbox": b, "area": b[2] * b[3], "iscrowd": 0})
    return {"images": images, "categories": categories, "annotations": rows}


def key(name):
    """what of a name every form keeps"""
    return os.path.splitext(os.path.basename(str(name)))[0]


def of_coco(gt):
    names = {c["id"]: c["name"] for c in gt["categories"]}
    files = {i["id"]: key(i["file_name"]) for i in gt["images"]}
    found = {file: [] for file in files.values()}
    for a in gt["annotations"]:
        found[files[a["image_id"]]].append((names[a["category_id"]], a["bbox"]))
    return found


def same(found, wanted, slack):
    for photo in wanted:
        a, b = sorted(found.get(photo, [])), sorted(wanted[photo])
        if len(a) != len(b):
            return "%s: %d boxes in place of %d" % (photo, len(a), len(b))
        rest = list(a)
        for name, box in b:
            near = [o for o in rest if o[0] == name and all(abs(p - q) <= slack for p, q in zip(o[1], box))]
            if not near:
                return "%s: no %s %s among %s" % (photo, name, box, rest)
            rest.remove(near[0])
    return None


def pictures(folder):
    ends = {".jpg", ".jpeg", ".png"}
    return sorted(str(p) for p in pathlib.Path(folder).rglob("*") if p.suffix.lower() in ends)


def by_ultralytics(folder, classes):
    found = {}
    paths = pictures(os.path.join(folder, "images"))
    for path, label in zip(paths, img2label_paths(paths)):
        out = verify_image_label((path, label, "", False, len(classes), 0, 0, False))
        if out[0] is None:
            raise ValueError(out[-1])
        high, wide = out[2]
        boxes = [(classes[int(c)], [(x - w / 2) * wide, (y - h / 2) * high, w * wide, h * high]) for c, x, y, w, h in out[1].tolist()]
        found[key(path)] = boxes
    return found


def by_supervision_yolo(folder, classes):
    """supervision reads flat folders and raw sizes: only where these are all there is"""
    images, labels = os.path.join(folder, "images"), os.path.join(folder, "labels")
    if len(pictures(images)) != len([p for p in os.listdir(images) if os.path.isfile(os.path.join(images, p))]):
        return None
    if any(Image.open(p).getexif().get(0x0112, 1) > 1 for p in pictures(images)):
        return None
    data = supervision.DetectionDataset.from_yolo(images, labels, os.path.join(folder, "data.yaml"))
    return {key(path): [(data.classes[c], [b[0], b[1], b[2] - b[0], b[3] - b[1]]) for b, c in zip(d.xyxy.tolist(), d.class_id.tolist())]
            for path, _, d in data}


def by_globox(read):
    found = {}
    for image in read:
        boxes = [(b.label, [b._xmin, b._ymin, b._xmax - b._xmin, b._ymax - b._ymin]) for b in image.boxes]
        found.setdefault(key(image.image_id), []).extend(boxes)
    return found


def by_labelme(folder):
    found = {}
    for path in pathlib.Path(folder).rglob("*.json"):
        data = read_label_file(str(path))
        rows = []
        for shape in data.shapes:
            (a, b), (c, d) = shape["points"]
            rows.append((shape["label"], [a, b, c - a, d - b]))
        found[key(data.image_path)] = rows
    return found


def by_label_studio(path, classes, folder):
    config = "<View><Image name=\"image\" value=\"$image\"/><RectangleLabels name=\"label\" toName=\"image\">%s</RectangleLabels></View>" % (
        "".join("<Label value=%s/>" % quoteattr(c) for c in classes))
    out = os.path.join(folder, "ls")
    Converter(config, project_dir=None, download_resources=False).convert_to_coco(path, out, is_dir=False)
    with open(os.path.join(out, "result.json")) as file:
        return json.load(file)


def check(binary, seed):
    with tempfile.TemporaryDirectory() as top:
        at = lambda *parts: os.path.join(top, *parts)
        gt = case(random.Random(seed), at("photos"))
        with open(at("gt.json"), "w") as file:
            json.dump(gt, file)
        if not gt["images"]:
            return None, 0
        wanted, classes = of_coco(gt), [c["name"] for c in gt["categories"]]
        checks = 0

        def rcnn(*args):
            done = subprocess.run([binary, "convert", *args], capture_output=True, text=True, cwd=top, timeout=60)
            if done.returncode:
                raise ValueError("rcnn %s: %d %s" % (" ".join(args), done.returncode, done.stderr[-200:]))

        def judge(what, found, slack, wanted=wanted):
            fault = same(found, wanted, slack)
            if fault:
                raise ValueError("%s: %s" % (what, fault))
            return 1

        quiet = contextlib.ExitStack()
        with quiet:
            quiet.enter_context(contextlib.redirect_stdout(io.StringIO()))
            quiet.enter_context(contextlib.redirect_stderr(io.StringIO()))
            ends = {"yolo": "", "voc": "", "labelme": "", "cvat": ".xml", "label-studio": ".json", "open-images": ".csv", "csv": ".csv", "coco": ".json"}
            try:
                for form, end in ends.items():
                    out = form + "-out" + end
                    rcnn("gt.json", "-o", out, "--to", form, "-i", "photos")
                    back = "back-%s.json" % form
                    extra = ["-i", "photos"] if form == "open-images" else []
                    rcnn(out, "-o", back, *extra)
                    full = {k: v for k, v in wanted.items() if v or form != "open-images"}
                    with open(at(back)) as file:
                        checks += judge("back from " + form, of_coco(json.load(file)), 1.0 if form == "voc" else 0.01, full)
                checks += judge("ultralytics", by_ultralytics(at("yolo-out"), classes), 0.01)
                read = by_supervision_yolo(at("yolo-out"), classes)
                checks += judge("supervision", read, 0.01) if read is not None else 0
                checks += judge("labelme", by_labelme(at("labelme-out")), 0.01)
                checks += judge("globox cvat", by_globox(globox.AnnotationSet.from_cvat(at("cvat-out.xml"))), 0.01)
                coco = COCO(at("coco-out.json"))
                checks += judge("pycocotools", of_coco(coco.dataset), 0.01)
                # globox has VOC's first and last pixels as they stand: a pixel less in width and height, one more at the left.
                shifted = {k: [(n, [b[0] + 1, b[1] + 1, b[2] - 1, b[3] - 1]) for n, b in v] for k, v in wanted.items()}
                read = globox.AnnotationSet.from_pascal_voc(at("voc-out", "Annotations"))
                for path in pathlib.Path(at("voc-out", "Annotations")).rglob("*.xml"):
                    one = globox.Annotation.from_pascal_voc(path)
                    checks += judge("globox voc", by_globox([one]), 1.0, {key(one.image_id): shifted[key(one.image_id)]})
                turned = {key(p) for p in pictures(at("photos")) if Image.open(p).getexif().get(0x0112, 1) > 1}
                upright = {k: v for k, v in wanted.items() if k not in turned and v}
                read = globox.AnnotationSet.from_openimage(at("open-images-out.csv"), image_folder=at("photos"))
                checks += judge("globox open images", by_globox(read), 0.01, upright)
                read = by_label_studio(at("label-studio-out.json"), classes, top)
                names = {c["id"]: c["name"] for c in read["categories"]}
                boxes = sorted((names[a["category_id"]], [round(v, 1) for v in a["bbox"]]) for a in read["annotations"])
                mine = sorted((n, [round(v, 1) for v in b]) for v in wanted.values() for n, b in v)
                checks += judge("label studio", {"all": boxes}, 0.11, {"all": mine})
            except Exception as fault:  # noqa: BLE001  a reader that fails is a finding
                return "%s: %s" % (type(fault).__name__, fault), checks
        return None, checks


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("rcnn")
    p.add_argument("--cases", type=int, default=100)
    p.add_argument("--seed", type=int, default=0)
    a = p.parse_args()
    binary, bad, all_checks = os.path.abspath(a.rcnn), 0, 0
    for seed in range(a.seed, a.seed + a.cases):
        fault, checks = check(binary, seed)
        all_checks += checks
        if fault:
            bad += 1
            print("seed", seed, fault[:400], flush=True)
    print("%d cases, %d readings: %d cases differ" % (a.cases, all_checks, bad))
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
