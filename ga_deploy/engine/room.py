"""Whether all variables of an environment still fit, those of others included: known before anything is sent.

Twilio docs, Environment variables: about 3 KB for all of them, encoded as JSON and with what the platform adds; beyond
it deployments fail, and short of it some silently go missing. Whether names count is not said: here they do, for a
deployment that is refused here costs a line in the config, and one that fails there leaves its variables behind.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ga_deploy.engine.flows import FLOW_VARIABLE
from ga_deploy.engine.ownership import DOMAIN_VARIABLE
from ga_deploy.errors import DeployError
from ga_deploy.redact import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.model import Desired, Observed

MOST_BYTES = 3 * 1024
_SHOWN = 5
_SID = "S" * 34
_TOKEN = "T" * 32
# Stands in for a domain that does not exist yet: service name, four digits, suffix, `.twil.io`.
_DOMAIN_REST = "-1234-.twil.io"


def check_room(desired: Desired, observed: Observed, *, with_flow: bool = False) -> None:
    """Raise `DeployError` if the variables would no longer fit, naming the largest.

    An environment that is past the limit already, and that this deployment does not make larger, is left to Twilio.
    Variables that are about to go count: they go after the deployment, for the old build reads them until then.
    """
    before = {variable.key: variable.value for variable in observed.variables}
    ours = {key: value.reveal() if isinstance(value, Secret) else value for key, value in desired.variables.items()}
    if with_flow:
        ours.setdefault(FLOW_VARIABLE, before.get(FLOW_VARIABLE, _SID))
    after = {**before, **ours}
    added = _platform(desired, observed)
    total, was = _measure({**after, **added}), _measure({**before, **added})
    if total <= MOST_BYTES or total <= was:
        return
    raise DeployError(
        f"the variables of environment `{desired.environment}` would take {total} bytes together",
        why=f"deployments fail beyond about {MOST_BYTES}; the largest are {_name_largest(after, ours)}",
        fix="shorten or remove some of them; a long value can go into a hook, or into a private asset",
    )


def _name_largest(after: Mapping[str, str], ours: Mapping[str, str]) -> str:
    sizes = sorted(((_measure({key: value}) - 2, key) for key, value in after.items()), reverse=True)
    return ", ".join(f"{key} ({size}{'' if key in ours else ', of others'})" for size, key in sizes[:_SHOWN])


def _platform(desired: Desired, observed: Observed) -> dict[str, str]:
    """Return what the platform adds; its values have a known size, not a known value."""
    environment, service = observed.environment, observed.service
    domain = environment.domain_name if environment else f"{desired.service_name}{desired.domain_suffix}{_DOMAIN_REST}"
    added = {DOMAIN_VARIABLE: domain, "SERVICE_SID": _SID, "ENVIRONMENT_SID": _SID}
    gives_credentials = service.include_credentials if service else True
    if desired.include_credentials is not None:
        gives_credentials = desired.include_credentials
    return {**added, "ACCOUNT_SID": _SID, "AUTH_TOKEN": _TOKEN} if gives_credentials else added


def _measure(variables: Mapping[str, str]) -> int:
    return len(json.dumps(variables, ensure_ascii=False).encode())
