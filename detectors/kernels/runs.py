"""Runs of true values in a mask."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def runs_of(mask: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """First index and end (exclusive) of each maximal run of true values, in order."""
    edges = np.diff(np.concatenate(([0], mask.astype(np.int8), [0])))
    return np.flatnonzero(edges == 1).astype(np.int64), np.flatnonzero(edges == -1).astype(np.int64)
