"""What a test may vary about the platform: how long things take, which limits hold, what is allowed.

Defaults are what is known of Twilio (docs pages named beside each), except that nothing takes longer than it must.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY = 86_400.0


@dataclass(frozen=True)
class Rules:
    """The behaviour of an emulator; `replace` a copy or post to `/_emulator/rules`."""

    # How long a build stays `building`: so many looks at it, and at least so many milliseconds.
    build_polls: int = 2
    build_ms: int = 0
    # The next so many builds end as `failed`, without a reason, as at Twilio.
    fail_builds: int = 0
    # After a deployment the old build answers for so long (field reports: up to 45 s).
    propagation_ms: int = 0
    # Studio is eventually consistent: a read this soon after a write sees the state before it.
    studio_lag_ms: int = 0
    # Serverless lists show what was made only after so long (unpublished; seen for seconds after a create). What is
    # asked for by its name or its SID is there at once.
    list_lag_ms: int = 0
    # Each request takes so long: half before it is processed, half after.
    latency_ms: float = 0.0
    # More requests of one account at once than this are answered 429 (unpublished at Twilio; None: no limit).
    concurrency: int | None = None
    # Twilio docs, Create a Service / Serverless API: quotas.
    max_services: int = 50
    max_environments: int = 25
    # An older docs page says 50; today's value is unverified, so nothing is refused unless a test asks for it.
    max_functions_per_build: int | None = None
    # Twilio docs, Environment variables: bytes of one value, bytes of all as JSON.
    max_variable_bytes: int = 450
    max_variables_bytes: int = 3072
    # Keys that the platform provides itself; whether creating one is refused is unverified.
    refuse_reserved_keys: bool = True
    reserved_keys: tuple[str, ...] = (
        "ACCOUNT_SID",
        "AUTH_TOKEN",
        "DOMAIN_NAME",
        "ENVIRONMENT_SID",
        "PATH",
        "SERVICE_SID",
        "TWILIO_EDGE",
        "TWILIO_REGION",
    )
    runtimes: tuple[str, ...] = ("node20", "node22", "node24")
    default_runtime: str = "node22"
    # Twilio docs, Runtime Handler: the deployable versions are Twilio's own list, not npm's.
    runtime_handlers: tuple[str, ...] = ("1.3.0", "1.3.1", "2.0.0", "2.0.1", "2.1.2")
    default_runtime_handler: str = "2.0.1"
    # create-twilio-function pins it; what the platform injects today is unverified.
    default_twilio: str = "5.0.3"
    # By Twilio's description any field may be null: whether a build's answer tells its dependencies.
    tells_dependencies: bool = True
    # Twilio docs, Retention policy; field reports for builds. Seconds.
    keep_versions: float = 7 * DAY
    keep_builds: float = 7 * DAY
    keep_logs: float = 30 * DAY
    # An expired Sync object may linger (Twilio docs, Document Resource); after this long it is gone.
    keep_expired: float = 5.0

    def replaced(self, changes: Mapping[str, object]) -> Rules:
        """Return a copy with some rules changed; raises `ValueError` for an unknown name or a wrong type."""
        known = {entry.name: entry for entry in dataclasses.fields(self)}
        typed: dict[str, object] = {}
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"unknown rule {name!r}; the rules are {', '.join(sorted(known))}")
            typed[name] = _typed(name, value, getattr(type(self), name))
        return dataclasses.replace(self, **typed)  # type: ignore[arg-type]


def _typed(name: str, value: object, default: object) -> object:
    if isinstance(default, tuple):
        if isinstance(value, list | tuple) and all(isinstance(entry, str) for entry in value):
            return tuple(value)
    elif default is None:
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
    elif isinstance(default, float):
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    elif type(value) is type(default):
        return value
    raise ValueError(f"rule {name!r} does not take {value!r}")
