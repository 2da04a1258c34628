"""Settings: everything a part is told from outside, read once from the environment.

`make up` sets them for the processes it starts; a hosted deployment sets them itself. Nothing asks 'am I local?'.
"""

import json
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

ENVIRONMENT_FILE = "environment.json"  # in the state folder: the settings that the running supervisor gave to its parts


def environment_name(field: str) -> str:
    """Name in the environment of a field of Settings: 'executor_url' -> 'SMC_EXECUTOR_URL'."""
    shared = field in ("database_url", "redis_url") or field.startswith("supabase_")  # names that others know too
    return field.upper() if shared else "SMC_" + field.upper()


class Settings(BaseSettings):
    """What the environment says; a setting that is not there has its default, None where there is none.

    Raises pydantic's ValidationError for a value that cannot be meant; `problems` turns it into one line.
    """

    model_config = SettingsConfigDict(
        alias_generator=environment_name,
        populate_by_name=True,
        use_attribute_docstrings=True,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    state_dir: Path = Path(".smc")
    """folder of the local state: database, secrets, journals, logs"""
    database_url: SecretStr | None = None
    """Postgres, logging in as smc_functions"""
    executor_database_url: SecretStr | None = None
    """Postgres, logging in as smc_executor; needed where DATABASE_URL is set"""
    supabase_url: str | None = None
    """base URL of auth, REST and realtime"""
    supabase_anon_key: SecretStr | None = None
    """the key that a browser gets; row-level security decides what it may do"""
    supabase_service_role_key: SecretStr | None = None
    """bypasses row-level security; never in a browser"""
    supabase_jwt_secret: SecretStr | None = None
    """signs and verifies users' tokens (HS256)"""
    redis_url: SecretStr | None = None
    """bus and rate limits by Redis; unset: by Postgres and memory"""
    executor_url: str | None = None
    """base URL of the executor"""
    executor_token: SecretStr | None = None
    """reads the executor's snapshots; cannot place orders"""
    command_key: SecretStr | None = None
    """Ed25519 seed that signs commands, base64 of 32 bytes"""
    command_key_id: str = "local"
    """names the command key to the executor"""
    paper_url: str | None = None
    """base URL of the paper venue"""
    paper_token: SecretStr | None = None
    """drives the paper venue's clock"""
    inject_delay_ms: Annotated[int, Field(ge=0)] = 0
    """the executor waits this long before each send; for tests"""
    api_url: str | None = None
    """base URL of the API, for the gateway"""
    market: Literal["auto", "live", "replay", "synthetic"] = "auto"
    """where bars come from; auto: live where the exchange answers, else synthetic"""
    replay: Path | None = None
    """file of recorded bars"""
    speed: str = "60"
    """of a replay or a synthetic market: 'max', or how many times faster than life"""
    exchange: str = "binance"
    """exchange of a live market, by its ccxt name"""
    exchange_url: str | None = None
    """base URL of that exchange; unset: its own"""
    symbol: str | None = None
    """the venue's own id, BTCUSDT; unset: the file's, or BTCUSDT"""
    timeframe: str | None = None
    """1m, 5m, 1h ...; unset: the file's, or 1m"""

    @field_validator("speed")
    @classmethod
    def _speed_is_max_or_positive(cls, value: str) -> str:
        if value == "max":
            return value
        try:
            factor = Decimal(value)
        except InvalidOperation:
            factor = Decimal(0)
        if not (factor.is_finite() and factor > 0):
            raise ValueError("must be 'max' or a number above 0 (60: a minute a second)")
        return value

    @property
    def pace(self) -> float | None:
        """How many times faster than life bars come; None: as fast as they are worked off."""
        return None if self.speed == "max" else float(self.speed)

    def require(self, *names: str) -> None:
        """Raise LookupError that names every one of the fields `names` that is not set, by its environment name."""
        missing = [environment_name(name) for name in names if getattr(self, name) is None]
        if missing:
            raise LookupError(
                f"{', '.join(missing)} not set; `smc up` sets them for its parts, elsewhere put them in the environment"
            )

    @classmethod
    def with_state(cls, state_dir: Path) -> "Settings":
        """The environment, and what it leaves open as the supervisor of `state_dir` last gave it to its parts."""
        return _source_of_state(state_dir)(state_dir=state_dir)


def problems(error: ValidationError) -> str:
    """The bad settings of `error` in one line: 'SMC_SPEED: must be ...'; values are left out, they may be secret."""
    found = []
    for e in error.errors(include_input=False):
        name = str(e["loc"][0])  # the field's where it was passed by name, else the environment's
        name = environment_name(name) if name in Settings.model_fields else name
        found.append(f"{name}: {e['msg'].removeprefix('Value error, ')}")
    return "; ".join(found)


def read_state_environment(state_dir: Path) -> dict[str, str]:
    """The settings last given to the parts, {environment name: value}; empty where nothing was started."""
    try:
        content = json.loads((state_dir / ENVIRONMENT_FILE).read_text())
    except FileNotFoundError:
        return {}
    return {str(name): str(value) for name, value in content.items()}


def _source_of_state(state_dir: Path) -> type[Settings]:
    class StateSource(PydanticBaseSettingsSource):
        def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
            return None, field_name, False  # __call__ gives all at once

        def __call__(self) -> dict[str, Any]:
            return dict(read_state_environment(state_dir))

    class SettingsWithState(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, StateSource(settings_cls)

    return SettingsWithState
