"""Drift: what somebody changed since the newest release. Pure.

Pending changes are something else: the config requests them, and nobody has deployed them yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.engine.numbers.settings import NumberTarget, describe, reaches
from ga_deploy.engine.plan.ownership import Ownership
from ga_deploy.model.drift import Drift
from ga_deploy.redact import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.engine.numbers.record import RememberedNumber
    from ga_deploy.model.desired import Desired
    from ga_deploy.model.numbers import IncomingNumber
    from ga_deploy.model.observed import Observed
    from ga_deploy.model.release import Release, ReleasedVariable
    from ga_deploy.model.serverless import Variable


def find_drift(
    desired: Desired,
    observed: Observed,
    owned: Mapping[str, IncomingNumber],
    recorded: Mapping[str, RememberedNumber],
) -> tuple[Drift, ...]:
    """Return all drift, in the order of a plan; empty if there is no release to compare with."""
    latest = observed.record.latest
    if latest is None:
        return ()
    return (
        *_drift_of_environment(observed, latest),
        *_drift_of_functions(desired, observed, latest),
        *_drift_of_assets(observed, latest),
        *_drift_of_dependencies(observed, latest, desired),
        *_drift_of_variables(observed, latest),
        *_drift_of_numbers(desired, observed, latest, owned, recorded),
    )


def _drift_of_environment(observed: Observed, latest: Release) -> list[Drift]:
    if observed.environment is None:
        return [Drift("environment", "somebody deleted it")]
    if observed.environment.sid != latest.environment_sid:
        return [Drift("environment", "somebody deleted it and created it again")]
    if observed.build is None:
        return [Drift("deployment", "somebody took everything offline")]
    return []


def _drift_of_functions(desired: Desired, observed: Observed, latest: Release) -> list[Drift]:
    if observed.build is None:
        return []
    live = {function.version.path: function for function in observed.live}
    owner = Ownership(desired, observed)
    drift = []
    for path, released in sorted(latest.functions.items()):
        function = live.get(path)
        if function is None:
            if not released.kept:
                drift.append(Drift(f"function:{path}", "somebody removed it from the live build"))
        elif function.version.sid != released.version and function.sha256 != released.sha256:
            change = "another version of it is live" if owner.is_our_function(function) else "somebody replaced it"
            drift.append(Drift(f"function:{path}", change))
    return drift


def _drift_of_assets(observed: Observed, latest: Release) -> list[Drift]:
    if observed.build is None:
        return []
    live = {version.path: version.sid for version in observed.build.asset_versions}
    return [
        Drift(f"asset:{path}", "somebody replaced it" if path in live else "somebody removed it from the live build")
        for path, released in sorted(latest.assets.items())
        if live.get(path) != released.version and not (path not in live and released.kept)
    ]


def _drift_of_dependencies(observed: Observed, latest: Release, desired: Desired) -> list[Drift]:
    if observed.build is None:
        return []
    live = Ownership(desired, observed).live_dependencies
    return [
        Drift(f"dependency:{name}", f"the live build has {live.get(name, 'none')}, released was {version}")
        for name, version in sorted(latest.dependencies.items())
        if live.get(name) != version
    ]


def _drift_of_variables(observed: Observed, latest: Release) -> list[Drift]:
    live = {variable.key: variable for variable in observed.variables}
    drift = []
    for name, released in sorted(latest.variables.items()):
        variable = live.get(name)
        if variable is None:
            drift.append(Drift(f"variable:{name}", "somebody removed it"))
        elif not _has_value(variable, released, latest.salt):
            drift.append(Drift(f"variable:{name}", "somebody changed its value"))
    return drift


def _has_value(variable: Variable, released: ReleasedVariable, salt: str) -> bool:
    if released.value is not None:
        return variable.value == released.value
    return released.fingerprint is None or fingerprint(variable.value, salt) == released.fingerprint


def _drift_of_numbers(
    desired: Desired,
    observed: Observed,
    latest: Release,
    owned: Mapping[str, IncomingNumber],
    recorded: Mapping[str, RememberedNumber],
) -> list[Drift]:
    domain = observed.environment.domain_name if observed.environment else latest.domain_name
    target = NumberTarget(domain, desired.engage_path)
    drift = []
    for number in sorted({*latest.numbers, *recorded}):
        found = owned.get(number)
        if found is None:
            drift.append(Drift(f"number:{number}", "the account no longer owns it"))
        elif not reaches(found.settings, target, recorded.get(number)):
            drift.append(Drift(f"number:{number}", f"it now points at {describe(found.settings)}"))
    return drift
