"""Checks, before anything is sent, that all variables of an environment fit, also those of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.engine.flow.flow import FLOW_VARIABLE
from ga_deploy.errors import DeployError
from ga_deploy.redact import Secret
from ga_deploy.twilio_rules.environment import MOST_BYTES, guess_domain, list_added, measure_variables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.model.desired import Desired
    from ga_deploy.model.observed import Observed

_SHOWN = 5
_SID = "S" * 34  # the length of a SID


def check_variable_size(desired: Desired, observed: Observed, *, with_flow: bool = False) -> None:
    """Raise `DeployError` if the variables would no longer fit. The error names the largest.

    If they exceed the limit already and this deployment adds nothing, Twilio decides. Variables that will be deleted
    count too: they are deleted after the deployment, since the old build reads them until then.
    """
    before = {variable.key: variable.value for variable in observed.variables}
    ours = {key: value.reveal() if isinstance(value, Secret) else value for key, value in desired.variables.items()}
    if with_flow:
        ours.setdefault(FLOW_VARIABLE, before.get(FLOW_VARIABLE, _SID))
    after = {**before, **ours}
    added = _platform(desired, observed)
    total, was = measure_variables({**after, **added}), measure_variables({**before, **added})
    if total <= MOST_BYTES or total <= was:
        return
    raise DeployError(
        f"the variables of environment `{desired.environment}` would take {total} bytes",
        why=f"deployments fail beyond about {MOST_BYTES}; the largest are {_name_largest(after, ours)}",
        fix="shorten or remove some of them; a long value can go into a hook, or into a private asset",
    )


def _name_largest(after: Mapping[str, str], ours: Mapping[str, str]) -> str:
    sizes = sorted(((measure_variables({key: value}) - 2, key) for key, value in after.items()), reverse=True)
    return ", ".join(f"{key} ({size}{'' if key in ours else ', of others'})" for size, key in sizes[:_SHOWN])


def _platform(desired: Desired, observed: Observed) -> dict[str, str]:
    """Return the variables that the platform adds; their sizes are known, not their values."""
    environment, service = observed.environment, observed.service
    domain = guess_domain(desired.service_name, desired.domain_suffix or "")
    gives_credentials = service.include_credentials if service else True
    if desired.include_credentials is not None:
        gives_credentials = desired.include_credentials
    return list_added(environment.domain_name if environment else domain, with_credentials=gives_credentials)
