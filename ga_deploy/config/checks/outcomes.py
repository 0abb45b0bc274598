"""Checks of outcomes: every step can be reached, every destination exists, every caller gets an end."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from ga_deploy.config.explain import place_of
from ga_deploy.config.schema import Language, Outcomes
from ga_deploy.config.steps import Hangup, Send
from ga_deploy.errors import Finding
from ga_deploy.yaml_tree.tree import Section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ga_deploy.config.steps import Step
    from ga_deploy.yaml_tree.tree import Keys


def check_outcomes(language: Language, root: Section) -> Iterator[Finding]:
    """Yield errors and warnings about the outcomes of a merged config and of its profiles."""
    for keys, outcomes in all_outcomes(language):
        yield from _steps(outcomes, keys, language, root)
    if not language.hooks.after_call:  # the hook may send a caller to any destination
        yield from _outcomes_that_help_nobody(language, root)


def defined(root: Section, section: str) -> list[str]:
    """Return the names that a section of the tree defines, valid or not."""
    node = root.get(section)
    return list(node.entries) if isinstance(node, Section) else []


def no_such(kind: str, name: str, known: list[str], root: Section, keys: Keys) -> Finding:
    """Return the finding for an undefined name, with the nearest defined one."""
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    section = f"{kind}s"
    return Finding(
        f"there is no {kind} `{name[:60]}`",
        f"`{section}` has " + ", ".join(known) if known else f"`{section}` lists none",
        f"did you mean `{near[0]}`?" if near else f"add it under `{section}:`",
        place_of(root, keys),
    )


def all_outcomes(language: Language) -> Iterator[tuple[Keys, Outcomes]]:
    """Yield every set of outcomes with the keys that lead to it: first the config's own, then each profile's."""
    yield ("outcomes",), language.outcomes
    for name, profile in language.profiles.items():
        yield ("profiles", name, "outcomes"), profile.outcomes


def _steps(outcomes: Outcomes, keys: Keys, language: Language, root: Section) -> Iterator[Finding]:
    known = defined(root, "destinations")
    for name in Outcomes.model_fields:
        steps: tuple[Step, ...] = getattr(outcomes, name)
        ended_by = ""
        for index, step in enumerate(steps):
            at: Keys = (*keys, name, index)
            if ended_by:
                yield Finding(
                    f"step {index + 1} of `{name}` can never be reached",
                    ended_by,
                    "remove it, or move it up",
                    place_of(root, at),
                )
                break
            if isinstance(step, Send):
                yield from _targets(step, known, root, (*at, "send"))
            ended_by = _why_final(step, language)
        goes_on = steps and not ended_by and not any(isinstance(step, Send) for step in steps)
        if goes_on and name not in {"agent", "failed", "exhausted"}:
            yield Finding(
                f"`outcomes.{name}` neither sends the caller on nor hangs up",
                "after its last step, the steps of `exhausted` run",
                "end it with `- hangup`, or with `- send: NAME`",
                place_of(root, (*keys, name)),
                "warning",
            )


def _targets(send: Send, known: list[str], root: Section, keys: Keys) -> Iterator[Finding]:
    if send.to is not None and send.to not in known:
        yield no_such("destination", send.to, known, root, keys)
    for value, target in (send.map or {}).items():
        if target not in known:
            yield no_such("destination", target, known, root, (*keys, "map", value))
    if send.default is not None and send.default not in known:
        yield no_such("destination", send.default, known, root, (*keys, "default"))
    if send.by and not known:
        yield Finding(
            "there is no destination to choose from",
            "`destinations` lists none",
            "add some under `destinations:`",
            place_of(root, keys),
        )


def _why_final(step: Step, language: Language) -> str:
    """Return why no later step can be reached; empty if one can.

    Some destinations never return the call (`Destination.never_returns`). All others report when they fail, and a
    destination with hours may be closed.
    """
    if isinstance(step, Hangup):
        return "the step before it hangs up"
    if not isinstance(step, Send) or step.targets is None or (step.by and step.default is None):
        return ""
    targets = [language.destinations.get(name) for name in step.targets]
    whys = [one.never_returns if one is not None and one.hours is None else "" for one in targets]
    return "the step before it " + ", or ".join(dict.fromkeys(whys)) if whys and all(whys) else ""


def _outcomes_that_help_nobody(language: Language, root: Section) -> Iterator[Finding]:
    for name, who in (("agent", "who asks for a person"), ("failed", "whose call ASAPP cannot take")):
        steps: tuple[Step, ...] = getattr(language.outcomes, name)
        if not any(isinstance(step, (Send, Hangup)) for step in steps):
            yield Finding(
                f"`outcomes.{name}` never sends the caller to a destination",
                f"a caller {who} only gets the steps of `exhausted`",
                f"add `{name}: [{{send: NAME}}]` under `outcomes:`",
                place_of(root, ("outcomes", name)),
                "warning",
            )
