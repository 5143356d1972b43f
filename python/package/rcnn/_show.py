"""Annotations over a picture in matplotlib's axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rcnn.coco import COCO

# Golden angle: neighbours in the list have colours far apart.
TURN = 0.618033988749895


def show(coco: COCO, anns: list[dict[str, Any]], boxes: bool) -> None:
    """Draws outlines and areas of annotations, and their boxes; captions are printed."""
    if not anns:
        return
    if not any("segmentation" in ann or "keypoints" in ann or "bbox" in ann for ann in anns):
        for ann in anns:
            print(ann["caption"])
        return
    import matplotlib.colors
    import matplotlib.pyplot as plt
    from matplotlib.patches import Polygon, Rectangle

    axes = plt.gca()
    axes.set_autoscale_on(False)
    for number, ann in enumerate(anns):
        colour = matplotlib.colors.hsv_to_rgb((number * TURN % 1.0, 0.6, 1.0))
        segmentation = ann.get("segmentation")
        if isinstance(segmentation, list):
            for part in segmentation:
                corners = np.reshape(part, (-1, 2))
                axes.add_patch(Polygon(corners, facecolor=(*colour, 0.4), edgecolor=colour, linewidth=2))
        elif segmentation:
            area = coco.annToMask(ann)
            axes.imshow(np.dstack([np.broadcast_to(colour, (*area.shape, 3)), area * 0.5]))
        if boxes or not segmentation:
            x, y, width, height = ann["bbox"]
            axes.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=colour, linewidth=2))
        points = np.reshape(ann.get("keypoints", []), (-1, 3))
        seen = points[points[:, 2] > 0]
        axes.plot(seen[:, 0], seen[:, 1], "o", markersize=8, color=colour)
