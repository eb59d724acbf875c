from __future__ import annotations

from pathlib import Path

import pytest

from mingcha.settings import SettingsError, load_settings


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("MINGCHA_DATABASE_URL", "MINGCHA_KAFKA", "MINGCHA_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_without_settings_the_local_stack_is_meant() -> None:
    settings = load_settings()
    assert settings.require_kafka() == f"127.0.0.1:{settings.broker_port}"
    assert f":{settings.postgres_port}/" in settings.require_database_url()


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mingcha.toml").write_text('gateway_port = 1\nkafka = "file:1"\n')
    monkeypatch.setenv("MINGCHA_KAFKA", "environment:2")
    settings = load_settings()
    assert (settings.gateway_port, settings.kafka) == (1, "environment:2")


def test_a_wrong_key_in_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "mingcha.toml").write_text("gatway_port = 1\n")
    with pytest.raises(SettingsError, match="gatway_port"):
        load_settings()


def test_a_wrong_key_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINGCHA_GATWAY_PORT", "1")
    with pytest.raises(SettingsError, match="MINGCHA_GATWAY_PORT"):
        load_settings()


def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINGCHA_GATEWAY_PORT", "70000")
    with pytest.raises(SettingsError, match="gateway_port"):
        load_settings()


def test_the_password_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINGCHA_DATABASE_URL", "postgresql://u:hidden@h/d")
    assert "hidden" not in repr(load_settings())
