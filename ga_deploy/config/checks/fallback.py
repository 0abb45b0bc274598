"""Checks of `fallback`: steps that a static document can express."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.config.checks.outcomes import defined, no_such
from ga_deploy.config.explain import place_of
from ga_deploy.config.steps import Hangup, Send
from ga_deploy.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ga_deploy.config.schema import Language
    from ga_deploy.yaml_tree.tree import Keys, Section


def check_fallback(language: Language, root: Section) -> Iterator[Finding]:
    """Yield each step of `fallback` that a static public document cannot express, or that is never reached."""
    known = defined(root, "destinations")
    for index, step in enumerate(language.fallback):
        at: Keys = ("fallback", index)
        if isinstance(step, Hangup) and index + 1 < len(language.fallback):
            yield Finding(
                f"step {index + 2} of `fallback` can never be reached",
                "the step before it hangs up",
                "remove it, or move it up",
                place_of(root, ("fallback", index + 1)),
            )
            return
        if isinstance(step, Send) and step.to is not None:
            destination = language.destinations.get(step.to)
            if destination is None and step.to not in known:
                yield no_such("destination", step.to, known, root, (*at, "send"))
            why = destination.why_not_static() if destination is not None else ""
            if why:
                yield Finding(
                    f"`fallback` cannot send callers to `{step.to}`",
                    why,
                    "use a destination that is a number, or a SIP address without password and headers",
                    place_of(root, (*at, "send")),
                )
