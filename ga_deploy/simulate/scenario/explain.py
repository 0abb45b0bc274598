"""From pydantic's errors about a scenario to findings: each with its place, a reason and a fix."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any

from ga_deploy.errors import Finding, Place
from ga_deploy.simulate.scenario.values import LABEL, describe, suggest
from ga_deploy.yaml_tree.tree import Items, Section

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

    from ga_deploy.yaml_tree.tree import Entry, Node

Loc = tuple[str | int, ...]


def explain(error: ErrorDetails, root: Section, model: type[BaseModel]) -> Finding:
    """Return the finding for one error about the tree `root`, which was read as `model`."""
    loc = error["loc"]
    node, entry = _locate(root, loc)
    label = f"`{'.'.join(str(key) for key in loc if not isinstance(key, int))}`"
    if error["type"] == "extra_forbidden":
        known = _list_keys(model, loc[:-1])
        fix = suggest(str(loc[-1]), known, "one of: " + ", ".join(sorted(known)))
        what = f"unknown key {label}"
        return Finding(what, "a scenario has no such key here", fix, entry.place if entry else node.place)
    if error["type"] == "finding":
        words = error["ctx"]
        return Finding(words["what"].replace(LABEL, label), words["why"], words["fix"], node.place)
    return Finding(f"{label} has to be a mapping", describe(error["input"]), "see docs/simulate.md", node.place)


def list_places(root: Section) -> dict[str, Place]:
    """Return where the value of each key stands, by the way to it: `call.profile`."""
    return dict(_walk(root, ""))


def _walk(section: Section, path: str) -> Iterator[tuple[str, Place]]:
    for key, entry in section.entries.items():
        yield path + key, entry.node.place
        if isinstance(entry.node, Section):
            yield from _walk(entry.node, f"{path}{key}.")


def _locate(root: Section, loc: Loc) -> tuple[Node, Entry | None]:
    """Follow `loc` as far as the tree goes."""
    node: Node = root
    entry: Entry | None = None
    for key in loc:
        if isinstance(node, Section) and key in node.entries:
            entry = node.entries[str(key)]
            node = entry.node
        elif isinstance(node, Items) and isinstance(key, int) and key < len(node.nodes):
            node = node.nodes[key]
    return node, entry


def _list_keys(model: type[BaseModel], loc: Iterable[str | int]) -> tuple[str, ...]:
    """Return the keys of the section at `loc`."""
    found: Any = model
    for key in loc:
        found = found.model_fields[str(key)].annotation
        found = next((one for one in typing.get_args(found) if one is not type(None)), found)
    return tuple(field.alias or name for name, field in found.model_fields.items())
