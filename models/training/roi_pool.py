"""MultiScaleRoIAlign (7x7, two samples a side) as one sparse product: the same values as torchvision's,
and a backward pass several times quicker on a processor. For training only."""
import numpy as np
import torch
from scipy.sparse import csr_matrix

BINS, SAMPLES = 7, 2


class SparseProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, matrix):
        ctx.matrix = matrix
        return torch.from_numpy(matrix @ x.detach().numpy())

    @staticmethod
    def backward(ctx, grad):
        return torch.from_numpy(ctx.matrix.T @ grad.contiguous().numpy()), None


def weights(low, high, size):
    """Along one axis: the cells each bin reads and their weights, (rois, bins, 2 x samples)."""
    at = (np.arange(BINS * SAMPLES) + 0.5) / SAMPLES
    p = low[:, None] + ((high - low).clip(1) / BINS)[:, None] * at
    weight = ((p >= -1) & (p <= size[:, None])) / SAMPLES
    p = p.clip(0, size[:, None] - 1)
    first = np.floor(p)
    second, part = np.minimum(first + 1, size[:, None] - 1), p - first
    shape = len(low), BINS, -1
    cells = np.concatenate([first.reshape(shape), second.reshape(shape)], 2).astype(np.int32)
    shares = np.concatenate([(weight * (1 - part)).reshape(shape), (weight * part).reshape(shape)], 2)
    return cells, shares.astype(np.float32)


def pool(features, proposals, sizes):
    """Stands in for MultiScaleRoIAlign.forward on square canvases of one size."""
    maps = [f for k, f in features.items() if k != "pool"]
    n, c = maps[0].shape[:2]
    rois = torch.cat(proposals).numpy().astype(np.float64)
    owner = np.repeat(np.arange(n), [len(p) for p in proposals])
    side = np.sqrt((rois[:, 2] - rois[:, 0]) * (rois[:, 3] - rois[:, 1]))
    level = np.floor(4 + np.log2(side / 224) + 1e-6).clip(2, 5).astype(int) - 2
    high, wide = (np.array([f.shape[d] for f in maps]) for d in (2, 3))
    start = np.cumsum([0] + [n * h * w for h, w in zip(high, wide)])
    scaled = rois * (high[level] / sizes[0][0])[:, None]
    iy, wy = weights(scaled[:, 1], scaled[:, 3], high[level])
    ix, wx = weights(scaled[:, 0], scaled[:, 2], wide[level])
    base = (start[level] + owner * high[level] * wide[level]).astype(np.int32)
    row = base[:, None, None] + iy * wide[level].astype(np.int32)[:, None, None]
    cell = row[:, :, None, :, None] + ix[:, None, :, None, :]
    part = wy[:, :, None, :, None] * wx[:, None, :, None, :]
    rows = len(rois) * BINS ** 2
    ends = np.arange(rows + 1, dtype=np.int32) * (part.size // rows)
    matrix = csr_matrix((part.reshape(-1), cell.reshape(-1), ends), shape=(rows, int(start[-1])))
    flat = torch.cat([f.permute(0, 2, 3, 1).reshape(-1, c) for f in maps]).float()
    out = SparseProduct.apply(flat, matrix)
    return out.view(len(rois), BINS, BINS, c).permute(0, 3, 1, 2)
