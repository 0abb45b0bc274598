"""The user's own environment variables: allowed names and sizes, and no reserved names."""

from __future__ import annotations

import re
from typing import Any

from ga_deploy.config.references import Referenced
from ga_deploy.config.scalars import SHORTEST_SECRET, check_each, finding, kind_of, show
from ga_deploy.redact import Secret

# Twilio docs, Environment variables: set by the platform, or read by Node itself.
PLATFORM = frozenset(
    [
        "ACCOUNT_SID",
        "AUTH_TOKEN",
        "DOMAIN_NAME",
        "PATH",
        "SERVICE_SID",
        "ENVIRONMENT_SID",
        "TWILIO_REGION",
        "TWILIO_EDGE",
    ]
)
OURS = frozenset(["ASAPP_API_HOST", "ASAPP_API_ID", "ASAPP_API_SECRET"])
LARGEST_VALUE = 450  # bytes; Twilio docs: Environment variables
LARGEST_KEY = 128


def check_variables(value: Any) -> Any:
    """Check names and sizes; turn each value from a reference into a `Secret`."""
    return check_each(value, _check)


def _check(key: str, value: Any) -> Any:
    if key in PLATFORM or key in OURS or key.startswith("GA_"):
        whose = "Twilio" if key in PLATFORM else "ga-deploy"
        raise finding(f"the variable `{key}` is reserved", f"{whose} sets it", "choose another name", at_key=True)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key) or len(key) > LARGEST_KEY:
        raise finding(
            f"`{key[:60]}` cannot be the name of a variable",
            "code reads it as context.NAME: letters, digits and underscores, at most 128",
            "choose another name",
            at_key=True,
        )
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise finding(
            f"the variable `{key}` is not a text",
            f"YAML reads its value as {kind_of(value)}",
            "put quotes round it",
        )
    if not value:
        raise finding(f"the variable `{key}` is empty", "Twilio holds no empty values", "remove it, or give it a value")
    if len(value.encode()) > LARGEST_VALUE:
        raise finding(
            f"the variable `{key}` is too long",
            f"it has {len(value.encode())} bytes, Twilio allows {LARGEST_VALUE}",
            "shorten it, or move it to a private asset",
        )
    if not isinstance(value, Referenced):
        return value
    if len(value) < SHORTEST_SECRET and not value.clear:
        raise finding(
            f"the variable `{key}` has fewer than {SHORTEST_SECRET} characters",
            f"{show(value)} is treated as a secret, and so short a text cannot be masked in logs",
            "use a longer secret; if it is not secret, write it in plain text or as a default: ${NAME:-value}",
        )
    return Secret(str(value))
