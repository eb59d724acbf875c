from __future__ import annotations

from hypothesis import settings

# A property that fails by the clock says nothing about the codec; the first example may compile a kernel.
settings.register_profile("codec", deadline=None)
settings.load_profile("codec")
