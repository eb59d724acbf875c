"""Runs of true values in a mask."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def runs_of(mask: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """First index and end (exclusive) of each maximal run of true values, in order."""
    edges = np.diff(np.concatenate(([0], mask.astype(np.int8), [0])))
    return np.flatnonzero(edges == 1).astype(np.int64), np.flatnonzero(edges == -1).astype(np.int64)


def merged_runs(
    mask: npt.NDArray[np.bool_], longest_gap: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Runs of true values, taken together where at most `longest_gap` false ones lie between them."""
    first, end = runs_of(mask)
    if not first.size:
        return first, end
    apart = first[1:] - end[:-1] > longest_gap
    return first[np.concatenate(([True], apart))], end[np.concatenate((apart, [True]))]
