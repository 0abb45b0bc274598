"""Names in a scenario that the config has to have: destinations, profiles. A misspelt one would test nothing.

What a scenario expects is not looked at: a call that was to go to nobody fails by itself.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from ga_deploy.errors import Finding, Place

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from ga_deploy.simulate.judge.expected import Deployment
    from ga_deploy.simulate.scenario.scenario import Scenario


def find_unknown_names(scenarios: Sequence[Scenario], deployment: Deployment) -> tuple[Finding, ...]:
    """Return a finding for every destination and profile of the scenarios that the deployment does not have."""
    return tuple(finding for scenario in scenarios for finding in _look_through(scenario, deployment))


def _look_through(scenario: Scenario, deployment: Deployment) -> Iterator[Finding]:
    destinations = deployment.destinations.keys()
    profiles = deployment.behaviours.keys() - {""}
    reacting = sorted(scenario.reactions_by_name.keys() - {"default"})
    wanted: list[tuple[str, str, str, Collection[str]]] = [
        ("call.profile", "profile", scenario.profile, profiles),
        ("deployment.send_to", "destination", scenario.deployment.send_to, destinations),
        *((f"destinations.{name}", "destination", name, destinations) for name in reacting),
    ]
    for key, kind, name, known in wanted:
        if name and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            yield Finding(
                f"`{key}` names a {kind} that the config does not have: `{name}`",
                f"it has {', '.join(sorted(known))}" if known else f"it has no {kind}s",
                f"did you mean `{near[0]}`?" if near else "correct the scenario, or the config",
                scenario.places.get(key) or (Place(scenario.file) if scenario.file else None),
            )
