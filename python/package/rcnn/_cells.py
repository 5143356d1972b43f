"""The definition of what the library computes at once: outcomes of one image, and precision and recall drawn from them.

It is for those who look at ``COCOeval.evalImgs``, or bring their own, as evaluations on several machines do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rcnn import _rcnn

# pycocotools adds it to the number of detections, so that no division is by 0.
EPSILON = np.spacing(1)


def by_score(detections: Sequence[dict[str, Any]]) -> NDArray[np.intp]:
    """Places of detections by falling score; equal scores keep their order, NaN is last."""
    return np.argsort([-detection["score"] for detection in detections], kind="stable")


def judge(
    truths: Sequence[dict[str, Any]],
    detections: Sequence[dict[str, Any]],
    ious: Any,
    thresholds: Sequence[float],
    area_range: Sequence[float],
    limit: int,
) -> dict[str, Any]:
    """Which detection takes which ground truth, for T thresholds.

    Args:
        truths: G ground truths of an image and category.
        detections: Detections of the same, in any order.
        ious: (D, G) IoU of detections, in order of score, and ground truths, or an empty list.
        thresholds: T IoU thresholds.
        area_range: Ground truths outside are ignored, and so are unmatched detections.
        limit: The best detections are kept.
    """
    low, high = area_range
    outside = [bool(truth["ignore"]) or truth["area"] < low or truth["area"] > high for truth in truths]
    truth_order = np.argsort(outside, kind="stable")
    kept = [detections[place] for place in by_score(detections)[:limit]]
    truths = [truths[place] for place in truth_order]
    ignored = [int(outside[place]) for place in truth_order]
    shape = len(thresholds), len(kept), len(truths)
    taken, takers = np.full(shape[:2], -1), np.full((shape[0], shape[2]), -1)
    if len(ious) > 0:
        crowds = [bool(int(truth["iscrowd"])) for truth in truths]
        ordered = np.ascontiguousarray(np.asarray(ious)[: shape[1], truth_order])
        taken, takers = _rcnn.match_boxes(
            ordered, [bool(each) for each in ignored], crowds, [float(threshold) for threshold in thresholds]
        )
    matches = with_ids(taken, truths)
    far = np.array([each["area"] < low or each["area"] > high for each in kept], dtype=bool)
    off = np.where(taken >= 0, np.append(ignored, 0)[taken], 0).astype(bool) | ((matches == 0) & far)
    return {
        "dtIds": [detection["id"] for detection in kept],
        "gtIds": [truth["id"] for truth in truths],
        "dtMatches": matches,
        "gtMatches": with_ids(takers, kept),
        "dtScores": [detection["score"] for detection in kept],
        "gtIgnore": np.array(ignored),
        "dtIgnore": off,
    }


def with_ids(places: NDArray[np.int64], entries: Sequence[dict[str, Any]]) -> NDArray[np.float64]:
    """Ids as doubles in place of places; 0 where there is none, as pycocotools has it."""
    ids = np.array([*(entry["id"] for entry in entries), 0], dtype=np.float64)
    return np.asarray(ids[places])


def accumulate(
    cells: Sequence[Any], params: Any, then: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision (T, R, K, A, M), recall (T, K, A, M) and scores (T, R, K, A, M); -1 where no ground truth counts.

    Args:
        cells: Outcomes by category, area range and image, in this nesting.
        params: What is asked for.
        then: What was evaluated.
    """
    thresholds, recalls = len(params.iouThrs), len(params.recThrs)
    categories, areas, limits = len(params.catIds), len(params.areaRng), len(params.maxDets)
    precision = -np.ones((thresholds, recalls, categories, areas, limits))
    recall = -np.ones((thresholds, categories, areas, limits))
    scores = -np.ones((thresholds, recalls, categories, areas, limits))
    evaluated = set(then.catIds if then.useCats else [-1])
    ranges, images = set(map(tuple, then.areaRng)), set(then.imgIds)
    of_category, of_range = len(then.areaRng) * len(then.imgIds), len(then.imgIds)
    k_list = [place for place, id in enumerate(params.catIds) if id in evaluated]
    a_list = [place for place, area in enumerate(map(tuple, params.areaRng)) if area in ranges]
    i_list = [place for place, id in enumerate(params.imgIds) if id in images]
    m_list = [limit for limit in params.maxDets if limit in set(then.maxDets)]
    for k, k_place in enumerate(k_list):
        for a, a_place in enumerate(a_list):
            start = k_place * of_category + a_place * of_range
            own = [cell for cell in (cells[start + image] for image in i_list) if cell is not None]
            positives = sum(int(np.count_nonzero(cell["gtIgnore"] == 0)) for cell in own)
            if positives == 0:
                continue
            for m, limit in enumerate(m_list):
                curves = curve(own, limit, positives, np.asarray(params.recThrs, dtype=np.float64))
                recall[:, k, a, m], precision[:, :, k, a, m], scores[:, :, k, a, m] = curves
    return precision, recall, scores


def curve(
    cells: Sequence[dict[str, Any]], limit: int, positives: int, recalls: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The last recall of each threshold (T,), and precision and scores (T, R) at given recalls."""
    scores = np.concatenate([cell["dtScores"][:limit] for cell in cells])
    order = np.argsort(-scores, kind="stable")
    scores = scores[order]
    matched = np.concatenate([cell["dtMatches"][:, :limit] for cell in cells], axis=1)[:, order] != 0
    counted = ~np.concatenate([cell["dtIgnore"][:, :limit] for cell in cells], axis=1)[:, order].astype(bool)
    right = np.cumsum(matched & counted, axis=1, dtype=np.float64)
    wrong = np.cumsum(~matched & counted, axis=1, dtype=np.float64)
    count, shape = len(scores), (len(right), len(recalls))
    last, at, score_at = np.zeros(shape[0]), np.zeros(shape), np.zeros(shape)
    for t, (tp, fp) in enumerate(zip(right, wrong)):
        reached = tp / positives
        last[t] = reached[-1] if count else 0
        # Precision never rises with recall: at each place the best that is still to come.
        falling = np.maximum.accumulate((tp / (fp + tp + EPSILON))[::-1])[::-1]
        places = np.searchsorted(reached, recalls, side="left")
        # Recall thresholds that do not rise end at the first that is out of reach.
        out = np.flatnonzero(places >= count)
        places = places[: out[0]] if len(out) else places
        at[t, : len(places)] = falling[places]
        score_at[t, : len(places)] = scores[places]
    return last, at, score_at
