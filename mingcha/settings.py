"""Settings: one TOML file (`mingcha.toml`, or what `MINGCHA_CONFIG` names) and `MINGCHA_…` variables.

The environment wins. A wrong key or value stops start-up and names itself. Secrets come only from here.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from domain.errors import MingchaError


class SettingsError(MingchaError):
    """A setting is wrong; the text names it."""


class Settings(BaseSettings):
    """Everything an operator can set. Ports 0 mean: pick a free one."""

    model_config = SettingsConfigDict(env_prefix="MINGCHA_", extra="forbid")

    home: Path = Field(Path(".mingcha"), description="data of the local stack, logs, caches")
    database_url: SecretStr | None = Field(None, description="PostgreSQL; absent: the local stack's")
    kafka: str | None = Field(None, description="bootstrap servers; absent: the local stack's")
    host: str = Field("127.0.0.1", description="address our own listeners bind")
    gateway_port: int = Field(9212, ge=0, le=65535, description="HJ 212 over TCP")
    receiver_port: int = Field(9280, ge=0, le=65535, description="HTTP for power and passages")
    console_port: int = Field(8501, ge=0, le=65535)
    postgres_port: int = Field(9254, ge=0, le=65535)
    broker_port: int = Field(9292, ge=0, le=65535)
    metrics_port: int = Field(0, ge=0, le=65535, description="Prometheus; 0: off")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = Path(os.environ.get("MINGCHA_CONFIG", "mingcha.toml"))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)

    def require_database_url(self) -> str:
        """The outside database, else the one of the local stack."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"postgresql://postgres@127.0.0.1:{self.postgres_port}/mingcha"

    def require_kafka(self) -> str:
        """The outside broker, else the one of the local stack."""
        return self.kafka or f"127.0.0.1:{self.broker_port}"


def load_settings() -> Settings:
    """Read the file and the environment. Raises SettingsError naming the key."""
    known = {f"MINGCHA_{name.upper()}" for name in Settings.model_fields} | {
        "MINGCHA_CONFIG",
        "MINGCHA_SHARED",
    }
    strange = sorted(name for name in os.environ if name.startswith("MINGCHA_") and name not in known)
    if strange:
        raise SettingsError(
            f"unknown setting {strange[0]} in the environment; known: {', '.join(sorted(known))}"
        )
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"setting {key!r}: {first['msg']}") from error
