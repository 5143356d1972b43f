"""Detections of a model in eval mode, as torchvision gives them, and pycocotools' numbers for them."""
import contextlib
import io

import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

NAMES = ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large")


@torch.no_grad()
def detect(model, photos, places):
    """COCO results of the photos at `places`."""
    model.eval()
    ids = {n: k for n, k in enumerate(sorted(photos.category_ids), 1)}
    found = []
    for i in places:
        x = torch.from_numpy(photos.read(i).copy()).permute(2, 0, 1).float() / 255
        out = model([x])[0]
        for (x1, y1, x2, y2), s, k in zip(out["boxes"].tolist(), out["scores"].tolist(), out["labels"].tolist()):
            found.append({"image_id": photos.images[i]["id"], "category_id": ids[k],
                          "bbox": [x1, y1, x2 - x1, y2 - y1], "score": s})
    return found


def score(photos, places, results):
    """The COCO numbers by name; zeros where nothing was found."""
    if not results:
        return dict.fromkeys(NAMES, 0.0)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(photos.folder / "annotations.json"))
        e = COCOeval(truth, truth.loadRes(results), "bbox")
        e.params.imgIds = [photos.images[i]["id"] for i in places]
        e.evaluate(), e.accumulate(), e.summarize()
    return {n: float(v) for n, v in zip(NAMES, e.stats)}
