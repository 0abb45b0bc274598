"""Checks of `phone_numbers`: each number once, with a profile or a flow that exists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.config.checks.outcomes import defined, no_such
from ga_deploy.config.explain import place_of
from ga_deploy.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ga_deploy.config.schema import Language
    from ga_deploy.yaml_tree.tree import Keys, Section


def check_numbers(language: Language, root: Section) -> Iterator[Finding]:
    """Yield each entry that stands for a number a second time, or that leads to nothing."""
    profiles = defined(root, "profiles")
    seen: set[str] = set()
    for index, entry in enumerate(language.phone_numbers):
        at: Keys = ("phone_numbers", index)
        if entry.number in seen:
            yield Finding(
                "a phone number is listed twice",
                f"{entry.number} can point at one place only",
                "remove one of the entries",
                place_of(root, (*at, "number")),
            )
        seen.add(entry.number)
        if entry.profile is not None and entry.profile not in profiles:
            yield no_such("profile", entry.profile, profiles, root, (*at, "profile"))
        if entry.to == "flow" and not language.flow.enabled:
            yield Finding(
                "a number goes to the flow, but there is no flow",
                "`flow.enabled` is not true",
                "set `flow.enabled: true`, or `to: engage`",
                place_of(root, (*at, "to")),
            )
        if entry.to == "flow" and entry.profile is not None:
            yield Finding(
                "a number has a profile and goes to the flow",
                "the flow chooses what is sent to the agent; its URL is the same for every number",
                "remove `profile`, or set `to: engage`",
                place_of(root, (*at, "profile")),
            )
