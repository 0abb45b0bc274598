"""A scenario's changes to the config: other opening hours, other steps, and web hooks that lead to this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ga_deploy.config.destinations import VoicemailDestination
from ga_deploy.config.hours import Hours
from ga_deploy.config.steps import Notify, Send

if TYPE_CHECKING:
    from collections.abc import Callable

    from ga_deploy.config.schema import Config, Outcomes
    from ga_deploy.simulate.scenario.scenario import DeploymentFault

_NEVER_OPEN = Hours.model_construct(timezone="UTC", open={}, closed=())


def apply_overrides(config: Config, fault: DeploymentFault, stand_in: Callable[[str], str]) -> Config:
    """Return the config with a scenario's changes. `stand_in` returns the URL that replaces the URL of a web hook."""
    destinations = {name: _lead_box(one, stand_in) for name, one in config.destinations.items()}
    if fault.all_closed or fault.all_open:
        hours = {"hours": _NEVER_OPEN if fault.all_closed else None}
        destinations = {name: destination.model_copy(update=hours) for name, destination in destinations.items()}

    def change(outcomes: Outcomes) -> Outcomes:
        return _lead_to(stand_in, _change_steps(outcomes, fault))

    # The time of day is not simulated: the agent's hours are left out, unless the scenario is about them.
    agent = {"hours": _NEVER_OPEN if fault.agent_closed else None}
    profiles = {
        name: profile.model_copy(update={"outcomes": change(profile.outcomes), **agent})
        for name, profile in config.profiles.items()
    }
    changes = {"destinations": destinations, "outcomes": change(config.outcomes), "profiles": profiles, **agent}
    return config.model_copy(update=changes)


def _change_steps(outcomes: Outcomes, fault: DeploymentFault) -> Outcomes:
    if not fault.send_to and not fault.steps_of:
        return outcomes
    steps = (Send(to=fault.send_to),) if fault.send_to else getattr(outcomes, fault.steps_of)
    endings = [name for name in type(outcomes).model_fields if name != "exhausted"]
    return outcomes.model_copy(update=dict.fromkeys(endings, steps))


def _lead(step: Any, stand_in: Callable[[str], str]) -> Any:
    return step.model_copy(update={"url": stand_in(step.url)}) if isinstance(step, Notify) else step


def _lead_to(stand_in: Callable[[str], str], outcomes: Outcomes) -> Outcomes:
    names = type(outcomes).model_fields
    return outcomes.model_copy(
        update={name: tuple(_lead(step, stand_in) for step in getattr(outcomes, name)) for name in names}
    )


def _lead_box(destination: Any, stand_in: Callable[[str], str]) -> Any:
    if not isinstance(destination, VoicemailDestination):
        return destination
    box = destination.voicemail
    return destination.model_copy(update={"voicemail": box.model_copy(update={"notify": _lead(box.notify, stand_in)})})
