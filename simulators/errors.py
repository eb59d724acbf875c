"""Errors of the simulated world.

MingchaError
└── SimulationError    a plan or an act that cannot be simulated
"""

from __future__ import annotations

from domain.errors import MingchaError


class SimulationError(MingchaError):
    """A city, an act or a truth file is wrong; names the site and the field."""
