"""One stack of real parts for all seeds: starting Kafka takes longer than a seed should."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.fault.stack import FaultStack


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(1, metafunc.config.getoption("--fault-seeds") + 1))


@pytest.fixture(scope="session")
def fault_stack(stack_directory: Path, pytestconfig: pytest.Config) -> Iterator[FaultStack]:
    # here, for kafka-python is only to be imported once the suite's warning filters stand
    from tests.fault.plant import register_plants
    from tests.fault.stack import FaultStack, missing_program

    seeds = pytestconfig.getoption("--fault-seeds")
    missing = missing_program()
    if missing:
        pytest.skip(missing)
    stack = FaultStack(stack_directory / "fault")
    try:
        stack.start(lambda url: register_plants(url, seeds))
        yield stack
    finally:
        stack.stop()
