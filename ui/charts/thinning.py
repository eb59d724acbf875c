"""At most 2,000 points a trace: the lowest and the highest of each bucket stay, so no spike is lost."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

MOST_POINTS = 2_000


def thin(values: npt.NDArray[np.float64], most: int = MOST_POINTS) -> npt.NDArray[np.intp]:
    """Indices to keep, ascending; NaN keeps its place (the first of a bucket without any value).

    A series no longer than `most` keeps every point.
    """
    size = len(values)
    if size <= most:
        return np.arange(size)
    buckets = max(1, most // 2)
    edges = np.linspace(0, size, buckets + 1).astype(np.intp)
    kept: list[int] = []
    for first, last in pairwise(edges):
        part = values[first:last]
        if np.isnan(part).all():
            kept.append(int(first))
        else:
            kept += sorted({int(first + np.nanargmin(part)), int(first + np.nanargmax(part))})
    return np.array(kept, dtype=np.intp)
