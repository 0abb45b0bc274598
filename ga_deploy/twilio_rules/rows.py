"""A row of the rule book: a rule of Twilio's, what happens when it is broken, where that is written, how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ga_deploy.twilio_rules.values import ANY, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Protocol

    class Element(Protocol):
        """An element of a document: what the rules look at."""

        @property
        def name(self) -> str:
            """Its name, e.g. `Dial`."""

        @property
        def attributes(self) -> Mapping[str, str]:
            """Its attributes as written."""

        @property
        def text(self) -> str:
            """Its own text."""

        @property
        def children(self) -> Sequence[Element]:
            """The elements in it."""

        @property
        def line(self) -> int:
            """The line on which it begins."""


class Sure(StrEnum):
    """How sure a rule is."""

    DOCUMENTED = "documented"  # a page of Twilio's says so
    MEASURED = "measured"  # tried out on Twilio's own packages or tools
    ASSUMED = "assumed"  # neither: it is in docs/unverified.md, with a check


@dataclass(frozen=True)
class Row:
    """One rule.

    `element` is the element, with its parent where the same name means two things (`Connect/Stream`). `attribute` is
    empty for a rule of the element as a whole (its text, its children), whose `find_fault` then looks at the element.
    `code` is Twilio's error or warning; 0 where none is known. `broken` tells what Twilio does then; `refused`: it does
    not carry the element out at all. `breaks`: what was meant does not happen, which is an error; else it is a warning.
    An `assumed` row has `matters` (where it matters to us) and `check` (how to find out on a real account).
    """

    element: str
    attribute: str
    broken: str
    source: str
    value: Value = ANY
    words: str = ""
    code: int = 0
    sure: Sure = Sure.DOCUMENTED
    breaks: bool = True
    refused: bool = False
    required: bool = False
    find_fault: Callable[[Element], str] | None = None
    matters: str = ""
    check: str = ""

    @property
    def rule(self) -> str:
        """The rule in words."""
        return self.words or self.value.words


@dataclass(frozen=True)
class Behaviour:
    """Something that Twilio does with a call, which no attribute tells. Fields as in `Row`."""

    what: str
    source: str
    sure: Sure = Sure.DOCUMENTED
    matters: str = ""
    check: str = ""


@dataclass(frozen=True)
class Break:
    """A rule that an element of a document breaks, and how."""

    row: Row
    text: str
    element: Element

    def __str__(self) -> str:
        return f"{self.row.code}: {self.text}" if self.row.code else self.text
