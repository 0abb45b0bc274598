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
                "duplicate phone number",
                f"{entry.number} can lead to one place only",
                "remove one of the entries",
                place_of(root, (*at, "number")),
            )
        seen.add(entry.number)
        if entry.profile is not None and entry.profile not in profiles:
            yield no_such("profile", entry.profile, profiles, root, (*at, "profile"))
        if entry.to == "flow" and not language.flow.enabled:
            yield Finding(
                "a number leads to the flow, but the flow is disabled",
                "`flow.enabled` is not true",
                "set `flow.enabled: true`, or `to: engage`",
                place_of(root, (*at, "to")),
            )
        if entry.to == "flow" and entry.profile is not None:
            yield Finding(
                "a number leads to the flow and has a profile",
                "a flow has one URL for all numbers and chooses the profile itself",
                "remove `profile`, or set `to: engage`",
                place_of(root, (*at, "profile")),
            )
