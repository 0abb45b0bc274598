"""Checks of `flow`: keys that need each other, and keys that exclude each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.config.explain import place_of
from ga_deploy.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ga_deploy.config.schema import Language
    from ga_deploy.yaml_tree.tree import Section


def check_flow(language: Language, root: Section) -> Iterator[Finding]:
    """Yield what is wrong between the keys of `flow`."""
    flow = language.flow
    if flow.attach_to and flow.base:
        yield Finding(
            "`flow.base` cannot be used with `flow.attach_to`",
            "`attach_to` changes a flow of the account; `base` makes a new flow from a file",
            "remove one of the two",
            place_of(root, ("flow", "base")),
        )
    if flow.base_keys and not flow.base and not flow.attach_to:
        yield Finding(
            "`flow.base_keys` has no flow with menus",
            "without `flow.base` or `flow.attach_to`, simulated callers never press them",
            "remove it, or set `flow.base`",
            place_of(root, ("flow", "base_keys")),
            "warning",
        )
    if flow.base is None and bool(flow.attach_to) != bool(flow.after):
        there, missing = ("attach_to", "after") if flow.attach_to else ("after", "attach_to")
        yield Finding(
            f"`flow.{there}` is set without `flow.{missing}`",
            "attaching needs both the flow and the transition",
            f"set `flow.{missing}`, or remove `flow.{there}`",
            place_of(root, ("flow", there)),
        )
