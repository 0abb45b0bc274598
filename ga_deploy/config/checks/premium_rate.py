"""Warnings about premium-rate numbers, wherever a config has a phone number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.config.checks.outcomes import all_outcomes
from ga_deploy.config.explain import place_of
from ga_deploy.config.schema import Outcomes
from ga_deploy.config.steps import Sms
from ga_deploy.errors import Finding
from ga_deploy.numbering_plan import is_premium_rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ga_deploy.config.schema import Language
    from ga_deploy.yaml_tree.tree import Keys, Section


def check_premium_rate(language: Language, root: Section) -> Iterator[Finding]:
    """Yield a warning for each premium-rate number, once for each profile that inherits it from the same line."""
    for keys, number in _numbers(language):
        if number.startswith("+") and is_premium_rate(number):
            yield Finding(
                f"{number} is a premium-rate number",
                "calls and messages to it cost more than others, and Twilio refuses many of them",
                "use another number, unless you mean this one",
                place_of(root, keys),
                "warning",
            )


def _numbers(language: Language) -> Iterator[tuple[Keys, str]]:
    """Yield each value that is a phone number or a word in the place of one, such as `called`."""
    yield ("caller_id",), language.caller_id or ""
    for index, entry in enumerate(language.phone_numbers):
        yield ("phone_numbers", index, "number"), entry.number
    for name, destination in language.destinations.items():
        yield from ((("destinations", name, *below), number) for below, number in destination.phone_numbers())
    for keys, outcomes in all_outcomes(language):
        for name in Outcomes.model_fields:
            for index, step in enumerate(getattr(outcomes, name)):
                if isinstance(step, Sms):
                    at: Keys = (*keys, name, index, "sms")
                    yield (*at, "from"), step.sender
                    yield (*at, "to"), step.to if isinstance(step.to, str) else ""
