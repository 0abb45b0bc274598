"""YAML as a tree in which everything knows where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ga_deploy.errors import Place

Plain = str | int | float | bool | None
Keys = tuple[str | int, ...]


@dataclass(frozen=True)
class Scalar:
    """A single value; `raw` is its text in the file, `keys` the way to it from the top of the file."""

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
    """A key of a mapping, where the key stands, and what it holds."""

    place: Place
    node: Node


@dataclass(frozen=True)
class Section:
    """A mapping; keys are the texts as written, so that `on:` is `on` and `1:` is `1`."""

    entries: dict[str, Entry]
    place: Place
    keys: Keys = ()

    def get(self, *keys: str) -> Node | None:
        """Return what stands under a path of keys, if that is there."""
        node: Node | None = self
        for key in keys:
            entry = node.entries.get(key) if isinstance(node, Section) else None
            node = entry.node if entry else None
        return node


Node = Scalar | Items | Section


def is_whole(text: str) -> bool:
    """Tell whether a text can be encoded: no half of a surrogate pair, which is also how undecodable bytes come in."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
