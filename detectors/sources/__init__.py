"""Where windows come from: a bundle on disk or the database. Same rows, same windows, same findings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from detectors.window import Window
from domain.registry import Registry, SiteId


class WindowSource(Protocol):
    """Hands out one window per site; `window` may be called from several threads at once."""

    @property
    def registry(self) -> Registry: ...

    def sites(self) -> Sequence[SiteId]:
        """The sites to judge, in the order of their ids."""
        ...

    def window(self, site_id: SiteId) -> Window:
        """Everything known of one site over the source's period."""
        ...
