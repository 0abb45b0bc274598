"""Texts of others without what a terminal would obey, or GitHub Actions take for a command of the job."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import rich.console
    from rich.segment import Segment

# Control characters (those that begin colours too), and what shows the rest of a line backwards.
_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
# GitHub's runner looks at the beginning of a line, after any blanks; for the older form anywhere in it.
_COMMAND = re.compile(r"^([^\S\n]*):(?=:)", re.MULTILINE)
_OLD_COMMAND = "##["


def make_harmless(text: str) -> str:
    """Return a text without the characters that a terminal obeys; line ends and tabs stay."""
    return _OBEYED.sub("", text)


def break_commands(text: str) -> str:
    """Return a text with a blank in whatever GitHub Actions would take for a command."""
    return _COMMAND.sub(r"\1: ", text).replace(_OLD_COMMAND, "## [")


def escape_obeyed(text: str) -> str:
    """Return JSON that says the same without such characters and commands: JSON itself escapes only some of them."""
    return _OBEYED.sub(_escape, text).replace(_OLD_COMMAND, "#\\u0023[")


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found.group()):04x}"


class Harmless:
    """A renderable of rich's whose texts are harmless: the colours in others' texts would pass for ours."""

    def __init__(self, renderable: rich.console.RenderableType) -> None:
        self._renderable = renderable

    def __rich_console__(
        self, console: rich.console.Console, options: rich.console.ConsoleOptions
    ) -> Iterator[Segment]:
        """Draw the renderable, each text in it made harmless."""
        for segment in console.render(self._renderable, options):
            yield segment if segment.control else segment._replace(text=make_harmless(segment.text))
