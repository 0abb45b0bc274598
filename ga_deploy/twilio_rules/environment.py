"""How much the environment variables of a deployment may take together, and how that is measured. The only place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Twilio docs, Environment variables: about 3 KB for all of them, encoded as JSON, what the platform adds included.
# Beyond it deployments fail, and short of it some silently go missing.
MOST_BYTES = 3 * 1024

_SID = "S" * 34
_TOKEN = "T" * 32


def measure_variables(variables: Mapping[str, str]) -> int:
    """Return how many bytes these variables take.

    Whether Twilio counts names is not said. Here they count: a deployment that is refused here costs a line in the
    config, and one that fails there leaves its variables behind.
    """
    return len(json.dumps(variables, ensure_ascii=False).encode())


def list_added(domain: str, *, with_credentials: bool) -> dict[str, str]:
    """Return what the platform adds to the variables; the values have the right length, and say nothing."""
    added = {"DOMAIN_NAME": domain, "SERVICE_SID": _SID, "ENVIRONMENT_SID": _SID}
    return {**added, "ACCOUNT_SID": _SID, "AUTH_TOKEN": _TOKEN} if with_credentials else added


def guess_domain(service: str, suffix: str) -> str:
    """Return a domain as long as the one that an environment of this service would get."""
    return f"{service}-1234{'-' if suffix else ''}{suffix}.twil.io".lower()
