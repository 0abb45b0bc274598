"""YAML as a tree; every node knows its place in the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ga_deploy.errors import Place

Plain = str | int | float | bool | None
Keys = tuple[str | int, ...]


@dataclass(frozen=True)
class Scalar:
    """A single value; `raw` is its text in the file, `keys` lead to it from the top of the file."""

    value: Plain
    raw: str
    place: Place
    keys: Keys = ()


@dataclass(frozen=True)
class Items:
    """A list."""

    nodes: tuple[Node, ...]
    place: Place
    keys: Keys = ()


@dataclass(frozen=True)
class Entry:
    """A key of a mapping: the place of the key and its value."""

    place: Place
    node: Node


@dataclass(frozen=True)
class Section:
    """A mapping; keys are the texts as written, so that `on:` is `on` and `1:` is `1`."""

    entries: dict[str, Entry]
    place: Place
    keys: Keys = ()

    def get(self, *keys: str) -> Node | None:
        """Return the node under a path of keys; None if there is none."""
        node: Node | None = self
        for key in keys:
            entry = node.entries.get(key) if isinstance(node, Section) else None
            node = entry.node if entry else None
        return node


Node = Scalar | Items | Section


def is_whole(text: str) -> bool:
    """Tell whether a text can be encoded: it has no half of a surrogate pair (undecodable bytes become such halves)."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
