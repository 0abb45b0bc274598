"""The widgets of a flow with their places: columns to the right, rows downwards."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ga_deploy.studio.definition import State

Cell = tuple[int, int]


class Canvas:
    """Collects widgets. `placed` has each with its column and row, in the order in which they were put."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self.placed: list[tuple[State, Cell]] = []

    def put(self, state: State, place: Cell) -> str:
        """Add a widget and return its name."""
        self._names.add(state["name"])
        self.placed.append((state, place))
        return state["name"]

    def free_name(self, preferred: str) -> str:
        """Return `preferred`, with a number behind it if another widget has that name.

        Two names of the config may differ only in characters that the name of a widget cannot have.
        """
        name, number = preferred, 2
        while name in self._names:
            name, number = f"{preferred}_{number}", number + 1
        return name


def safe_name(text: str) -> str:
    """Return `text` with every character replaced that the name of a widget cannot have (letters, digits, `_`, `-`)."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)
