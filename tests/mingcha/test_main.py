from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from mingcha.main import COMMANDS, build
from mingcha.main import _module_name as module_name


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_module(command: str) -> None:
    module = importlib.import_module(f"mingcha.commands.{module_name(command)}")
    assert hasattr(module, "app") != hasattr(module, "command")
    assert build(command).registered_commands or build(command).registered_groups


def test_the_help_page_lists_every_command() -> None:
    page = subprocess.run(
        [sys.executable, "-m", "mingcha", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for command in COMMANDS:
        assert command in page


def test_an_unknown_command_is_wrong_use() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "mingcha", "nonsense"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert "nonsense" in result.stderr
